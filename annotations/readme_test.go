package annotations_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/test/golden"
)

// TestReadme keeps the reference table in step with the settings.
func TestReadme(t *testing.T) {
	want := readme()
	if golden.Updating() {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil { //nolint:gosec // it is for everyone
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(got), "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("README.md is stale; go test ./annotations -update writes it (-is +should be):\n%s", diff)
	}
}

const intro = `# Annotations and ConfigMap keys

<!-- Written by go test ./annotations -update; do not edit. -->

Annotations stand under the prefix ` + "`nginx.ingress.kubernetes.io/`" + ` (flag ` + "`--annotations-prefix`" + `). The value in force is the annotation's,
else the ConfigMap's, else the default. An empty annotation counts as none.

A bad value is always reported, with the object and the annotation. What else it does is in the column "Bad value":

- **default**: it is not used, as if it were not there.
- **503**: all paths of the Ingress answer 503 until it is mended. This is so for everything that keeps requests out.
- **refused**: the change is not made. The last good version of the Ingress stays in force; without one it is not served.

A bad value in the ConfigMap means the default, except where the column says 503: then all paths answer 503 whose Ingress does not have
the annotation.
`

func readme() string {
	var b strings.Builder
	b.WriteString(intro)
	feature := ""
	for _, e := range annotations.Reference() {
		if e.Feature != feature {
			feature = e.Feature
			fmt.Fprintf(&b, "\n## %s\n\n", feature)
			b.WriteString("| Annotation | Value | Default | ConfigMap key | Bad value | What it does | Example |\n|---|---|---|---|---|---|---|\n")
		}
		names := code(e.Key)
		for _, alias := range e.Aliases {
			names += ", also " + code(alias)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", names, cell(e.Kind), code(e.Default), code(e.ConfigKey), bad[e.Bad], cell(e.Doc), code(e.Example))
	}
	b.WriteString("\n## Annotations of ingress-nginx that are not supported yet\n")
	missing(&b, annotations.Missing(), map[annotations.Outcome]string{
		annotations.Deny:       "All paths of the Ingress answer 503, because they would be served unguarded. Values that ask for nothing (`false`, a limit of 0) are fine",
		annotations.Refuse:     "The Ingress is refused, because it would serve something else than it says",
		annotations.UseDefault: "The annotation is reported and has no effect",
	})
	b.WriteString("\n## ConfigMap keys of ingress-nginx that are not supported yet\n")
	missing(&b, annotations.MissingKeys(), map[annotations.Outcome]string{
		annotations.Deny:       "All paths of all Ingresses answer 503, because they would be served unguarded",
		annotations.UseDefault: "The key is reported and has no effect",
	})
	b.WriteString("\n## ConfigMap keys of ingress-nginx without effect\n\nThere is nothing for them to act on. They are reported, unless they ask for what is so anyway.\n\n| ConfigMap key | Why |\n|---|---|\n")
	moot := annotations.Moot()
	for _, key := range slices.Sorted(maps.Keys(moot)) {
		fmt.Fprintf(&b, "| %s | %s |\n", code(key), cell(moot[key]))
	}
	return b.String()
}

func missing(b *strings.Builder, lists map[annotations.Outcome][]string, says map[annotations.Outcome]string) {
	for _, outcome := range []annotations.Outcome{annotations.Deny, annotations.Refuse, annotations.UseDefault} {
		if list := lists[outcome]; len(list) > 0 {
			fmt.Fprintf(b, "\n%s: `%s`.\n", says[outcome], strings.Join(list, "`, `"))
		}
	}
	if len(lists) == 0 {
		b.WriteString("\nThere are none.\n")
	}
}

var bad = map[annotations.Outcome]string{annotations.UseDefault: "default", annotations.Deny: "503", annotations.Refuse: "refused"}

// code writes a text as code in a table, or a dash for none.
func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + cell(s) + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
