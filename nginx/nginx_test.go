package nginx

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// roundTrip writes the argument between two others and reads the line back.
func roundTrip(t *testing.T, a Arg) {
	t.Helper()
	text, err := Directives{D("d", Verbatim("before"), a, Verbatim("after")), D("next")}.Encode("  ")
	if err != nil {
		if !strings.ContainsAny(a.Value(), "\x00\r\n") && len(a.Value()) < maxArg/20 {
			t.Fatalf("Encode(%q): %v", a.Value(), err)
		}
		return
	}
	list, err := Parse(text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	if len(list) != 2 || len(list[0].Words) != 4 || list[0].Words[2] != a.Value() {
		t.Fatalf("%q is read back as %+v", text, list)
	}
}

var hostile = []string{
	"", "plain", "/a/b", "a b", `"`, `'`, `\`, `\\`, `\"`, `a\`, `\n`, `\t`, ";", "{", "}", "a;b", "#x", "a#b",
	"$", "$host", "${host}", "$$", "a\tb", "a\nb", "a\rb", "a\x00b", "} server { listen 1; ", `"; return 200 "x`,
	"ü", "\xff\xfe", "(x)", "a=b", "~*", "`", "${literal_dollar}", "|", "\x7f", "\u2028",
}

func TestArgRoundTrips(t *testing.T) {
	for _, s := range hostile {
		roundTrip(t, Text(s))
		roundTrip(t, Verbatim(s))
		roundTrip(t, Concat(Text(s), Var("host"), Verbatim(s)))
	}
}

func FuzzArgRoundTrips(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		roundTrip(t, Text(s))
		roundTrip(t, Verbatim(s))
	})
}

// Text has no dollar but the ones that start ${literal_dollar}.
func TestTextExpandsNoVariable(t *testing.T) {
	for _, s := range hostile {
		if rest := strings.ReplaceAll(Text(s).Value(), literalDollar, ""); strings.Contains(rest, "$") {
			t.Errorf("Text(%q) still holds a variable: %q", s, Text(s).Value())
		}
	}
}

func TestEncodeRefusesControlCharacters(t *testing.T) {
	for _, s := range []string{"a\nb", "a\rb", "a\x00b"} {
		for _, a := range []Arg{Text(s), Verbatim(s), Concat(Text("x"), Verbatim(s))} {
			if out, err := a.Encode(); err == nil {
				t.Errorf("Encode(%q) = %q, want an error", s, out)
			}
		}
		if out, err := EncodeInside(s, '"'); err == nil {
			t.Errorf("EncodeInside(%q) = %q, want an error", s, out)
		}
	}
	if out, err := Var("a;b").Encode(); err == nil {
		t.Errorf("Var(a;b) is written as %q", out)
	}
	if out, err := D("x; y").Encode(""); err == nil {
		t.Errorf("the directive name x; y is written as %q", out)
	}
}

func FuzzEncodeInside(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, q := range []byte{'"', '\''} {
			in, err := EncodeInside(s, q)
			if err != nil {
				continue
			}
			list, err := Parse("d " + string(q) + in + string(q) + ";")
			if err != nil || len(list) != 1 || len(list[0].Words) != 2 || list[0].Words[1] != Text(s).Value() {
				t.Fatalf("%q inside %c is read back as %+v, %v", s, q, list, err)
			}
		}
	})
}

func TestWithoutDropsWhatIsInherited(t *testing.T) {
	base := Directives{D("a", Int(1)), D("h", Text("x")), D("h", Text("y"))}
	own := Directives{D("h", Text("x")), D("a", Int(1)), D("b"), D("h", Text("z"))}
	got, err := own.Without(base.Groups()).Encode("")
	if err != nil {
		t.Fatal(err)
	}
	// One header differs, so both stay: NGINX inherits all of a name or none.
	if want := "h x;\nb;\nh z;\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseRefusesWhatNginxRefuses(t *testing.T) {
	for _, s := range []string{"a", "a {", "}", "a; }", `a "b`, `a "b"c;`, "{}", "; ", `a \${b};`} {
		if list, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", s, list)
		}
	}
	list, err := Parse("a b { c ${d}e 'f g'; # no }\n rewrite_by_lua_block { x({1}) } }")
	if err != nil {
		t.Fatal(err)
	}
	inner := list[0].Block
	if len(inner) != 2 || inner[0].Words[1] != "${d}e" || inner[0].Words[2] != "f g" || inner[1].Lua != "x({1})" || inner[1].Line != 2 {
		t.Errorf("got %+v", list)
	}
	if list, err := Parse("a ${{x b;"); err != nil || len(list) != 1 || len(list[0].Words) != 3 {
		t.Errorf("got %+v, %v: all braces after a dollar belong to the word", list, err)
	}
}

