package templates

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	syntax "text/template/parse"

	"github.com/sluice-ingress/sluice/nginx"
)

// render renders one template, t.tmpl, with other templates beside it.
func render(text string, data any) (string, error) {
	set, err := parse(map[string]string{"t.tmpl": text})
	if err != nil {
		return "", fmt.Errorf("load: %w", err)
	}
	var b bytes.Buffer
	err = set.ExecuteTemplate(&b, "t.tmpl", data)
	return b.String(), err
}

var (
	someBlock = nginx.Directive{Name: "location", Args: nginx.Words("/"), Block: []nginx.Directive{nginx.D("a", nginx.Text(";"))}}
	someList  = nginx.Directives{nginx.D("a"), someBlock}
)

var placeTests = []struct {
	text string
	data any
	want string
}{
	// Between words.
	{`a {{.}};`, "x", `a x;`},
	{`a {{.}} b;`, "; } evil", `a "; } evil" b;`},
	{`a {{.}} {}`, `"'\`, `a "\"'\\" {}`},
	{`a {{.}};`, "", `a "";`},
	{`a {{.}};`, "$host", `a "${literal_dollar}host";`},
	{`a {{.}};`, nginx.Var("host"), `a $host;`},
	{`a {{.}}{}`, nginx.Verbatim("^/{2}$"), `a "^/{2}$"{}`},
	{`a {{with .}}{{.}}{{end}};`, &[]nginx.Arg{nginx.Var("host")}[0], `a $host;`},
	{`a {{.}};`, []nginx.Arg{nginx.Text("b c"), nginx.Int(1)}, `a "b c" 1;`},
	{`a {{.}};`, []nginx.Arg{}, `a ;`},
	{`a {{.}};`, uint16(65535), `a 65535;`},
	{`a {{.}};`, int64(-1), `a -1;`},
	{"a\n{{.}}\n;", "#", "a\n\"#\"\n;"},
	{`a {{.}};`, "a\tb", "a \"a\tb\";"},
	{`a {{printf "%s" .}} {{"{"}} {{. | upper}};`, "$a", `a "${literal_dollar}a" "{" "${literal_dollar}A";`},
	{`{{$x := .}}a {{$x}};{{$x = "y"}}`, "x;", `a "x;";`},
	{`a{{range .}} {{.}}{{end}};`, []string{"x", ";"}, `a x ";";`},
	{`a {{range .}}{{.}} {{else}}none{{end}};`, []string{"x", ";"}, `a x ";" ;`},
	{`a{{if .}} {{.}}{{end}} {}`, "{", `a "{" {}`},
	{`a{{if .}} {{.}}{{end}} {}`, "", `a {}`},
	{`{{if .}}a{{else}}b{{end}}_c {{.}};`, ";", `a_c ";";`},
	// Inside a word.
	{`a http://{{.}}/;`, "example.com", `a http://example.com/;`},
	{`a {{.}}abc;`, "x", `a xabc;`},
	{`a {{.}}abc;`, nginx.Verbatim("x"), `a xabc;`},
	{`a {{.}}{{.}};`, "x", `a xx;`},
	{`a {{.}}{{if .}}y{{end}};`, "x", `a xy;`},
	{`a $proxy_{{.}}_x;`, "host_1", `a $proxy_host_1_x;`},
	{`a ${proxy_{{.}}};`, 1, `a ${proxy_1};`},
	{`a $1{{.}};`, "a-b", `a $1a-b;`},
	{`a {{if .}}{{.}}{{else}}c{{end}}d;`, "x", `a xd;`},
	{`a {{if .X}}c{{else}}{{.Y}}{{end}}d;`, map[string]string{"X": "", "Y": "x"}, `a xd;`},
	{`a ${{/* */}}{ {{- /* */ -}} {x {{.}};`, ";", `a ${{x ";";`},
	{"a # {\n{{.}};", ";", "a # {\n\";\";"},
	// In quotes.
	{`a "x {{.}} y" 'z {{.}}';`, `"'\`, `a "x \"'\\ y" 'z "\'\\';`},
	{`a "{{.}}";`, "$host; }", `a "${literal_dollar}host; }";`},
	{`a "{{.}}";`, nginx.Concat(nginx.Text("$"), nginx.Var("host"), nginx.Verbatim(`\"`)), `a "${literal_dollar}${host}\\\"";`},
	{`a '{{.}}{{.}}';`, "'", `a '\'\'';`},
	{`a "{{.}}";`, 1, `a "1";`},
	{`if ($a = "{{.}}") { }`, `")`, `if ($a = "\")") { }`},
	{`a "$proxy_{{.}} ${b}{{.}}";`, "host", `a "$proxy_host ${b}host";`},
	// Where a directive may start.
	{"s {\n    {{.}}\n}", someList, "s {\n    a;\n    location / {\n      a \";\";\n    }\n}"},
	{"s {\n    {{.}}\n}", nginx.Directives{}, "s {\n}"},
	{"s {\n    {{.}}\n}", []nginx.Directive{someBlock}, "s {\n    location / {\n      a \";\";\n    }\n}"},
	{"s { {{.}} }", someList[0], "s { a; }"},
	{"  s { {{.}} }", someList[0], "  s { a; }"},
	{"{{.}}\n# c\n{{.}}\nb;", nginx.Directives{}, "\n# c\n\nb;"},
	{"{{.}}\n{{.}}\n", fragment("a;\n"), "a;\na;\n"},
	{"s { {{.}} }", fragment("a; # c\n"), "s { a; # c\n }"},
	{"s {\n{{.}}{{.}}}", fragment("a; # c\n"), "s {\na; # c\na; # c\n}"},
	{"s { {{.}} }", fragment(""), "s {  }"},
	// In tables.
	{"map $a $b { {{.}} 1; default {{.}}; }", "$x;", "map $a $b { \"$x;\" 1; default \"${literal_dollar}x;\"; }"},
	{"map $a $b { {{.}} 1; }", nginx.Verbatim("~^x"), "map $a $b { ~^x 1; }"},
	{"geo $a { {{.}} 1; }", 1, "geo $a { 1 1; }"},
	// In Lua.
	{`init_by_lua_block { require("ingress").init("{{.}}") }`, "/run/a-b_c.d", `init_by_lua_block { require("ingress").init("/run/a-b_c.d") }`},
	{"a_by_lua_block { -- it's\n x({y = '\"', z = t[1]}) } b {{.}};", ";", "a_by_lua_block { -- it's\n x({y = '\"', z = t[1]}) } b \";\";"},
	// Comments and templates.
	{"# it's {{/* no */}} {\na {{.}}; # }\nb;", ";", "# it's  {\na \";\"; # }\nb;"},
	{`{{define "x"}}a {{.}};{{end}}b { {{template "x" .}} {{block "y" .}}c "{{.}}";{{end}} }`, `"`, `b { a "\""; c "\""; }`},
}

func TestEachPlaceHasItsEscaper(t *testing.T) {
	for _, test := range placeTests {
		got, err := render(test.text, test.data)
		if err != nil || got != test.want {
			t.Errorf("%s with %q gives\n%s, want\n%s, error %v", test.text, test.data, got, test.want, err)
		}
	}
}

type stringer struct{}

func (stringer) String() string { return "x" }

func (stringer) Error() string { return "x" }

type text string

func TestWhatCannotBePrinted(t *testing.T) {
	places := []string{`a {{.}};`, `a x{{.}};`, `a $x{{.}};`, `a "{{.}}";`, `a '{{.}}';`, `map $a $b { {{.}} x; }`, `x_by_lua_block { "{{.}}" }`, `{{.}}`}
	var noArg *nginx.Arg
	secret := nginx.NewSecret("hidden")
	for _, data := range []any{
		nil, true, 1.5, stringer{}, &stringer{}, text("x"), struct{ X string }{"x"}, &struct{ X string }{"x"}, new(string), noArg,
		[]string{"x"}, map[string]string{}, []any{"x"}, secret, &secret, []nginx.Secret{secret}, func() {}, 'x' + 0i,
	} {
		for _, place := range places {
			out, err := render(place, data)
			if err == nil {
				t.Errorf("%s with %T gives %q, want an error", place, data, out)
			} else if strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "t.tmpl:1:") {
				t.Errorf("%s with %T: %v", place, data, err)
			} else if data != nil && !strings.Contains(err.Error(), fmt.Sprintf("%T", data)) && !strings.Contains(err.Error(), "can't") {
				t.Errorf("%s with %T: the error does not name the type: %v", place, data, err)
			}
		}
	}
	for _, test := range []struct {
		text string
		data any
	}{
		{`a {{.}};`, "a\nb"}, {`a {{.}};`, "a\x00"}, {`a {{.}};`, "a\r"}, {`a "{{.}}";`, "a\n"}, {`a '{{.}}';`, nginx.Verbatim("\n")},
		{`a {{.}};`, nginx.Var(";")}, {`a "{{.}}";`, nginx.Var(";")}, {`a x{{.}};`, ""}, {`a x{{.}};`, "$"}, {`a x{{.}};`, "a b"},
		{`a {{.}}x;`, `"`}, {`a {{.}}{{.}};`, ""}, {`a {{.}}{{.}};`, " "}, {`a {{.}}{{if .}}x{{end}};`, " "}, {`a $x{{.}};`, "-"},
		{`a $x{{.}};`, ""}, {`a "$x{{.}}";`, "/"}, {`a "${x{{.}}}";`, "}"}, {`a {{.}};`, nginx.D("a")}, {`a {{.}};`, fragment("a;")},
		{`a x{{.}};`, []nginx.Arg{nginx.Text("a")}}, {`a "{{.}}";`, []nginx.Arg{nginx.Text("a")}}, {`a "{{.}}";`, nginx.D("a")},
		{`{{.}}`, "a;"}, {`{{.}}`, nginx.Text("a;")}, {`{{.}}`, nginx.D("a;")}, {`{{.}}`, nginx.D("a", nginx.Text("\n"))},
		{`map $a $b { {{.}} x; }`, "include"}, {`map $a $b { {{.}} x; }`, "default"}, {`map $a $b { {{.}} x; }`, "~x"},
		{`map $a $b { {{.}} x; }`, `\x`}, {`map $a $b { {{.}} x; }`, nginx.Verbatim("volatile")}, {`map $a $b { {{.}} x; }`, nginx.D("a")},
		{`x_by_lua_block { "{{.}}" }`, `"`}, {`x_by_lua_block { "{{.}}" }`, `a b`}, {`x_by_lua_block { "{{.}}" }`, 1},
		{`a {{.x}};`, map[string]string{}}, {`a {{call .}};`, func() string { return "x" }}, {`a {{printf "%d" .}};`, secret},
		{`a {{print .}};`, struct{ S nginx.Secret }{secret}}, {`a {{println .}};`, "x"},
	} {
		if out, err := render(test.text, test.data); err == nil || !strings.Contains(err.Error(), "t.tmpl:1:") {
			t.Errorf("%s with %q gives %q, %v, want an error that names the place", test.text, test.data, out, err)
		}
	}
}

