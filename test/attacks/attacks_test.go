package attacks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

var modes = map[string]controller.Routing{"compiled": controller.Compiled, "dynamic": controller.Dynamic}

// TestAttacksComeToNothing plans with what an attacker writes, and with something harmless in its place: the
// configuration has the same directives with as many arguments, the state the same form, and what is reported is the
// same and as expected.
func TestAttacksComeToNothing(t *testing.T) {
	for name, routing := range modes {
		for _, c := range Load(t) {
			if len(c.Values) == 0 {
				continue
			}
			for i, try := range c.Tries() {
				t.Run(fmt.Sprintf("%s/%s/%s%d", name, c.Name, try.Key, i), func(t *testing.T) { check(t, c, try, routing) })
			}
		}
	}
}

func check(t *testing.T, c Case, try Try, routing controller.Routing) {
	harmless := plan(t, c, Try{try.Key, c.Like}, routing)
	attacked := plan(t, c, try, routing)
	if diff := gocmp.Diff(form(t, harmless), form(t, attacked)); diff != "" {
		t.Errorf("%q has another form than %q (-harmless +attack):\n%s", try.Value, c.Like, diff)
	}
	for value, p := range map[string]controller.Plan{c.Like: harmless, try.Value: attacked} {
		if diff := gocmp.Diff(c.Want(try), problems(p)); diff != "" {
			t.Errorf("%q is reported in another way (-want +got):\n%s", value, diff)
		}
	}
	for _, p := range attacked.Problems {
		if strings.IndexFunc(p.Field+p.Message, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			t.Errorf("%q is reported in more than a line of printable text: %q %q", try.Value, p.Field, p.Message)
		}
	}
}

func plan(t *testing.T, c Case, try Try, routing controller.Routing) controller.Plan {
	t.Helper()
	world := c.With(t, try)
	world.Options.Routing = routing
	return world.Plan(t)
}

func problems(p controller.Plan) string {
	var b strings.Builder
	for _, p := range p.Problems {
		fmt.Fprintf(&b, "%s %s %s %s\n", p.Severity, p.Object, cmp.Or(p.Field, "-"), p.Reason)
	}
	return b.String()
}

// form is what a plan has NGINX and its workers do, without the texts of users: names of directives with the number of
// their arguments, all of Lua, and the kinds of values in the state.
func form(t *testing.T, p controller.Plan) []string {
	t.Helper()
	var lines []string
	for _, f := range p.Files.List {
		if !plainName.MatchString(f.Name) {
			t.Errorf("a file is called %q", f.Name)
		}
		if !strings.HasSuffix(f.Name, ".conf") {
			continue
		}
		tree, err := nginx.Parse(string(f.Content))
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		lines = append(lines, directives(tree, f.Name+": ")...)
	}
	update := dynamic.Full(p.Dynamic, 1)
	update.Certificates = nil
	text, err := json.Marshal(update)
	if err != nil {
		t.Fatal(err)
	}
	var state any
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	return append(lines, "state: "+kinds(state))
}

// plainName is a name of a file that no text of a user is in: fixed words, and hashes.
var plainName = regexp.MustCompile(`^([a-z]+\.(conf|crt|key)|[0-9a-f]{32}\.pem)$`)

// hash is a generation or the name of a shape: what it is made of differs, so it does.
var hash = regexp.MustCompile(`\b[0-9a-f]{16,}\b`)

// directives has a line for each. Locations are put in order: where they stand depends on their texts.
func directives(tree []nginx.Parsed, indent string) []string {
	var lines, locations []string
	for _, d := range tree {
		one := []string{fmt.Sprintf("%s%s %d %s", indent, d.Name(), len(d.Words)-1, hash.ReplaceAllString(d.Lua, "HASH"))}
		one = append(one, directives(d.Block, indent+"  ")...)
		if d.Name() == "location" {
			locations = append(locations, strings.Join(one, "\n"))
			continue
		}
		lines = append(lines, one...)
	}
	slices.Sort(locations)
	return append(lines, locations...)
}

// kinds describes a document without its texts and names; keys of a map are as many as they are.
func kinds(v any) string {
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		for _, value := range v {
			parts = append(parts, kinds(value))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		for _, value := range v {
			parts = append(parts, kinds(value))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return fmt.Sprintf("%T", v)
}