func TestParseRegex(t *testing.T) {
	good := []string{
		"/a", "/a/(.*)", "/something(/|$)(.*)", "^/v[0-9]+", "/(?!api)(.*)", "/a{2,3}b", "/{name}", `/\d+\.html`, "/[]a]", "/[^]]",
		"/[.]", "/[a-z-9]", `/[\w.-]+`, `/[-\w]`, "/(?<=a|bc)d", "/a{,2}", "/a{ 1, 2 }", "/{,}", "/(ab){1000}", "/(?:a|b)c", "(?i)/x", "/x(?i:y)", "/[[:alpha:]]+", "/a*?b", "/a++", `/(a)\1`, "/a|b", "/}", "/a{,3}", "",
	}
	for _, s := range good {
		if _, err := ParseRegex(s); err != nil {
			t.Errorf("ParseRegex(%q): %v", s, err)
		}
	}
	bad := []string{
		"/(a", "/a)", "/[a", "*a", "/(*a)", "/a**", `/\`, "/(?P>x)", "/(?{x})", "(*LIMIT_MATCH=1)a", "/a{3,2}", "/a{99999}", `/\1`,
		`/[\w-.]`, `/[a-\d]`, `/[a-\.]`, "/[:alpha:]", "/[[.a.]]", `/[\1]`, "/a{3,2}?", "/$+", `/\b*`, "/({,2})", "/((a{900}){900})",
		"/(?<=a+)b", `/(a(?<!\1))`, "/" + strings.Repeat("(", 250) + strings.Repeat(")", 250), "/(?R)", "/(?<n>a)", "/[z-a]", "/[[:nope:]]", "a\nb", `/\Q`, `/\y`, strings.Repeat("a", maxRegex+1),
	}
	for _, s := range bad {
		if _, err := ParseRegex(s); err == nil {
			t.Errorf("ParseRegex(%q) passes", s)
		}
	}
}

func TestNamedGroups(t *testing.T) {
	r, err := ParseRegex(`/a\((b)(?:c)([(])(d(e))`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.NamedGroups().String(), `/a\((?<capture_1>b)(?:c)(?<capture_2>[(])(?<capture_3>d(?<capture_4>e))`; got != want || r.Groups() != 4 {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is accepted and is in the syntax both share compiles in Go's engine as well.
func FuzzParseRegex(f *testing.F) {
	for _, s := range []string{"/a(b)c", "[a-z]+", `\d{2}`, "(?i)x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRegex(s)
		if err != nil || strings.ContainsAny(s, `\{`) || regexp.MustCompile(`\(\?[=!<>]|[*+?]\+|\[\[|\[\^?\]`).MatchString(s) {
			return
		}
		roundTrip(t, r.Arg())
		if _, err := regexp.Compile(r.NamedGroups().String()); err != nil && !strings.Contains(err.Error(), "invalid UTF-8") &&
			!strings.Contains(err.Error(), "too large") && !strings.Contains(err.Error(), "nested repetition") && !strings.Contains(err.Error(), "nests too deeply") {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func TestSecretDoesNotShow(t *testing.T) {
	c := Certificate{Chain: "chain", Key: NewSecret("hush")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if text := fmt.Sprintf(verb, c) + fmt.Sprintf(verb, c.Key); strings.Contains(text, "hush") || strings.Contains(text, "68757368") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	if text, err := json.Marshal(c); err != nil || strings.Contains(string(text), "hush") {
		t.Errorf("JSON has %s, %v", text, err)
	}
}

// A location that says allow or deny inherits neither, so both have to be written.
func TestWithoutKeepsAllowAndDenyTogether(t *testing.T) {
	base := Directives{D("allow", Verbatim("10.0.0.0/8")), D("deny", Verbatim("all"))}
	own := Directives{D("allow", Verbatim("192.0.2.7")), D("deny", Verbatim("all"))}
	got, err := own.Without(base.Groups()).Encode("")
	if want := "allow 192.0.2.7;\ndeny all;\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if rest := base.Without(base.Groups()); len(rest) > 0 {
		t.Errorf("%v is repeated", rest)
	}
}
