package wild_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	settings "github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

// The object that is tried, and another that has nothing to do with it.
const tried = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: tried, namespace: shop, annotations: {}}
spec:
  tls: [{hosts: [tried.example.com], secretName: none}]
  rules:
  - host: tried.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}
      - {path: /two, pathType: Exact, backend: {service: {name: echo, port: {name: http}}}}
      - {path: /three/(.*), pathType: ImplementationSpecific, backend: {service: {name: tls, port: {number: 443}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: neighbour, namespace: other}
spec:
  rules:
  - host: neighbour.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: other}
spec: {ports: [{port: 80}]}
`

// place is where a text of a user goes.
type place struct {
	name   string
	put    func(i *networkingv1.Ingress, text string)
	benign string // a text as it should be
}

// places are all fields that take a text, and all annotations. Fuzzing goes by their number; new ones go behind the others.
func places() []place {
	path := func(i *networkingv1.Ingress, n int) *networkingv1.HTTPIngressPath {
		return &i.Spec.Rules[0].HTTP.Paths[n]
	}
	list := []place{
		{"host", func(i *networkingv1.Ingress, s string) { i.Spec.Rules[0].Host = s }, "a.example.com"},
		{"path", func(i *networkingv1.Ingress, s string) { path(i, 0).Path = s }, "/a"},
		{"exact path", func(i *networkingv1.Ingress, s string) { path(i, 1).Path = s }, "/a"},
		{"pattern", func(i *networkingv1.Ingress, s string) {
			path(i, 2).Path = s
			i.Annotations[prefix+"rewrite-target"] = "/$1"
		}, "/a(.*)"},
		{"service", func(i *networkingv1.Ingress, s string) { path(i, 0).Backend.Service.Name = s }, "echo-b"},
		{"port", func(i *networkingv1.Ingress, s string) { path(i, 1).Backend.Service.Port.Name = s }, "alt"},
		{"secret", func(i *networkingv1.Ingress, s string) { i.Spec.TLS[0].SecretName = s }, "none"},
		{"host of a certificate", func(i *networkingv1.Ingress, s string) { i.Spec.TLS[0].Hosts[0] = s }, "a.example.com"},
		{"class", func(i *networkingv1.Ingress, s string) { i.Spec.IngressClassName = &s }, "nginx"},
	}
	annotation := func(key, benign string) {
		list = append(list, place{key, func(i *networkingv1.Ingress, s string) { i.Annotations[prefix+key] = s }, benign})
	}
	for _, e := range settings.Reference() {
		if e.Key != "" {
			annotation(e.Key, e.Example)
		}
	}
	missing := settings.Missing()
	for _, outcome := range slices.Sorted(maps.Keys(missing)) {
		for _, key := range missing[outcome] {
			annotation(key, "x")
		}
	}
	return list
}

// world plans the object with texts in it.
type world struct {
	base  cluster.Lists // without Ingresses that are tried
	tried *networkingv1.Ingress
	modes []controller.Options
	alone []controller.Plan // without it, by mode
}

func newWorld(t testing.TB) *world {
	t.Helper()
	base, err := os.ReadFile(filepath.Join("..", "golden", "base.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, _ := cluster.Decode("base.yaml", base)
	more, notes := cluster.Decode("tried.yaml", []byte(tried))
	if len(notes) > 0 {
		t.Fatal(notes)
	}
	w := &world{base: objects.Merge(more).Lists()}
	at := slices.IndexFunc(w.base.Ingresses, func(i *networkingv1.Ingress) bool { return i.Name == "tried" })
	w.tried = w.base.Ingresses[at]
	w.base.Ingresses = slices.Delete(w.base.Ingresses, at, at+1)
	compiled := options(t)
	compiled.Translate.Selection = cluster.Selection{WithoutClass: true}
	dynamic := compiled
	dynamic.Routing = controller.Dynamic
	w.modes = []controller.Options{compiled, dynamic}
	for _, o := range w.modes {
		w.alone = append(w.alone, w.plan(t, o, nil))
	}
	return w
}

// plan is for the Ingress beside what is there anyway; nil for none.
func (w *world) plan(t testing.TB, o controller.Options, i *networkingv1.Ingress) controller.Plan {
	t.Helper()
	lists := w.base
	if i != nil {
		lists.Ingresses = append(slices.Clone(lists.Ingresses), i)
	}
	s := cluster.New(lists)
	s.Now = golden.Now
	p, err := o.Plan(s)
	if err != nil {
		t.Fatalf("nothing can be written any more, for anybody: %v", err)
	}
	return p
}

// generated are hashes, and the names made of them, in Lua.
var generated = regexp.MustCompile(`("@)?[0-9a-f]{16,}(", )?`)

// directives are the paths of names of all directives that NGINX would read, such as http/server/location/set.
func directives(t testing.TB, p controller.Plan) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	var add func(parents string, list []nginx.Parsed)
	add = func(parents string, list []nginx.Parsed) {
		for _, d := range list {
			name := parents + "/" + d.Name()
			found[name+" "+generated.ReplaceAllString(d.Lua, "")] = true
			add(name, d.Block)
		}
	}
	for _, f := range p.Files.List {
		if strings.HasSuffix(f.Name, ".conf") {
			parsed, err := nginx.Parse(string(f.Content))
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			add("", withoutTables(parsed))
		}
	}
	return found
}

// withoutTables drops what is in maps, whose keys are no directives.
func withoutTables(list []nginx.Parsed) []nginx.Parsed {
	list = slices.Clone(list)
	for i := range list {
		if name := list[i].Name(); name == "map" || name == "geo" {
			list[i].Block = nil
		} else {
			list[i].Block = withoutTables(list[i].Block)
		}
	}
	return list
}

// benign are the directives that golden cases, and benign texts at all places, bring about in both modes.
func (w *world) benign(t testing.TB) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, dir := range []string{"../../annotations/testdata", "../../controller/translate/testdata"} {
		for _, path := range golden.Files(t, dir) {
			c := golden.Load(t, path)
			for _, routing := range []controller.Routing{controller.Compiled, controller.Dynamic} {
				c.Options.Routing = routing
				maps.Copy(known, directives(t, c.Plan(t)))
			}
		}
	}
	for _, at := range places() {
		for _, o := range w.modes {
			maps.Copy(known, directives(t, w.plan(t, o, w.with(at, at.benign))))
		}
	}
	return known
}

// read is what comes of an Ingress that somebody has written into a manifest; nil for one that is refused there, as an API server
// does.
func (w *world) read(t testing.TB, i *networkingv1.Ingress) *networkingv1.Ingress {
	t.Helper()
	i.TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}
	text, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	objects, _ := cluster.Decode("fuzz.yaml", text)
	if list := objects.Lists().Ingresses; len(list) == 1 {
		return list[0]
	}
	return nil
}

func (w *world) with(at place, text string) *networkingv1.Ingress {
	i := w.tried.DeepCopy()
	at.put(i, text)
	return i
}

// FuzzIngress puts any text at any place of an Ingress. What NGINX reads then consists of directives that benign texts bring
// about, and the neighbour is served as if the Ingress were not there.
func FuzzIngress(f *testing.F) {
	w, all := newWorld(f), places()
	known := w.benign(f)
	texts := []string{"x\"; } evil {", "a\nb", "$host", "'", "\\", "~^(a|b)$", "${x}{"}
	for n := range all {
		f.Add(uint16(n), texts[n%len(texts)])
		f.Add(uint16(n), all[n].benign)
	}
	f.Fuzz(func(t *testing.T, n uint16, text string) {
		at := all[int(n)%len(all)]
		if strings.Contains(strings.ToLower(text), "neighbour") || strings.ContainsAny(text, "*~") && (at.name == "host" || at.name == "server-alias") {
			return // it may ask for the neighbour's host
		}
		hostile := w.read(t, w.with(at, text))
		if hostile == nil {
			return
		}
		for m, o := range w.modes {
			p, alone := w.plan(t, o, hostile), w.alone[m]
			for name := range directives(t, p) {
				if !known[name] {
					t.Errorf("%s: %q brings about %s", at.name, text, name)
				}
			}
			if o.Routing == controller.Dynamic {
				if got, want := p.Dynamic.Routes.Hosts.At("neighbour.example.com"), alone.Dynamic.Routes.Hosts.At("neighbour.example.com"); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: with %q the neighbour has the routes %+v, want %+v", at.name, text, got, want)
				}
			} else if got, want := neighbour(t, o, p), neighbour(t, o, alone); got != want {
				t.Errorf("%s: with %q the neighbour is served by\n%s, want\n%s", at.name, text, got, want)
			}
		}
	})
}

func neighbour(t testing.TB, o controller.Options, p controller.Plan) string {
	t.Helper()
	text, err := o.Templates.Server(p.Config, "neighbour.example.com", o.Render)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzObjects takes any objects at all: they make a plan in both modes, the same twice, which consists of directives that the
// manifests and golden cases bring about.
func FuzzObjects(f *testing.F) {
	w := newWorld(f)
	known := w.benign(f)
	for _, name := range files(f) {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
			f.Add(document)
		}
	}
	for _, dir := range []string{"../../annotations/testdata", "../../controller/translate/testdata"} {
		for _, path := range golden.Files(f, dir) {
			if list := golden.Load(f, path).Objects.Lists().Ingresses; len(list) > 0 {
				text, err := yaml.Marshal(list[0])
				if err != nil {
					f.Fatal(err)
				}
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		objects, _ := cluster.Decode("fuzz.yaml", text)
		lists := objects.Lists()
		if len(lists.Ingresses) == 0 {
			return
		}
		base := w.base
		lists.Services, lists.Slices = append(lists.Services, base.Services...), append(lists.Slices, base.Slices...)
		for _, o := range w.modes {
			s := cluster.New(lists)
			s.Now = golden.Now
			p, err := o.Plan(s)
			if err != nil {
				t.Fatalf("nothing can be written any more, for anybody: %v", err)
			}
			again, err := o.Plan(s)
			if err != nil || !same(p, again) {
				t.Fatalf("the same objects give another plan (%v)", err)
			}
			for name := range directives(t, p) {
				if !known[name] {
					t.Errorf("%s is brought about", name)
				}
			}
		}
	})
}
