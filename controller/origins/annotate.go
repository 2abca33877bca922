package origins

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

// mark begins each comment. What follows has no other #, so that the last one of a line begins what was added to it.
const mark = "  # from "

const mainFile = "nginx.conf"

// Annotate returns the files of a plan with comments in nginx.conf. Behind a line stands what it comes from; behind the first line of
// a block what all in it comes from, unless a line says otherwise. What has no comment comes from flags and defaults. No line is
// another's, so that the layout stays.
func Annotate(plan controller.Plan) (nginx.Files, error) {
	a := annotator{Reader: Of(plan), comments: map[int][]Source{}}
	text, _ := plan.Files.Get(mainFile)
	list, err := nginx.Parse(string(text))
	if err != nil {
		return nginx.Files{}, fmt.Errorf("read %s: %w", mainFile, err)
	}
	if a.settings, err = a.ofConfigMap(); err != nil {
		return nginx.Files{}, err
	}
	a.lines = strings.Split(string(text), "\n")
	a.block(list, nil)
	for line, sources := range a.comments {
		a.lines[line-1] += mark + comment(sources)
	}
	files := plan.Files
	files.List = slices.Clone(files.List)
	for n := range files.List {
		if files.List[n].Name == mainFile {
			files.List[n].Content = []byte(strings.Join(a.lines, "\n"))
		}
	}
	return files, nil
}

// ServerBlock cuts the block of a host out of nginx.conf; false if it has none.
func ServerBlock(files nginx.Files, host string) (string, bool) {
	text, _ := files.Get(mainFile)
	for _, placed := range files.Layout {
		if placed.Server.Name == host {
			lines := strings.SplitAfter(string(text), "\n")
			const between = 1 // a line that is no server's
			return strings.Join(lines[placed.First:placed.First+placed.Lines-between], ""), true
		}
	}
	return "", false
}

// most is how many sources one comment names.
const most = 5

