package controller

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

// Who is to blame when NGINX refuses a plan, as far as the plan and NGINX's message tell.

// verdict is what NGINX said of a plan.
type verdict struct {
	message string
	origin  nginx.Origin // of the line it named; nobody's if it named none
	line    string       // its text, without white space around it
}

func (p *Plan) verdict(r refusal) verdict {
	message, file, line := r.Verdict()
	v := verdict{message: message}
	if text, ok := p.Files.Get(file); ok && file == "nginx.conf" {
		v.origin = p.Files.Layout.At(line)
		v.line = lineOf(text, line)
	}
	return v
}

// lineOf is a line of a text, from 1.
func lineOf(text []byte, line int) string {
	for n := 1; ; n++ {
		one, rest, more := bytes.Cut(text, []byte("\n"))
		if n == line {
			return string(bytes.TrimSpace(one))
		}
		if !more {
			return ""
		}
		text = rest
	}
}

// bound is a message about a port that NGINX cannot listen on.
var bound = regexp.MustCompile(`bind\(\) to \S+:(\d+) failed`)

// unbound is the entry of a ConfigMap that asks for such a port; none if it is no stream's.
func (p *Plan) unbound(v verdict) []cluster.Refusal {
	match := bound.FindStringSubmatch(v.message)
	if match == nil {
		return nil
	}
	var found []cluster.Refusal
	for _, l := range p.Config.Streams.Listeners {
		name := p.options.Streams.TCP
		if l.UDP {
			name = p.options.Streams.UDP
		}
		if object := p.Snapshot.ConfigMap(name.Namespace, name.Name); object != nil && strconv.Itoa(l.Port) == match[1] {
			found = append(found, cluster.RefusalOf(cluster.Entry(object, match[1]), "data."+match[1], v.message))
		}
	}
	return found
}

// together are messages about two things that exclude each other: the line is that of either. A directive that is duplicate stands
// in the same block twice.
var together = regexp.MustCompile(`(?i)^duplicate|the duplicate|conflict|already`)

// suspects are the Ingresses that the line NGINX named comes from, nil if it comes from nobody. If they are sure, each of them is to
// blame; else some are. A shape is all those Ingresses' whose routes lead to it: it is made of settings that they share.
func (p *Plan) suspects(v verdict) (names []cluster.Name, sure bool) {
	add := func(namespace, ingress string) {
		if name := (cluster.Name{Namespace: namespace, Name: ingress}); ingress != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	switch origin := v.origin; {
	case origin.Location != nil && !together.MatchString(v.message):
		add(origin.Location.Identity.Namespace, origin.Location.Identity.Ingress)
		return names, len(names) > 0
	case origin.Shape != nil:
		for _, host := range p.Dynamic.Routes.Hosts.All() {
			if !slices.Contains(host.Shapes, origin.Shape.Name) {
				continue
			}
			for i := range host.Routes {
				if route := &host.Routes[i]; route.LeadsTo(origin.Shape.Name) {
					add(route.Namespace, route.Ingress)
				}
			}
		}
		slices.SortFunc(names, func(a, b cluster.Name) int { return strings.Compare(a.String(), b.String()) })
		return names, len(names) > 0
	case origin.Server != nil:
		for _, l := range origin.Server.Locations {
			add(l.Identity.Namespace, l.Identity.Ingress)
		}
		for _, owner := range append(slices.Clone(origin.Server.Owners), origin.Server.Owner) {
			name := strings.TrimPrefix(owner, "Ingress ")
			namespace, ingress, _ := strings.Cut(name, "/")
			add(namespace, ingress)
		}
	}
	return names, false
}

// claimed is an Ingress as it is now; nil if there is none of that name.
func (p *Plan) claimed(name cluster.Name) *networkingv1.Ingress {
	at := slices.IndexFunc(p.Claimed, func(i *networkingv1.Ingress) bool { return cluster.NameOf(i) == name })
	if at < 0 {
		return nil
	}
	return p.Claimed[at]
}

// condemn is what to put into quarantine so that an Ingress no longer is as NGINX refuses it: the version of it that is served;
// or, if none of its annotations is in force any more, its paths too. It returns false if there is nothing left to take away.
func (p *Plan) condemn(name cluster.Name, v verdict) (cluster.Refusal, bool) {
	if served := p.Good.Ingresses.At(name); served != nil {
		return cluster.RefusalOf(served, p.field(served, v), v.message), true
	}
	present := p.claimed(name)
	if present == nil {
		return cluster.Refusal{}, false
	}
	known, refused := p.Snapshot.Quarantine.Of(present)
	if !refused || known.LeftOut {
		return cluster.Refusal{}, false
	}
	known.LeftOut, known.Message = true, v.message
	if field := pathField(present, v.origin); field != "" {
		known.Field = field
	}
	return known, true
}

// quoted are directives, variables, zones and the like in a message of NGINX.
var quoted = regexp.MustCompile(`"([^"]{3,})"`)

// field finds the field of an Ingress that NGINX refuses: the annotation without which what it refuses is not written, or the path
// whose location it is. Plans for that Ingress alone, without one annotation after the other, show it.
func (p *Plan) field(object *networkingv1.Ingress, v verdict) string {
	path := pathField(object, v.origin)
	if v.origin.Opens && path != "" {
		return path
	}
	refused := func(line string) bool { return line == v.line }
	if v.origin.Location == nil && v.origin.Shape == nil { // NGINX named no line of the object; perhaps it named a word of one
		words := quoted.FindAllStringSubmatch(v.message, -1)
		refused = func(line string) bool {
			return slices.ContainsFunc(words, func(m []string) bool { return strings.Contains(line, m[1]) })
		}
	}
	if before := p.linesOf(object, refused); len(before) > 0 {
		for _, key := range p.keys(object) {
			without := object.DeepCopy()
			delete(without.Annotations, key)
			if !slices.Equal(p.linesOf(without, refused), before) {
				return annotation(key)
			}
		}
	}
	if path == "" {
		return p.changedField(object)
	}
	return path
}

func annotation(key string) string { return "metadata.annotations[" + key + "]" }

// changedField is the only field in which an Ingress differs from the one that NGINX runs; "" if it is not the only one.
func (p *Plan) changedField(object *networkingv1.Ingress) string {
	proven := p.Snapshot.Proven.Ingresses.At(cluster.NameOf(object))
	if proven == nil {
		return ""
	}
	var fields []string
	if !equality.Semantic.DeepEqual(proven.Spec, object.Spec) {
		fields = append(fields, "spec")
	}
	for _, key := range p.keys(object) {
		if value, had := proven.Annotations[key]; !had || value != object.Annotations[key] {
			fields = append(fields, annotation(key))
		}
	}
	if len(fields) != 1 {
		return ""
	}
	return fields[0]
}

// mostKeys bounds how many annotations are looked at for the one to blame.
const mostKeys = 100

// keys are the annotations of an Ingress that may mean something to us.
func (p *Plan) keys(object *networkingv1.Ingress) []string {
	var keys []string
	for key := range object.Annotations {
		if strings.HasPrefix(key, p.AnnotationsPrefix+"/") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), mostKeys)]
}