var refusedTemplates = map[string]string{
	`a {{if .}}"b"{{else}}c{{end}}x;`: "after a word that has ended",
	`"x_by_lua_block") { {{.}} }`:     "cannot be part of Lua source",
	`a \${{.}};`:                      "cannot choose a variable",
	"a;\n# {{.}}\n":                   "2:4: {{.}}: data cannot stand in a comment",
	"a; # x":                          "1:6: the template ends in a comment",
	"a":                               "the template ends in a word of a",
	"a {":                             "the template ends between directives at depth 1",
	"a 'b":                            "the template ends in single quotes of a",
	"a;\n}":                           "2:0: unexpected }",
	"a b }":                           "unexpected }",
	";":                               "unexpected ;",
	"{ }":                             "unexpected {",
	`a "b"c;`:                         `unexpected 'c' after a word that has ended`,
	"a \\{{.}};":                      "after a backslash",
	`a "\{{.}}";`:                     "after a backslash",
	`a "b"{{.}};`:                     "leave a blank",
	"a${{.}};":                        "cannot be part of a directive's name",
	"a_{{.}} b;":                      "cannot be part of a directive's name",
	`"{{.}}" b;`:                      "cannot be part of a directive's name",
	"a ${{.}};":                       "cannot choose a variable",
	`a "\${{.}}";`:                    "cannot choose a variable",
	"map $a $b { x{{.}} 1; }":         "or of a key",
	"map $a $b { {{.}}x 1; }":         "has to be all of it",
	"map $a $b { {{.}}{{.}} 1; }":     "has to be all of it",
	"map $a $b { a { } }":             "unexpected { in a table",
	`content_by_lua "x({{.}})";`:      "cannot be part of a program",
	`{{if .}}a{{else}}b_by_lua{{end}} {{.}};`:                    "cannot be part of a program",
	`a{{if .}}_by_lua{{end}} '{{.}}';`:                           "cannot be part of a program",
	`x_by_lua_block { {{.}} }`:                                   "cannot be part of Lua source",
	`"x_by_lua_block" { {{.}} }`:                                 "cannot be part of Lua source",
	`x_by_lua_block { f({ a = {{.}} }) }`:                        "cannot be part of Lua source",
	`x_by_lua_block { "a{{.}}" }`:                                "cannot be part of Lua source",
	`x_by_lua_block { '{{.}}' }`:                                 "cannot be part of Lua source",
	`x_by_lua_block { "{{.}}a" }`:                                `unexpected 'a'`,
	`x_by_lua_block { "{{.}}{{.}}" }`:                            "cannot be part of Lua source",
	`x_by_lua_block { "\"{{.}}" }`:                               "cannot be part of Lua source",
	"x_by_lua_block { -- \"{{.}}\"\n }":                          "cannot be part of Lua source",
	`x_by_lua_block { [[ "{{.}}" ]] }`:                           "long brackets",
	"x_by_lua_block { --[==[ \n\"{{.}}\" ]] }":                   "long brackets",
	`x_by_lua_block { "}" }`:                                     "put such code in a file",
	`x_by_lua_block { '\{' }`:                                    "put such code in a file",
	`{{if .}}x_by_lua_block{{else}}a{{end}} { `:                  "depends on a condition",
	`{{if .}}map{{else}}server{{end}} $a { {{.}} 1; }`:           "depends on a condition",
	"{{if .}}a{{end}};":                                          "{{.}} ends in a word of a at depth 0, but otherwise between directives",
	`a {{if .}}"{{end}}x";`:                                      "but otherwise",
	"a {{if .}}{ {{end}} }":                                      "but otherwise",
	"{{if .}}# x{{end}}\n":                                       "but otherwise",
	"a {{if .}}${{end}}{ }":                                      "but otherwise",
	"a x{{if .}}\\{{end}};":                                      "but otherwise",
	"a {{with .}};{{else}}x{{end}};":                             "but otherwise",
	"a {{if .}}x{{end}}y;":                                       "after a word that has ended",
	"a {{if .}}x{{end}}{{.}};":                                   "leave a blank",
	`a {{if .}}x{{end}}"y";`:                                     "after a word that has ended",
	"a {{if .}}x{{end}}#y;":                                      "after a word that has ended",
	"{{range .}}a { {{end}}":                                     "the body of {{range .}}",
	`a {{range .}}"{{end}};`:                                     "the body of {{range .}}",
	"a {{range .}}x;{{else}};{{end}}":                            "the body of {{range .}}",
	"{{range .}}a;{{else}}a{{end}};":                             "nothing to range over",
	"{{range .}}a{{end}};":                                       "the body of {{range .}}",
	"a{{range .}}x{{end}};":                                      "the body of {{range .}}",
	"{{range .}}{{break}}{{end}}":                                "{{break}} is not supported",
	"{{range .}}{{if .}}{{continue}}{{end}}{{end}}":              "{{continue}} is not supported",
	`{{define "x"}}a;{{end}}b {{template "x"}};`:                 "between directives only",
	`{{define "x"}}a;{{end}}map $a $b { {{template "x"}} }`:      "between directives only",
	`{{define "x"}}a{{end}}{{template "x"}}`:                     "the template ends in a word of a",
	`{{template "x"}}`:                                           "there is no such template",
	`a {{.Key.Reveal}};`:                                         "a secret has no place",
	`{{$x := .Key}}{{$y := $x.Reveal}}a {{$y}};`:                 "a secret has no place",
	`{{if (index . 0).Reveal}}{{end}}`:                           "a secret has no place",
	`{{range .Key.Reveal}}{{end}}`:                               "a secret has no place",
	`{{define "x"}}{{end}}{{template "x" .Key.Reveal}}`:          "a secret has no place",
	`a {{. | nginx_argument}};`:                                  "not defined",
	`a {{env "HOME"}};`:                                          "not defined",
	"\n{{if}}":                                                   "t.tmpl:2",
	"{{range .}}{{range .}}{{range .}}a { {{end}}{{end}}{{end}}": "the body of",
}

