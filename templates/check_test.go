package templates

import (
	"strings"
	"testing"
	"text/template"

	"github.com/sluice-ingress/sluice/nginx"
)

// broken are escapers that let everything through, as if ours had a hole.
var broken = template.FuncMap{
	"nginx_directives": func(_ string, v any) (string, error) {
		text, err := encodeLines("", v)
		return strings.ReplaceAll(text, "HOLE", "; } evil x"), err
	},
	"nginx_argument":             func(v any) (string, error) { return v.(string), nil },
	"nginx_table_key":            func(v any) (string, error) { return v.(string), nil },
	"nginx_lua_string":           func(v any) (string, error) { return v.(string), nil },
	"nginx_inside_double_quotes": func(v any) (string, error) { return v.(string), nil },
	"nginx_inside_single_quotes": func(v any) (string, error) { return v.(string), nil },
	"nginx_word_part":            func(v any) (string, error) { return v.(string), nil },
	"nginx_variable_part":        func(v any) (string, error) { return v.(string), nil },
}

// TestHoleInAnEscaperIsFound breaks the encoder: what gets through then must not get out.
func TestHoleInAnEscaperIsFound(t *testing.T) {
	names := append(escaperNames[:], directiveLines)
	for _, name := range names {
		if name == "" {
			continue
		}
		was := escapers[name]
		escapers[name] = broken[strings.TrimSuffix(name, "_lines")]
		if name == directiveLines {
			escapers[name] = broken["nginx_directives"]
		}
		t.Cleanup(func() { escapers[name] = was })
	}
	for _, test := range []struct {
		text string
		data any
	}{
		{"a {{.}};", "x; evil"},
		{"a {{.}};", "x y"},
		{"a {{.}};", ""},
		{"a {{.}};", "$host"},
		{"a {{.}};", `x\`},
		{"a {{.}};", "#"},
		{"a {{.}}; b;", "x { c; }\nd"},
		{"s { a {{.}}; }", "x; } t { b"},
		{"s { a {{.}}; }", `"x`},
		{"a {{.}}x;", "x;y"},
		{"a $x{{.}} b;", "y z"},
		{`a "x {{.}} y";`, `"; evil "`},
		{`a "x {{.}} y";`, "$host"},
		{`a 'x {{.}} y';`, `'; evil '`},
		{"map $a $b { {{.}} 1; }", "x 2; y"},
		{`x_by_lua_block { f("{{.}}") }`, `") } evil; y_by_lua_block { f("`},
		{"s {\n  {{.}}\n}", nginx.Directives{nginx.D("a", nginx.Verbatim("HOLE"))}},
		{"{{.}}", nginx.D("a", nginx.Verbatim("HOLE"))},
		{"s { {{range .}}a {{.}};{{end}} }", []string{"x", "x; } t { b"}},
		{"{{if .}}a {{.}};{{else}}b;{{end}}", "x; b"},
	} {
		r, err := record(mustParse(t, test.text))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := r.execute("t.tmpl", test.data); err == nil {
			t.Errorf("%s with %q gives %q", test.text, test.data, text)
		} else if !strings.Contains(err.Error(), "read back") {
			t.Errorf("%s with %q: %v", test.text, test.data, err)
		}
	}
}

func mustParse(t testing.TB, text string) *template.Template {
	t.Helper()
	set, err := parse(map[string]string{"t.tmpl": text})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestCheckTakesEveryPlace holds that the check refuses nothing that is right.
func TestCheckTakesEveryPlace(t *testing.T) {
	for _, test := range placeTests {
		r, err := record(mustParse(t, test.text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.execute("t.tmpl", test.data); err != nil || got != test.want {
			t.Errorf("%s with %q gives\n%s, want\n%s, error %v", test.text, test.data, got, test.want, err)
		}
	}
}

// What a template adds of its own is the administrator's business, whatever it depends on.
func TestCheckTakesWhatTemplatesAdd(t *testing.T) {
	set, err := New(map[string]string{
		"location.tmpl": `    location {{.Match}} { {{if eq .Namespace "shop"}}add_header X-Shop "{{.Ingress}}";{{else}}deny all;{{end}}
      {{.Pass}} # own
      {{.Body}}
    }`,
		"server.tmpl": "server { {{range .Locations}}{{.}}\n{{end}} }",
	})
	if err != nil {
		t.Fatal(err)
	}
	server := func(namespace string) *nginx.Server {
		return &nginx.Server{Name: "a.example.com", Locations: []*nginx.Location{{
			Path: "/a;b", Identity: nginx.Identity{Namespace: namespace, Ingress: `x"; }`}, Upstream: "u",
			Body: nginx.Directives{nginx.D("expires", nginx.Text("$x }")), someBlock},
		}}}
	}
	for namespace, want := range map[string]string{"shop": `add_header X-Shop "x\"; }";`, "other": "deny all;"} {
		files, err := set.Render(nginx.Config{Servers: []*nginx.Server{server(namespace)}}, Options{StateDir: "/run"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := files.Get("nginx.conf"); !strings.Contains(string(text), want) {
			t.Errorf("nginx.conf of %s has no %s", namespace, want)
		}
	}
}
