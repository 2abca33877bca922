package migrate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/html"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/migrate"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

// flags stand for those of the program; the ones of cmd/sluice change more often than what is tested here.
var flags = []migrate.Flag{
	{Name: "configmap"}, {Name: "election-ttl"}, {Name: "ingress-class"}, {Name: "v"},
	{Name: "status-port", NoEffect: "there are no local ports", IsIdle: func(value string) bool { return value == "10246" }},
	{Name: "enable-ssl-passthrough", NoEffect: "it is not supported yet", IsLack: true, IsIdle: func(value string) bool { return value == "false" }},
}

// differences stand for those of docs/compatibility.md, for the same reason.
var differences = migrate.Differences{
	{Table: "Safer", Subject: "`proxy-read-timeout` below zero", There: "Stops everything.", Here: "The default.", Names: []string{"proxy-read-timeout"}},
	{Table: "Mended", Subject: "`affinity-mode` and `proxy-read-timeout`", There: "One.", Here: "Another.", Names: []string{"affinity-mode", "proxy-read-timeout"}},
	{Table: "Different by design", Subject: "`worker-shutdown-timeout`, `--election-ttl`", There: "There.", Here: "Here.", Names: []string{"worker-shutdown-timeout", "--election-ttl"}},
	{Table: "Different by design", Subject: "`not-in-use`", There: "There.", Here: "Here.", Names: []string{"not-in-use"}},
}

// report is that on files; those called values.yaml are values of the chart.
func report(t *testing.T, files map[string][]byte) migrate.Report {
	t.Helper()
	fsys := fstest.MapFS{}
	in := migrate.Input{Flags: flags, Differences: differences, Texts: files}
	var lists cluster.Lists
	for _, name := range slices.Sorted(maps.Keys(files)) {
		in.Controllers = append(in.Controllers, migrate.Controllers(name, files[name])...)
		if name != "values.yaml" {
			fsys[name] = &fstest.MapFile{Data: files[name]}
			continue
		}
		m, c, err := migrate.FromHelmValues(name, files[name])
		if err != nil {
			t.Fatal(err)
		}
		lists.ConfigMaps, in.Controllers = append(lists.ConfigMaps, m), append(in.Controllers, c)
	}
	objects, notes := cluster.Load(fsys)
	of := objects.Lists()
	of.ConfigMaps = append(of.ConfigMaps, lists.ConfigMaps...)
	snapshot := cluster.New(of)
	snapshot.Notes, snapshot.Places, snapshot.Now = notes, objects.Places(), golden.Now
	for _, c := range in.Controllers {
		for _, a := range append(c.Implied(), c.Arguments...) {
			if namespace, name, is := strings.Cut(c.Expand(a.Value), "/"); is && a.Name == "configmap" {
				in.ConfigMap = cluster.Name{Namespace: namespace, Name: name}
			}
		}
	}
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	options := controller.Options{
		Translate: translate.Options{Selection: cluster.Selection{ClassesOptional: true}, ConfigMap: in.ConfigMap},
		Render:    golden.Render, Templates: set,
	}
	if in.Plan, err = options.Plan(snapshot); err != nil {
		t.Fatal(err)
	}
	return migrate.Make(in)
}

// TestCases makes the report on the manifests of each case.
func TestCases(t *testing.T) {
	golden.CheckFormats(t, "testdata", func(t *testing.T, files map[string][]byte) func(io.Writer, string) error {
		r := report(t, files)
		return func(w io.Writer, format string) error { return migrate.Formats[format](w, r) }
	})
}

// TestHTMLNeedsNothing holds that the page loads nothing, runs nothing and quotes what users wrote.
func TestHTMLNeedsNothing(t *testing.T) {
	r := report(t, map[string][]byte{"a.yaml": []byte(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    nginx.ingress.kubernetes.io/<script>alert(1)</script>: x
    nginx.ingress.kubernetes.io/proxy-body-size: <img src=x>
    nginx.ingress.kubernetes.io/server-snippet: "<b>;"
`)})
	var out bytes.Buffer
	if err := migrate.Formats["html"](&out, r); err != nil {
		t.Fatal(err)
	}
	tokens := html.NewTokenizer(&out)
	for {
		switch kind := tokens.Next(); kind {
		case html.ErrorToken:
			if !errors.Is(tokens.Err(), io.EOF) {
				t.Fatal(tokens.Err())
			}
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			if slices.Contains([]string{"script", "img", "link", "iframe", "b"}, token.Data) {
				t.Errorf("the page has %s", token)
			}
			for _, a := range token.Attr {
				if a.Key == "src" || strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "https://github.com/") {
					t.Errorf("the page has %s", token)
				}
			}
		}
	}
}

// TestControlCharacters holds that no name can begin a line of its own.
func TestControlCharacters(t *testing.T) {
	r := report(t, map[string][]byte{"a.yaml": []byte(`
{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "annotations": {"nginx.ingress.kubernetes.io/a\\n::error::b": "x"}}}
`), "b.yaml": []byte(`
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a\\n::error::b"},
 "spec": {"template": {"spec": {"containers": [{"args": ["/nginx-ingress-controller", "--a\\n::error::b"]}]}}}}
`)})
	var out bytes.Buffer
	if err := migrate.Formats["text"](&out, r); err != nil {
		t.Fatal(err)
	}
	if len(r.Items) != 2 || strings.Contains(out.String(), "\n::") {
		t.Errorf("the report is\n%s", out.String())
	}
}

// TestNothing is a report on nothing, in every format.
func TestNothing(t *testing.T) {
	r := report(t, nil)
	if r.NeedsWork() || len(r.Items) > 0 {
		t.Errorf("the report is %+v", r)
	}
	for _, name := range slices.Sorted(maps.Keys(migrate.Formats)) {
		var out bytes.Buffer
		if err := migrate.Formats[name](&out, r); err != nil || name == "json" && !json.Valid(out.Bytes()) {
			t.Errorf("%s writes %q (%v)", name, out.String(), err)
		}
	}
}