func TestTemplatesThatAreRefused(t *testing.T) {
	for text, want := range refusedTemplates {
		if _, err := parse(map[string]string{"t.tmpl": text}); err == nil {
			t.Errorf("%s is loaded", text)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "t.tmpl:") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// printing calls visit with every action that prints. It walks with reflection, so that it shares nothing
// with the code it checks.
func printing(v reflect.Value, visit func(*syntax.ActionNode)) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*syntax.Tree]() {
			return
		}
		if a, ok := v.Interface().(*syntax.ActionNode); ok && len(a.Pipe.Decl) == 0 {
			visit(a)
		}
		printing(v.Elem(), visit)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				printing(v.Field(i), visit)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			printing(v.Index(i), visit)
		}
	}
}

func TestEveryActionIsEscaped(t *testing.T) {
	files := map[string]string{}
	for _, shape := range shapes {
		files["shape "+shape] = shape
	}
	names, err := filepath.Glob("*.tmpl")
	if err != nil || len(names) == 0 {
		t.Fatalf("no templates are here: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	set, err := parse(files)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, tmpl := range set.Templates() {
		printing(reflect.ValueOf(tmpl.Root), func(a *syntax.ActionNode) {
			count++
			last := a.Pipe.Cmds[len(a.Pipe.Cmds)-1].Args[0]
			if f, ok := last.(*syntax.IdentifierNode); !ok || escapers[f.Ident] == nil {
				t.Errorf("%s: %s prints unescaped", tmpl.Name(), a)
			}
		})
	}
	written := 0
	for _, text := range files {
		written += strings.Count(text, "{{")
	}
	if count < written/2 {
		t.Errorf("only %d actions print, of %d in all", count, written)
	}
	if err := escape(set); err == nil {
		t.Error("a set is escaped twice")
	}
}

// shapes are templates for the fuzz tests: .S is the hostile text, .T a condition, .L a list of hostile texts.
var shapes = []string{
	`a {{.S}};`, `a {{.S}} b { c {{.S}}; }`, `a x{{.S}};`, `a {{.S}}x;`, `a {{.S}}{{.S}};`, `a $x{{.S}} b;`, `a ${x{{.S}}} b;`,
	`a "{{.S}}";`, `a "x {{.S}}; y" '{{.S}}{{.S}}' {{.S}};`, `a "$x{{.S}} ${y}{{.S}}";`, `a '$x{{.S}}';`, `if ($a = "{{.S}}") { b; }`,
	`a{{range .L}} {{.}}{{end}};`, `a {{range .L}}{{.}} {{end}};`, `a "{{range .L}}{{.}}, {{end}}";`, `a x{{range .L}}{{.}}{{end}};`,
	`a "{{range .L}}{{.}}$x{{end}}";`, `a{{if .T}} {{.S}}{{else}} "{{.S}}"{{end}} {{.S}};`, `a {{if .T}}{{.S}}{{end}};`,
	`a {{.S}}{{if .T}}x{{end}};`, `{{if .T}}a{{else}}b{{end}}_c {{.S}} { {{range .L}}d {{.}}; {{end}} }`, `a b;{{/* c */}} # d
c {{.S}} # e
f;`, `x_by_lua_block { f("{{.S}}") } a {{.S}};`, `a {{.S | toString}} {{printf "%s" .S}};`, `{{with .S}}a {{.}};{{end}}`,
	`{{$x := .S}}{{range $i, $y := .L}}a {{$x}} {{$y}} {{$i}};{{end}}`, `a [{{.S}}] ({{.S}}) !{{.S}};`,
}

const marker = "xMARKERx"

type shapeData struct {
	S string
	T bool
	L []string
}

func dataOf(s string, condition bool, length int) shapeData {
	d := shapeData{S: s, T: condition}
	for range length {
		d.L = append(d.L, s)
	}
	return d
}

// replaced is the list with the marker in its words replaced by the text as NGINX is to read it.
// In the keys of tables no variable is expanded.
func replaced(list []nginx.Parsed, s string, inTable bool) []nginx.Parsed {
	inert := nginx.Text(s).Value()
	var out []nginx.Parsed
	for _, d := range list {
		words := make([]string, len(d.Words))
		for i, w := range d.Words {
			words[i] = strings.ReplaceAll(w, marker, inert)
			if i == 0 && inTable {
				words[i] = strings.ReplaceAll(w, marker, s)
			}
		}
		inner := replaced(d.Block, s, d.Name() == "map" || d.Name() == "geo" || d.Name() == "split_clients")
		if d.Block != nil && inner == nil {
			inner = []nginx.Parsed{}
		}
		out = append(out, nginx.Parsed{Words: words, Block: inner, Line: d.Line, Lua: strings.ReplaceAll(d.Lua, marker, s), End: d.End})
	}
	return out
}

// variables are the references to variables in the arguments, but for the one that stands for a dollar.
func variables(list []nginx.Parsed) []string {
	var found []string
	for _, d := range list {
		for _, w := range d.Words[1:] {
			for _, v := range variableReference.FindAllString(w, -1) {
				if v != "${literal_dollar}" {
					found = append(found, v)
				}
			}
		}
		found = append(found, variables(d.Block)...)
	}
	return found
}

var variableReference = regexp.MustCompile(`\$([1-9]|\{[^}]*\}?|\w*)`)

// checkShape renders the template with the text and with the marker: NGINX has to read the same tree but
// for the text itself, with the same variables in it, or there is no output.
func checkShape(t *testing.T, set *template.Template, shape, s string, condition bool, length int) {
	t.Helper()
	var hostile, benign bytes.Buffer
	if err := set.ExecuteTemplate(&benign, "t.tmpl", dataOf(marker, condition, length)); err != nil {
		return
	}
	want, err := nginx.Parse(benign.String())
	if err != nil {
		t.Fatalf("%q gives %q: %v", shape, benign.String(), err)
	}
	if err := set.ExecuteTemplate(&hostile, "t.tmpl", dataOf(s, condition, length)); err != nil {
		return
	}
	got, err := nginx.Parse(hostile.String())
	if err != nil {
		t.Fatalf("%q with %q gives %q: %v", shape, s, hostile.String(), err)
	}
	if wanted := replaced(want, s, false); len(got) != len(wanted) || len(got) > 0 && !reflect.DeepEqual(got, wanted) {
		t.Fatalf("%q with %q gives %q,\nread as %+v,\nwant    %+v", shape, s, hostile.String(), got, wanted)
	}
	expanded := variables(want)
	for i := range expanded {
		expanded[i] = strings.ReplaceAll(expanded[i], marker, s)
	}
	if got := variables(got); !slices.Equal(got, expanded) {
		t.Fatalf("%q with %q gives %q with variables %q, want %q", shape, s, hostile.String(), got, expanded)
	}
	r, err := record(set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.execute("t.tmpl", dataOf(s, condition, length)); err != nil {
		t.Fatalf("%q with %q gives %q, which the check refuses: %v", shape, s, hostile.String(), err)
	}
}

var hostileTexts = []string{
	"x", " ", ";", "; } evil", "}", "{", `"`, `'`, `\`, `\\`, `a\`, `"; evil "`, `'; evil '`, "$host", "${host}", "$", "$$", "a\nb", "a\rb",
	"a\x00b", "#", "# x", "a\tb", "\xff", "ü", `\"`, `\n`, "_x", "-x", "a.b", "/a/b", ")", "(", "x)", "[[", "]]", "--", "`", "~", "=", "a b",
}

// FuzzEscape: no text changes what NGINX reads around it, in any of our shapes.
func FuzzEscape(f *testing.F) {
	sets := make([]*template.Template, len(shapes))
	for i, shape := range shapes {
		set, err := parse(map[string]string{"t.tmpl": shape})
		if err != nil {
			f.Fatal(err)
		}
		sets[i] = set
	}
	for _, s := range hostileTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return // {{with}} tells it from the marker
		}
		for i, set := range sets {
			for n := range 3 {
				checkShape(t, set, shapes[i], s, n > 0, n)
			}
		}
	})
}

// shorthand makes a template of any text, with actions that a fuzzer finds soon.
var shorthand = strings.NewReplacer("{{", "", "@", "{{.S}}", "<", "{{if .T}}", "|", "{{else}}", ">", "{{end}}", "&", "{{range .L}}", "%", "{{.}}", "^", "_by_lua_block")

// FuzzTemplates: no text changes what NGINX reads around it, in any template that loads.
func FuzzTemplates(f *testing.F) {
	for _, shape := range []string{
		"a @;", "a x@;", "a @@ 'b@' \"c@\";", "a< @|x>;", "&a { b @; }>", "a& %>;", "map a { @ @; }", "x^ { (\"@\") } a @;", "#@\na @;",
		"a \\@;", "a $@;", "a ${x@};", "a \"$x@\";", "<a|b>^ { \"@\" }", "a \"b\")@;", "a <\"b\"|@>;", "a <b|@>@;", "a @<x|>;", "a <b|@>x;", "a <@|b>x;", "x^ { -- @\n}",
		"x^ { \"<@|@>\" }", "a <b #@\n|c>;", "\"x^\" { }", "geo a { <@|b> c; }", "a &\"%\" >;", "a &x%$b>;", "a \\${x @;", "a $<{|b> { @; }",
	} {
		for _, s := range []string{"; }", "\"", "$x", "'\\"} {
			f.Add(shape, s)
		}
	}
	f.Fuzz(func(t *testing.T, text, s string) {
		// The independent parser takes the brace of \${ for a part of the word, which NGINX does not.
		text = shorthand.Replace(text)
		if s == "" || strings.Contains(text, `\$`) || strings.Contains(text, marker) {
			return
		}
		set, err := parse(map[string]string{"t.tmpl": text})
		if err != nil {
			return
		}
		for n := range 4 {
			checkShape(t, set, text, s, n%2 == 1, n)
		}
	})
}