// linesOf are the lines of that kind that a plan for an Ingress alone has in locations or shapes, or in the stream block.
func (p *Plan) linesOf(object *networkingv1.Ingress, of func(string) bool) []string {
	alone, err := p.options.forgetful().Plan(p.Snapshot.Only(object))
	if err != nil {
		return nil
	}
	text, _ := alone.Files.Get("nginx.conf")
	var found []string
	n, inStreams := 0, false
	for line := range bytes.Lines(text) {
		n++
		inStreams = inStreams || string(line) == "stream {\n" // what is behind it is all of streams
		if origin := alone.Files.Layout.At(n); origin.Location == nil && origin.Shape == nil && !inStreams {
			continue
		}
		if one := string(bytes.TrimSpace(line)); of(one) {
			found = append(found, one)
		}
	}
	return found
}

// forgetful are the same options without memories, which one goroutine alone may use, and without what depends on what runs.
func (o Options) forgetful() Options {
	o.Translate.Memory, o.Memory, o.Routes, o.Live, o.Refused = nil, nil, nil, nil, nil
	return o
}

// pathField is where an Ingress has the path of a location; "" if nowhere.
func pathField(object *networkingv1.Ingress, origin nginx.Origin) string {
	if origin.Location == nil {
		return ""
	}
	for r, rule := range object.Spec.Rules {
		if rule.HTTP == nil || rule.Host != "" && !strings.EqualFold(rule.Host, origin.Server.Name) {
			continue
		}
		for n := range rule.HTTP.Paths {
			if path := rule.HTTP.Paths[n].Path; path == origin.Location.Identity.Path || path == "" && origin.Location.Identity.Path == "/" {
				return "spec.rules[" + strconv.Itoa(r) + "].http.paths[" + strconv.Itoa(n) + "].path"
			}
		}
	}
	return ""
}

// isIn tells whether a version is the one that a Fallback has.
func isIn(f cluster.Fallback, served *networkingv1.Ingress) bool {
	proven := f.Ingresses.At(cluster.NameOf(served))
	return proven == served || proven != nil && cluster.VersionOf(proven) == cluster.VersionOf(served)
}
