package templates

import (
	"io"
	"os"
	"strings"
	"testing"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	"github.com/sluice-ingress/sluice/nginx"
)

func TestAllowedFunctionsExist(t *testing.T) {
	all := sprig.TxtFuncMap()
	for _, name := range allowed {
		if all[name] == nil {
			t.Errorf("Sprig has no %s", name)
		}
	}
}

func TestForbiddenFunctionsAreAbsent(t *testing.T) {
	have := functions()
	for _, name := range strings.Fields(`
		env expandenv getHostByName
		now ago date dateInZone date_in_zone dateModify date_modify mustDateModify must_date_modify htmlDate htmlDateInZone
		toDate mustToDate unixEpoch duration durationRound
		randAlphaNum randAlpha randAscii randNumeric randBytes randInt shuffle uuidv4
		bcrypt htpasswd derivePassword genPrivateKey genCA genCAWithKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert
		genSignedCertWithKey buildCustomCert encryptAES decryptAES
		set unset merge mergeOverwrite mustMerge mustMergeOverwrite sortAlpha keys values
		repeat indent nindent until untilStep seq wrap wrapWith chunk mustChunk
		osBase osClean osDir osExt osIsAbs quote squote hello
	`) {
		if have[name] != nil {
			t.Errorf("templates can call %s", name)
		}
	}
}

// What Sprig adds later stays out until somebody has looked at it.
func TestNothingButAllowedFunctions(t *testing.T) {
	if want := len(allowed) + len([]string{"print", "println", "printf", "call"}); len(functions()) != want {
		t.Errorf("templates can call %d functions, want %d", len(functions()), want)
	}
}

func TestPrintingTakesPlainValues(t *testing.T) {
	got, err := render(`a {{printf "%s-%03d %v %.1f" .S 7 true 1.5}} {{print .S " " 1}};`, map[string]any{"S": ";"})
	if want := `a ";-007 true 1.5" "; 1";`; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	secret := nginx.NewSecret("hidden")
	for _, text := range []string{`{{printf "%d" .}}`, `{{printf "%x" .}}`, `{{print .}}`, `{{println .}}`, `{{html .}}`, `{{toString .}}`, `{{cat .}}`, `{{toJson .}}`, `{{b64enc .}}`} {
		for _, data := range []any{secret, &secret, []any{secret}, map[string]any{"Key": secret}, struct{ Key nginx.Secret }{secret}} {
			got, err := render("a "+text+";", data)
			if strings.Contains(got, "hidden") || err != nil && strings.Contains(err.Error(), "hidden") || strings.Contains(got, "68696464656e") {
				t.Errorf("%s of %T gives %q, %v", text, data, got, err)
			}
		}
	}
}

func TestParseNamesFileAndLine(t *testing.T) {
	for _, test := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"a.tmpl": "a;", "b.tmpl": "a;\n\nb {{.X}"}, "b.tmpl:3"},
		{map[string]string{"a.tmpl": "a;", "b.tmpl": "a;\n\n  # {{.X}}"}, "b.tmpl:3:6"},
		{map[string]string{"a.tmpl": "a;", "b.tmpl": `{{define "a.tmpl"}}{{end}}`}, `b.tmpl: "a.tmpl" is defined twice`},
		{map[string]string{"a.tmpl": `{{define "x"}}{{end}}`, "b.tmpl": `{{define "x"}}{{end}}`}, `b.tmpl: "x" is defined twice`},
		{map[string]string{"a.tmpl": "a;\n{{define \"x\"}}\nb }{{end}}"}, "a.tmpl:3:2: unexpected }"},
	} {
		if _, err := parse(test.files); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %s", test.files, err, test.want)
		}
	}
	_, err := render("a;\nb {{.X}}\n  {{.Y}};", map[string]any{"X": "x", "Y": true})
	if want := "t.tmpl:3:4"; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "bool") {
		t.Errorf("got %v, want an error at %s", err, want)
	}
}

func TestTemplatesCallEachOtherAcrossFiles(t *testing.T) {
	set, err := parse(map[string]string{
		"a.tmpl": "http {\n{{- template \"b.tmpl\" .}}\n}\n",
		"b.tmpl": "\n    a {{.}};",
	})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := set.ExecuteTemplate(&b, "a.tmpl", "}"); err != nil || b.String() != "http {\n    a \"}\";\n}\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

func BenchmarkRender(b *testing.B) {
	text, err := os.ReadFile("location.tmpl")
	if err != nil {
		b.Fatal(err)
	}
	set, err := parse(map[string]string{"location.tmpl": string(text), "t.tmpl": `location {{.Path}} {
    set $namespace {{.Namespace}};
    set $ingress_name {{.Ingress}};
    set $service_name {{.Service}};
    set $service_port {{.Port}};
    set $location_path {{.Path}};
    set $proxy_upstream_name {{.Label}};
    set $backend {{.Backend}};
    return {{.Code}} {{.Target}};
    a "{{.Namespace}}/{{.Ingress}}";
}
`})
	if err != nil {
		b.Fatal(err)
	}
	data := map[string]any{
		"Path": "/shop/items (new)", "Namespace": "shop", "Ingress": "web", "Service": "cart", "Port": "8080", "Label": "shop-cart-8080",
		"Backend": "shop-cart-8080", "Code": 301, "Target": nginx.Concat(nginx.Text("https://"), nginx.Var("host")),
	}
	view := locationView{
		Match: []nginx.Arg{nginx.Verbatim("/shop/items (new)")}, Place: "\tshop.example.com\tshop\tweb\tcart\t8080\t/shop/items (new)", Backend: "shop-cart-8080", Pass: nginx.D("proxy_pass", nginx.Text("http://shop-cart-8080")),
		Body: nginx.Directives{nginx.D("proxy_read_timeout", nginx.Seconds(60e9))},
	}
	b.Run("12 actions", func(b *testing.B) { benchmark(b, set, "t.tmpl", data) })
	b.Run("location.tmpl", func(b *testing.B) { benchmark(b, set, "location.tmpl", view) })
}

func benchmark(b *testing.B, set *template.Template, name string, data any) {
	b.ReportAllocs()
	for b.Loop() {
		if err := set.ExecuteTemplate(io.Discard, name, data); err != nil {
			b.Fatal(err)
		}
	}
}