func comment(sources []Source) string {
	var names []string
	for _, s := range sources {
		if name := inComment(s.Name()); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// inComment is a name that ends no comment and begins none. Objects of manifests need not be called as an API server asks.
func inComment(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '#' || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, name)
}

type annotator struct {
	*Reader
	lines    []string
	comments map[int][]Source    // by line, from 1
	settings map[string][]Source // keys of the ConfigMap, by lines that are there because of them
}

// add puts a comment behind the words of a directive, if nothing else is behind them.
func (a *annotator) add(d nginx.Parsed, sources []Source) {
	if d.End > 0 && len(sources) > 0 {
		a.comments[d.End] = append(a.comments[d.End], sources...)
	}
}

// block annotates directives, which stand in a block of that server if there is one.
func (a *annotator) block(list []nginx.Parsed, in *nginx.Server) {
	for _, d := range list {
		origin := a.plan.Files.Layout.At(d.Line)
		switch {
		case d.Name() == "location" && origin.Location != nil:
			a.add(d, a.Path(origin.Location))
			a.location(d.Block, origin.Location)
		case d.Name() == "location" && origin.Shape != nil:
			a.add(d, a.shape(origin.Shape))
		case d.Name() == "server" && origin.Server != nil && in == nil:
			a.add(d, a.Host(origin.Server))
			a.block(d.Block, origin.Server)
		case in != nil:
			a.add(d, a.ofServer(d, in))
		default:
			a.add(d, a.setting(d))
			a.block(d.Block, nil)
		}
	}
}

// shape are those whose routes lead to it, and what of one of them it is made of.
func (a *annotator) shape(s *nginx.Shape) []Source {
	var list []Source
	for _, key := range s.Keys {
		list = append(list, a.Annotation(s.Owner, key))
	}
	if len(list) > 0 {
		return list
	}
	names := map[string]bool{}
	for _, host := range a.plan.Dynamic.Routes.Hosts.All() {
		for i := range host.Routes {
			if route := &host.Routes[i]; route.Ingress != "" && route.LeadsTo(s.Name) {
				names["Ingress "+route.Namespace+"/"+route.Ingress] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, a.At(name, ""))
	}
	return list
}

// ofServer is where a directive of a server comes from that is in none of its locations.
func (a *annotator) ofServer(d nginx.Parsed, s *nginx.Server) []Source {
	switch {
	case d.Name() == "server_name":
		return slices.Concat(a.Host(s), a.Server(s, "Aliases"))
	case d.Name() == "return" && s.RedirectTo != "":
		return a.Server(s, "WWW")
	case d.Name() == "location" && len(d.Words) == 3:
		return a.inquiry(s, d.Words[2])
	case has(s.Directives, d):
		if own := a.Server(s, "Directives", "ClientAuth"); len(own) > 0 {
			return own
		}
	case s.AppRoot != nil && d.Name() == "if" && slices.Contains(d.Words, "($uri"):
		return a.Server(s, "AppRoot")
	}
	return a.setting(d)
}

// inquiry is where an internal location comes from.
func (a *annotator) inquiry(s *nginx.Server, name string) []Source {
	var list []Source
	for _, l := range s.Locations {
		for _, d := range l.Body {
			if d.Inquiry != nil && d.Inquiry.Name == name {
				list = append(list, a.Location(l, d.Name)...)
			}
		}
	}
	return list
}

// location annotates what stands in the block of a location, as far as it does not come from where its path stands.
func (a *annotator) location(list []nginx.Parsed, l *nginx.Location) {
	for _, d := range list {
		sources := a.ofLocation(d, l)
		if len(sources) == 0 {
			sources = a.setting(d)
		}
		a.add(d, sources)
	}
}

func (a *annotator) ofLocation(d nginx.Parsed, l *nginx.Location) []Source {
	name := d.Name()
	backend := func() []Source {
		if l.Identity.Service == "" || !strings.HasPrefix(l.Field, "spec.rules[") {
			return nil
		}
		return []Source{a.At(l.Owner, l.Field+".backend")}
	}
	switch {
	case name == "set" && slices.Contains([]string{"$service_name", "$service_port", "$backend"}, d.Words[1]):
		return backend()
	case name == "set" && d.Words[1] == "$fallback" && l.Fallback != "":
		return a.Location(l, "Fallback")
	case has(l.Preflight, d):
		return a.Location(l, "Preflight")
	case has(l.Early, d):
		return a.Location(l, "Early")
	case has(l.Body, d):
		return a.Location(l, name)
	case l.Return != nil && (name == "return" || name == "set_by_lua_block" || name == "if" && slices.Contains(d.Words, "($escaped_uri")):
		return a.Location(l, "Return")
	case l.ToHTTPS != nil && name == "if" && slices.Contains(d.Words, "($pass_access_scheme"):
		return a.toHTTPS(l)
	case l.Rewrite != nil && (name == "rewrite" || name == "if"):
		return a.Location(l, "Rewrite")
	case slices.ContainsFunc(l.Headers, func(h nginx.Header) bool { return has(nginx.Directives{l.Protocol.SetHeader(h)}, d) }):
		return a.Location(l, "Headers")
	case name == l.Protocol.Module()+"_pass":
		return append(backend(), a.Location(l, "Protocol")...)
	}
	return nil
}

// toHTTPS is what redirects to https: an annotation, or that the host has a certificate.
func (a *annotator) toHTTPS(l *nginx.Location) []Source {
	if list := a.Location(l, "ToHTTPS"); len(list) > 0 || !l.HasTLS || l.Server == nil {
		return list
	}
	return []Source{a.At(l.Server.Owner, "spec.tls")}
}

// has tells whether a directive is one of a list, as NGINX reads it.
func has(list nginx.Directives, d nginx.Parsed) bool {
	for _, one := range list {
		text, err := one.Encode("")
		if err != nil || !strings.Contains(text, d.Name()) {
			continue // the plan would have failed
		}
		said, err := nginx.Parse(text)
		if err == nil && slices.ContainsFunc(said, func(s nginx.Parsed) bool { return slices.Equal(s.Words, d.Words) }) {
			return true
		}
	}
	return false
}

// setting are the keys of the ConfigMap that a line is there for.
func (a *annotator) setting(d nginx.Parsed) []Source {
	return a.settings[strings.TrimSpace(a.lines[d.Line-1])]
}

// mostKeys bounds how many keys are looked at.
const mostKeys = 100

// ofConfigMap finds the lines that are there because of keys of the ConfigMap: those which a plan without the key has not. Plans for
// no Ingress show it.
func (a *annotator) ofConfigMap() (map[string][]Source, error) {
	name := a.plan.ConfigMap()
	object := a.plan.Snapshot.ConfigMap(name.Namespace, name.Name)
	if object == nil {
		return nil, nil
	}
	bare := a.plan.Snapshot.Among()
	lines := func(s cluster.Snapshot) (map[string]bool, error) {
		plan, err := a.plan.Again(s)
		if err != nil {
			return nil, fmt.Errorf("plan for no Ingress: %w", err)
		}
		text, _ := plan.Files.Get(mainFile)
		set := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			set[strings.TrimSpace(line)] = true
		}
		return set, nil
	}
	with, err := lines(bare)
	if err != nil {
		return nil, err
	}
	found := map[string][]Source{}
	keys := slices.Sorted(maps.Keys(object.Data))
	for _, key := range keys[:min(len(keys), mostKeys)] {
		less := object.DeepCopy()
		delete(less.Data, key)
		without, err := lines(bare.Applied(cluster.Lists{ConfigMaps: []*corev1.ConfigMap{less}}))
		if err != nil {
			return nil, err
		}
		for line := range with {
			if !without[line] {
				found[line] = append(found[line], a.At("ConfigMap "+name.String(), "data["+key+"]"))
			}
		}
	}
	return found, nil
}
