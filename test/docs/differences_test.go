package docs_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/controller/migrate"
	"github.com/sluice-ingress/sluice/test/golden"
)

// TestDifferences keeps what the program knows of differences from ingress-nginx: the rows of the tables of
// docs/compatibility.md that people write, as far as they name settings.
func TestDifferences(t *testing.T) {
	var want []migrate.Difference
	heading := ""
	for _, line := range read(t, compatibility).lines {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			heading = title
		}
		if d, ok := difference(heading, line); ok {
			want = append(want, d)
		}
	}
	if len(want) < 50 {
		t.Fatalf("only %d rows of %s name settings", len(want), compatibility)
	}
	const name = "controller/migrate/differences.json"
	path := filepath.Join(top, name)
	if golden.Updating() {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", " ")
		if err := encoder.Encode(want); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil { //nolint:gosec // it is for everyone
			t.Fatal(err)
		}
		return
	}
	var got []migrate.Difference
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is stale; go test ./test/docs -update writes it (-page +file):\n%s", name, diff)
	}
}

var (
	target = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
	// aside is a link in brackets, which leads to what shows a thing.
	aside = regexp.MustCompile(` \(\[[^\]]+\]\([^)]+\)\)`)
)

// difference is a row of a table; false for a line that is none, or that names no setting.
func difference(heading, line string) (migrate.Difference, bool) {
	cells := strings.Split(strings.Trim(line, "| "), " | ")
	if words[heading] == "" || !strings.HasPrefix(line, "| ") || len(cells) < 3 {
		return migrate.Difference{}, false
	}
	for i, cell := range cells {
		cells[i] = strings.TrimSpace(target.ReplaceAllString(aside.ReplaceAllString(cell, ""), "$1"))
	}
	d := migrate.Difference{Table: heading, Subject: cells[0], There: cells[1], Here: cells[2]}
	for _, match := range quoted.FindAllStringSubmatch(cells[0], -1) {
		if !slices.Contains(d.Names, match[1]) {
			d.Names = append(d.Names, match[1])
		}
	}
	return d, len(d.Names) > 0
}
