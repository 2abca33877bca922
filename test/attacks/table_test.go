package attacks

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/test/golden"
)

const top = "../.."

// known are the vulnerabilities of ingress-nginx itself that were ever published. Each has a case.
var known = []string{
	"CVE-2018-1002104", "CVE-2020-8553", "CVE-2021-25742", "CVE-2021-25745", "CVE-2021-25746", "CVE-2021-25748", "CVE-2022-4886",
	"CVE-2023-5043", "CVE-2023-5044", "CVE-2024-7646", "CVE-2025-1097", "CVE-2025-1098", "CVE-2025-1974", "CVE-2025-15566",
	"CVE-2025-24513", "CVE-2025-24514", "CVE-2026-1580", "CVE-2026-24512", "CVE-2026-24513", "CVE-2026-24514", "CVE-2026-3288",
	"CVE-2026-4342",
}

func TestEachKnownVulnerabilityHasACase(t *testing.T) {
	has := map[string]bool{}
	for _, c := range Load(t) {
		for _, id := range c.IDs {
			has[id] = true
		}
	}
	for _, id := range known {
		if !has[id] {
			t.Errorf("%s has no case", id)
		}
	}
}

// A case shows something itself, or names tests that exist.
func TestEachCaseIsShown(t *testing.T) {
	for _, c := range Load(t) {
		if len(c.Values) == 0 && !c.Has("requests") && len(c.Proofs) == 0 {
			t.Errorf("%s shows nothing", c.Name)
		}
		if len(c.Values) > 0 && c.Like == "" {
			t.Errorf("%s has nothing harmless to compare with", c.Name)
		}
		for _, p := range c.Proofs {
			text, err := os.ReadFile(filepath.Join(top, p.File))
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
			} else if !strings.Contains(string(text), "func "+p.Test+"(t ") && !strings.Contains(string(text), `spec("`+p.Test+`"`) {
				t.Errorf("%s: %s has no test %q", c.Name, p.File, p.Test)
			}
		}
	}
}

const (
	page  = "docs/security.md"
	start = "<!-- From here on written by go test ./test/attacks -update; do not edit. -->\n"
)

// TestTableOfAttacks compares the table of the documentation with the cases, or writes it.
func TestTableOfAttacks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		t.Fatal(err)
	}
	prose, old, found := strings.Cut(string(text), start)
	if !found {
		t.Fatalf("%s has no line %q", page, start)
	}
	table := tables(Load(t))
	if golden.Updating() {
		if err := os.WriteFile(filepath.Join(top, page), []byte(prose+start+table), 0o644); err != nil { //nolint:gosec // documentation
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(strings.Split(old, "\n"), strings.Split(table, "\n")); diff != "" {
		t.Errorf("%s differs from the cases; go test ./test/attacks -update writes it:\n%s", page, diff)
	}
}

func tables(cases []Case) string {
	rows := map[string][]string{} // by vulnerability
	var others []string
	for _, c := range cases {
		for _, id := range c.IDs {
			rows[id] = append(rows[id], fmt.Sprintf("| %s | %s | %s | %s |\n", id, c.Writes, c.Here, links(c)))
		}
		if len(c.IDs) == 0 {
			others = append(others, fmt.Sprintf("| %s, %s | %s | %s | %s |\n", c.By, c.Writes, c.There, c.Here, links(c)))
		}
	}
	var b strings.Builder
	section := func(title string, of func(id string) bool) {
		fmt.Fprintf(&b, "\n## %s\n\n| Vulnerability | The attacker writes | What holds here | Shown by |\n|---|---|---|---|\n", title)
		for _, id := range slices.SortedFunc(maps.Keys(rows), byNumber) {
			if of(id) {
				b.WriteString(strings.Join(rows[id], ""))
			}
		}
	}
	section("Vulnerabilities of ingress-nginx", func(id string) bool { return slices.Contains(known, id) })
	section("Of its peers, and of NGINX", func(id string) bool { return !slices.Contains(known, id) })
	b.WriteString("\n## Other attacks\n\n| Who, and what they write | What it does elsewhere | What holds here | Shown by |\n|---|---|---|---|\n")
	b.WriteString(strings.Join(others, ""))
	return b.String()
}

// byNumber compares CVE-YEAR-NUMBER.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(a[:8], b[:8]), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func links(c Case) string {
	var list []string
	if len(c.Values) > 0 || c.Has("requests") {
		list = append(list, fmt.Sprintf("[case](../test/attacks/testdata/%s.txtar)", c.Name))
	}
	for _, p := range c.Proofs {
		name := p.Test
		if path.Ext(p.File) == ".lua" {
			name = "spec"
		}
		list = append(list, fmt.Sprintf("[%s](../%s)", name, p.File))
	}
	return strings.Join(list, ", ")
}
