package wild_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/lint"
	"github.com/sluice-ingress/sluice/test/golden"
)

// lintFiles lints manifests as `sluice lint -f` does.
func lintFiles(t *testing.T, names ...string) (lint.Findings, map[string][]byte) {
	t.Helper()
	objects, notes := cluster.Load(os.DirFS("testdata"), names...)
	s := cluster.FromObjects(objects)
	s.Notes, s.Places, s.Now = notes, objects.Places(), golden.Now
	plan, err := options(t).Plan(s)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]byte{}
	for _, name := range names {
		if texts[name], err = os.ReadFile(filepath.Join("testdata", name)); err != nil {
			t.Fatal(err)
		}
	}
	return lint.Check(lint.Input{Plan: plan, Objects: objects.Lists(), Texts: texts}), texts
}

// lastName is the last name in a field's path.
var lastName = regexp.MustCompile(`([^.\[\]]+)(?:\[\d+\])?$|\[([^\]]+)\]$`)

// TestFindingsPointAtTheirFields looks at what stands where findings say that they are.
func TestFindingsPointAtTheirFields(t *testing.T) {
	findings, texts := lintFiles(t, files(t)...)
	if len(findings) == 0 {
		t.Fatal("nothing is found")
	}
	exact := 0
	for _, f := range findings {
		lines := strings.Split(string(texts[f.File]), "\n")
		if f.Line < 1 || f.Line > len(lines) || f.Column < 1 || f.Column > len(lines[f.Line-1]) {
			t.Errorf("%s %s is at %s:%d:%d, which is no place", f.Object, f.Field, f.File, f.Line, f.Column)
			continue
		}
		name := lastName.FindStringSubmatch(f.Field)
		if name != nil && strings.HasPrefix(strings.TrimLeft(lines[f.Line-1][f.Column-1:], `"'`), name[1]+name[2]) {
			exact++
		}
	}
	if exact < len(findings)*9/10 {
		t.Errorf("only %d of %d findings point at the very field", exact, len(findings))
	}
}

// TestLintAddsNoError holds that errors of lint are errors of the plan: what files lack is none.
func TestLintAddsNoError(t *testing.T) {
	absent := []lint.Reason{"MissingSecret", "MissingConfigMap", "NoEndpoints", "UnusedCanary"}
	for _, name := range files(t) {
		findings, _ := lintFiles(t, name)
		problems := plan(t, load(t, name)).Problems
		for _, f := range findings {
			if f.Severity != cluster.Error {
				continue
			}
			isThere := false
			for _, p := range problems {
				isThere = isThere || p.Object == f.Object && p.Field == f.Field && p.Reason == f.Reason && p.Severity == f.Severity
			}
			if !isThere || slices.Contains(absent, f.Reason) {
				t.Errorf("%s: %s: %s: %s (%s) is an error", name, f.Object, f.Field, f.Message, f.Reason)
			}
		}
	}
}
