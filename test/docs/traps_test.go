package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const traps = "docs/traps.md"

// evidence is a link to what shows a thing.
var evidence = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)

// TestTrapsAreHeld looks at the tests that docs/traps.md names: cases that send requests, and tests by their names.
func TestTrapsAreHeld(t *testing.T) {
	p := read(t, traps)
	held := 0
	for n, line := range p.lines {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || cells[0] == "In ingress-nginx" {
			continue
		}
		if len(cells) != 4 || !slices.Contains([]string{"same", "safer", "mended"}, cells[1]) || cells[2] == "" {
			t.Errorf("%s: want a trap, a decision, a reason and tests", p.at(n))
			continue
		}
		links := evidence.FindAllStringSubmatch(cells[3], -1)
		if len(links) == 0 {
			t.Errorf("%s: no test holds it", p.at(n))
		}
		for _, link := range links {
			if problem := holdsNothing(link[1], path.Join(path.Dir(traps), link[2])); problem != "" {
				t.Errorf("%s: %s %s", p.at(n), link[2], problem)
			}
		}
		held++
	}
	if held < 80 {
		t.Errorf("%s has only %d traps", traps, held)
	}
}

// holdsNothing says why a file is no test of that name; "" if it is.
func holdsNothing(name, file string) string {
	text, err := os.ReadFile(filepath.Join(top, file))
	if err != nil {
		return err.Error()
	}
	switch path.Ext(file) {
	case ".txtar":
		_, requests, _ := strings.Cut(string(text), "\n-- requests --\n")
		if name != strings.TrimSuffix(path.Base(file), ".txtar") {
			return "is not called " + name
		}
		if !regexp.MustCompile(`(?m)^[A-Z]+ https?://`).MatchString(requests) {
			return "sends no requests"
		}
	case ".go":
		if !strings.Contains(string(text), "\nfunc "+name+"(t *testing.T) {") {
			return "has no test " + name
		}
	case ".lua":
		if !regexp.MustCompile(`(?m)^spec\(".*` + regexp.QuoteMeta(name)).Match(text) {
			return "has no spec " + name
		}
	default:
		return "is no test"
	}
	return ""
}
