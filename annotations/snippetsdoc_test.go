package annotations_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/annotations/snippet"
	"github.com/sluice-ingress/sluice/test/golden"
)

// generated is the line of docs/snippets.md behind which this test writes.
const generated = "<!-- From here on written by go test ./annotations -update; do not edit. -->\n"

// TestSnippetsDoc keeps the lists of docs/snippets.md in step with the rules.
func TestSnippetsDoc(t *testing.T) {
	const path = "../docs/snippets.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, got, found := strings.Cut(string(text), generated)
	if !found {
		t.Fatalf("%s has no line %s", path, generated)
	}
	want := rulesDoc()
	if golden.Updating() {
		if err := os.WriteFile(path, []byte(before+generated+want), 0o644); err != nil { //nolint:gosec // it is for everyone
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("%s is stale; go test ./annotations -update writes it (-is +should be):\n%s", path, diff)
	}
}

func rulesDoc() string {
	var b strings.Builder
	b.WriteString("\n## Directives\n\n| Directive | Arguments | `configuration-snippet` | `server-snippet` | in `if` of a path | `auth-snippet` |\n|---|---|---|---|---|---|\n")
	for _, r := range snippet.Rules {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", r.Name, cell(r.Args), yes(r, snippet.InLocation), yes(r, snippet.InServer), yes(r, snippet.InIf), yes(r, snippet.InInquiry))
	}
	b.WriteString("\nIn an `if` of a `server-snippet` only `set`, `return`, `rewrite` and `break` can stand.\n")
	b.WriteString("\n## Variables\n\nA name that ends in `_` stands for all that begin so.\n\n")
	fmt.Fprintf(&b, "- Of the request: %s.\n", names(snippet.RequestVariables))
	fmt.Fprintf(&b, "- Of the answer and the connection: %s.\n", names(snippet.MoreVariables))
	fmt.Fprintf(&b, "- In conditions only: %s.\n", names(snippet.TestedVariables))
	b.WriteString("- Of databases that are there, with `use-geoip2` in the controller's ConfigMap: those of [geoip.md](geoip.md).\n")
	b.WriteString("\n## Instead of others\n\n| Directives that begin with | Instead |\n|---|---|\n")
	for _, r := range snippet.Refused {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.Prefix, r.Instead)
	}
	return b.String()
}

func yes(r snippet.Rule, in snippet.Place) string {
	if r.In&in != 0 {
		return "yes"
	}
	return "–"
}

func names(variables []string) string { return "`$" + strings.Join(variables, "`, `$") + "`" }
