package docs_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	godiff "github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/test/golden"
)

const compatibility = "docs/compatibility.md"

// TestStates keeps the tables of docs/compatibility.md that say for each annotation and each key of the ConfigMap how it
// compares with ingress-nginx's. What differs is in the tables before them, which people write: a name that stands in the first
// column of one is in the state of that table.
func TestStates(t *testing.T) {
	p := read(t, compatibility)
	start := slices.Index(p.lines, statesBegin)
	end := slices.Index(p.lines, statesEnd)
	if start < 0 || end < start {
		t.Fatalf("%s lacks the line %q or %q", compatibility, statesBegin, statesEnd)
	}
	want := slices.Concat(p.lines[:start+1], stateTables(t, statesIn(p.lines[:start])), foreignTables(t, statesIn(p.lines[:start])), []string{""}, p.lines[end:])
	if golden.Updating() {
		if err := os.WriteFile(filepath.Join(top, compatibility), []byte(strings.Join(want, "\n")), 0o644); err != nil { //nolint:gosec // it is for everyone
			t.Fatal(err)
		}
		return
	}
	for _, line := range want {
		if strings.HasSuffix(line, "| same | – |") || strings.HasSuffix(line, ") | – |") {
			t.Errorf("no golden shows it: %s", line)
		}
	}
	if diff := godiff.Diff(p.lines, want); diff != "" {
		t.Errorf("%s is stale; go test ./test/docs -update writes it (-is +should be):\n%s", compatibility, diff)
	}
}

const (
	statesBegin = "<!-- What follows is written by go test ./test/docs -update; do not edit. -->"
	statesEnd   = "<!-- End of what is written. -->"
)

// states are how names compare, and where that is told: for each name the headings of the tables that have it.
type states map[string][]string

var quoted = regexp.MustCompile("`([a-z0-9-]+)")

func statesIn(lines []string) states {
	found := states{}
	heading := ""
	for _, line := range lines {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			heading = title
		}
		subject, isRow := strings.CutPrefix(line, "| ")
		if !isRow {
			continue
		}
		subject, _, _ = strings.Cut(subject, " | ")
		for _, match := range quoted.FindAllStringSubmatch(subject, -1) {
			if !slices.Contains(found[match[1]], heading) {
				found[match[1]] = append(found[match[1]], heading)
			}
		}
	}
	return found
}

// words are what the table says of names under a heading.
var words = map[string]string{
	"Safer":               "same, and [safer](#safer)",
	"Mended":              "same, but for [a fault](#mended)",
	"Different by design": "[differs](#different-by-design)",
}

func (s states) of(names ...string) string {
	var list []string
	for _, name := range names {
		for _, heading := range s[name] {
			if !slices.Contains(list, words[heading]) {
				list = append(list, words[heading])
			}
		}
	}
	if len(list) == 0 {
		return "same"
	}
	return strings.Join(list, "; ")
}

// sample is a golden with what it is about.
type sample struct {
	path    string
	isAsked bool // its requests are sent to a real NGINX
	others  int  // names in it
}

// samples are goldens by names, for each the one that says most about it.
type samples map[string]sample

// goldens finds what shows annotations, and what shows keys of the ConfigMap.
func goldens(t *testing.T) (ofAnnotations, ofKeys samples) {
	t.Helper()
	ofAnnotations, ofKeys = samples{}, samples{}
	for _, dir := range []string{"annotations/testdata", "controller/streams/testdata", "controller/translate/testdata"} {
		for _, path := range golden.Files(t, filepath.Join(top, dir)) {
			c := golden.Load(t, path)
			mentioned := mentionedIn(c.Objects.Lists().Ingresses)
			name, err := filepath.Rel(top, path)
			if err != nil {
				t.Fatal(err)
			}
			s := sample{path: filepath.ToSlash(name), isAsked: len(c.Requests) > 0, others: len(mentioned)}
			for key := range mentioned {
				ofAnnotations.keep(key, s)
			}
			for _, m := range c.Objects.Lists().ConfigMaps {
				for key := range m.Data {
					ofKeys.keep(key, s)
				}
			}
		}
	}
	return ofAnnotations, ofKeys
}

func mentionedIn(list []*networkingv1.Ingress) map[string]bool {
	found := map[string]bool{}
	for _, ing := range list {
		for key := range ing.Annotations {
			_, name, _ := strings.Cut(key, "/")
			found[name] = true
		}
	}
	return found
}

var mistakes = regexp.MustCompile(`-(bad|refused|ignored|off|impossible)\.txtar$`)

// keep notes a sample if it is better than the one there: one that is asked, has the name in its own, and shows little else.
func (m samples) keep(name string, s sample) {
	old, found := m[name]
	isNamed := func(s sample) bool { return strings.HasPrefix(filepath.Base(s.path), name) }
	isOfMistakes := func(s sample) bool { return mistakes.MatchString(s.path) }
	order := func(a, b bool) int { // true is first
		switch {
		case a == b:
			return 0
		case a:
			return -1
		}
		return 1
	}
	if !found || cmp.Or(order(s.isAsked, old.isAsked), order(isOfMistakes(old), isOfMistakes(s)), order(isNamed(s), isNamed(old)), cmp.Compare(s.others, old.others), cmp.Compare(s.path, old.path)) < 0 {
		m[name] = s
	}
}

// link leads to the golden that shows one of the names.
func (m samples) link(names ...string) string {
	for _, name := range names {
		if s, found := m[name]; found {
			return fmt.Sprintf("[%s](../%s)", strings.TrimSuffix(filepath.Base(s.path), ".txtar"), s.path)
		}
	}
	return "–"
}

func stateTables(t *testing.T, s states) []string {
	t.Helper()
	ofAnnotations, ofKeys := goldens(t)
	return slices.Concat(
		table("annotation", annotationRows(s, ofAnnotations), notSupported(annotations.Missing())),
		table("key of the ConfigMap", keyRows(s, ofKeys), notSupported(annotations.MissingKeys())))
}

func table(of string, rows ...[]string) []string {
	all := slices.Concat(rows...)
	slices.Sort(all)
	return slices.Concat([]string{"", "## Every " + of, "", "| Name | State | Shown by |", "|---|---|---|"}, all)
}

func row(names []string, state, shownBy string) string {
	return fmt.Sprintf("| `%s` | %s | %s |", strings.Join(names, "`, `"), state, shownBy)
}

func annotationRows(s states, shown samples) []string {
	var rows []string
	for _, e := range annotations.Reference() {
		if e.Key != "" {
			names := append([]string{e.Key}, e.Aliases...)
			rows = append(rows, row(names, s.of(names...), shown.link(names...)))
		}
	}
	return rows
}

func keyRows(s states, shown samples) []string {
	var rows []string
	for _, e := range annotations.Reference() {
		if e.ConfigKey != "" {
			rows = append(rows, row([]string{e.ConfigKey}, s.of(e.ConfigKey), shown.link(e.ConfigKey)))
		}
	}
	return rows
}

func notSupported(missing map[annotations.Outcome][]string) []string {
	says := map[annotations.Outcome]string{
		annotations.Deny: "not supported: paths answer 503", annotations.Refuse: "not supported: the Ingress is refused",
		annotations.UseDefault: "not supported: reported, without effect",
	}
	var rows []string
	for outcome, names := range missing {
		for _, name := range names {
			rows = append(rows, row([]string{name}, says[outcome], "–"))
		}
	}
	return rows
}
