package positions_test

import (
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller/positions"
)

const block = `# comment
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /$1
    "nginx.ingress.kubernetes.io/quoted": x
spec:
  rules:
  - host: a.example.com
    http:
      paths:
      - path: /a
        pathType: Prefix
      -   path: /b
`

// Each case marks the place that is to be found with the sign ¦, which is taken out.
func TestFind(t *testing.T) {
	const web = "Ingress shop/web"
	mark := func(text, at string) string { return strings.Replace(text, at, "¦"+at, 1) }
	for name, c := range map[string]struct{ text, object, field string }{
		"key":              {mark(block, "namespace: shop"), web, "metadata.namespace"},
		"annotation":       {mark(block, "nginx.ingress.kubernetes.io/rewrite"), web, "metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]"},
		"quoted key":       {mark(block, `"nginx.`), web, "metadata.annotations[nginx.ingress.kubernetes.io/quoted]"},
		"item":             {mark(block, "path: /a"), web, "spec.rules[0].http.paths[0]"},
		"in an item":       {mark(block, "pathType: Prefix"), web, "spec.rules[0].http.paths[0].pathType"},
		"second item":      {mark(block, "path: /b"), web, "spec.rules[0].http.paths[1].path"},
		"missing key":      {mark(block, "path: /b"), web, "spec.rules[0].http.paths[1].backend.service.name"},
		"missing item":     {mark(block, "paths:"), web, "spec.rules[0].http.paths[7].path"},
		"no field":         {mark(block, "apiVersion"), web, ""},
		"bad field":        {mark(block, "apiVersion"), web, "[[..]"},
		"CRLF":             {strings.ReplaceAll(mark(block, "path: /b"), "\n", "\r\n"), web, "spec.rules[0].http.paths[1].path"},
		"byte order mark":  {"\ufeff" + mark(block, "namespace"), web, "metadata.namespace"},
		"second document":  {"a: 1\n---\n" + mark(block, "namespace"), web, "metadata.namespace"},
		"broken document":  {"a: [\n---\n" + mark(block, "namespace"), web, "metadata.namespace"},
		"separator's line": {"--- {kind: Service, metadata: {name: web}, ¦spec: {}}\n", "Service default/web", "spec.type"},
		"flow":             {"{kind: Ingress, metadata: {name: web, namespace: shop},\n spec: {rules: [{host: é, ¦http: {}}]}}", web, "spec.rules[0].http.paths"},
		"JSON":             {"{\n\t\"kind\": \"Ingress\",\n\t\"metadata\": {\"name\": \"web\", ¦\"namespace\": \"shop\"}\n}\n", web, "metadata.namespace"},
		"second JSON":      {`{"kind":"Service","metadata":{"name":"a"}} {"kind":"Service","metadata":{¦"name":"b"}}`, "Service default/b", "metadata.name"},
		"dots in a key":    {"kind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: b\n  ¦a.b.conf: c\n", "ConfigMap default/c", "data.a.b.conf"},
		"key in brackets":  {"kind: ConfigMap\nmetadata: {name: c}\ndata: {¦tls.crt: c}\n", "ConfigMap default/c", "data[tls.crt]"},
		"list": {"kind: List\nitems:\n- kind: Service\n  metadata: {name: a}\n- kind: Service\n  metadata: {name: b}\n  spec:\n    ¦type: NodePort\n",
			"Service default/b", "spec.type"},
		"typed list":   {"kind: IngressList\nitems:\n- metadata: {name: web, namespace: shop}\n  ¦spec: {}\n", web, "spec.rules"},
		"anchor":       {"kind: Ingress\nmetadata: &m\n  name: web\n  namespace: shop\n  annotations: &a\n    ¦x: y\nmore: *a\n", web, "more.x"},
		"merge":        {"base: &b\n  name: web\n  ¦namespace: shop\nkind: Ingress\nmetadata:\n  <<: *b\n", web, "metadata.namespace"},
		"own wins":     {"base: &b {namespace: other}\nkind: Ingress\nmetadata:\n  <<: [*b]\n  name: web\n  ¦namespace: shop\n", web, "metadata.namespace"},
		"twice":        {"kind: Service\nmetadata: {name: a}\n---\nkind: Service\n¦metadata: {name: a}\n", "Service default/a", "metadata"},
		"key twice":    {"kind: Service\nmetadata: {name: a}\nspec:\n  a: 1\n  ¦a: 2\n", "Service default/a", "spec.a"},
		"cluster-wide": {"kind: IngressClass\nmetadata:\n  name: nginx\n¦spec: {}\n", "IngressClass nginx", "spec.parameters"},
		"nameless":     {"¦kind: Ingress\nspec: {}\n", "Ingress", "metadata.name"},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, found := strings.Cut(c.text, "¦")
			if !found {
				t.Fatal("nothing is marked")
			}
			last := strings.TrimPrefix(before[strings.LastIndex(before, "\n")+1:], "\ufeff")
			want := positions.Position{Line: strings.Count(before, "\n") + 1, Column: len([]rune(last)) + 1}
			got, ok := positions.Parse([]byte(before+after)).Find(c.object, c.field, 0)
			if !ok || got != want {
				t.Errorf("%s of %s is at %v (%v), not %v", c.field, c.object, got, ok, want)
			}
		})
	}
}

func TestFindByLine(t *testing.T) {
	f := positions.Parse([]byte("kind: Service\nmetadata: {name: a}\n---\nkind: Service\nmetadata: {name: a}\n---\n  x: 1\n  y: 2\n"))
	for name, c := range map[string]struct {
		object, field string
		line          int
		want          positions.Position
		found         bool
	}{
		"first of two":   {"Service default/a", "metadata", 1, positions.Position{Line: 2, Column: 1}, true},
		"no object":      {"", "y", 7, positions.Position{Line: 8, Column: 3}, true},
		"another object": {"Service default/b", "metadata", 1, positions.Position{}, false},
		"no such line":   {"", "y", 70, positions.Position{}, false},
		"nothing known":  {"", "y", 0, positions.Position{}, false},
	} {
		if got, found := f.Find(c.object, c.field, c.line); got != c.want || found != c.found {
			t.Errorf("%s: %v, %v", name, got, found)
		}
	}
}

// FuzzFind holds that no text and no path stops it.
func FuzzFind(f *testing.F) {
	f.Add([]byte(block), "Ingress shop/web", "spec.rules[0].http.paths[1].path")
	f.Add([]byte("a: &a {<<: *a, kind: List, items: [*a]}\n"), "List", "items[0].items[0]")
	f.Add([]byte("--- {\"a\": 1} {\"b\": 2}"), "", "b")
	f.Fuzz(func(t *testing.T, text []byte, object, field string) {
		p, found := positions.Parse(text).Find(object, field, 0)
		if found && (p.Line < 1 || p.Column < 1) {
			t.Errorf("%v is no position", p)
		}
	})
}
