package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestReadmeListsAllValues compares the generated tables with values.schema.json, values.yaml and files/no-effect.yaml.
func TestReadmeListsAllValues(t *testing.T) {
	const file = chartDir + "/README.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := replaceSection(t, string(page), "values", valuesTable(t))
	text = replaceSection(t, text, "no effect", noEffectTable(t))
	compare(t, file, text)
}

// replaceSection puts text between the marks of a section.
func replaceSection(t *testing.T, page, name, text string) string {
	t.Helper()
	before, rest, begins := strings.Cut(page, "<!-- begin "+name+":")
	mark, rest, _ := strings.Cut(rest, "-->\n")
	_, after, ends := strings.Cut(rest, "<!-- end "+name+" -->")
	if !begins || !ends {
		t.Fatalf("the marks of section %q are missing", name)
	}
	return before + "<!-- begin " + name + ":" + mark + "-->\n" + text + "<!-- end " + name + " -->" + after
}

func valuesTable(t *testing.T) string {
	t.Helper()
	reasons := noEffect(t)
	var b strings.Builder
	b.WriteString("| Value | Default | Meaning |\n|---|---|---|\n")
	for _, v := range values(t) {
		if hasNoEffect(reasons, v.name()) {
			continue
		}
		byDefault := "unset"
		if now, is := defaultOf(t, v.path); is {
			text, err := json.Marshal(now)
			if err != nil {
				t.Fatal(err)
			}
			byDefault = "`" + string(text) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.name(), cell(byDefault), cell(v.Description))
	}
	return b.String()
}

func noEffectTable(t *testing.T) string {
	t.Helper()
	reasons := noEffect(t)
	var b strings.Builder
	b.WriteString("| Value | Why |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(reasons[name]))
	}
	return b.String()
}

// cell is a text in a table of Markdown.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
