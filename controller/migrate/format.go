package migrate

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Format writes a report for one kind of reader.
type Format func(w io.Writer, r Report) error

// Formats are all formats, by name.
var Formats = map[string]Format{"text": writeText, "json": writeJSON, "html": writeHTML}

func writeJSON(w io.Writer, r Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// Group is the items of one object.
type Group struct {
	Object string
	Items  []Item
}

// Groups are the items by object, in their order.
func (r Report) Groups() []Group {
	var groups []Group
	for _, i := range r.Items {
		if len(groups) == 0 || groups[len(groups)-1].Object != i.Object {
			groups = append(groups, Group{Object: i.Object})
		}
		last := &groups[len(groups)-1]
		last.Items = append(last.Items, i)
	}
	return groups
}

// Place is where an item stands; "" if that is not known.
func (i Item) Place() string {
	switch {
	case i.File == "" || i.Line == 0:
		return i.File
	case i.Column == 0:
		return fmt.Sprintf("%s:%d", i.File, i.Line)
	}
	return fmt.Sprintf("%s:%d:%d", i.File, i.Line, i.Column)
}

// Summary is the report in a sentence or two.
func (r Report) Summary() string {
	text := fmt.Sprintf("%d settings of %d Ingresses and %d controllers: %d need work, %d are worth a look, %d need nothing; snippets need the level %s.",
		len(r.Items), r.Ingresses, r.controllers(), r.Count(Work), r.Count(Look), r.Count(Nothing), r.Snippets)
	if r.Others > 0 {
		text += fmt.Sprintf(" %d Ingresses have other classes and are not looked at.", r.Others)
	}
	return text
}

func (r Report) controllers() int {
	seen := map[string]bool{}
	for _, i := range r.Items {
		if i.Kind == flagKind {
			seen[i.Object] = true
		}
	}
	return len(seen)
}

func writeText(w io.Writer, r Report) error {
	var b strings.Builder
	for _, g := range r.Groups() {
		fmt.Fprintf(&b, "%s\n", g.Object)
		for _, i := range g.Items {
			i.writeText(&b)
		}
		b.WriteString("\n")
	}
	for _, u := range r.Unread {
		fmt.Fprintf(&b, "%s:%d: %s\n", u.File, u.Line, strings.TrimPrefix(u.Object+": not looked at: "+u.Message, ": "))
	}
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "%s\n  ingress-nginx: %s\n  Sluice: %s\n  %s\n", d.Subject, d.There, d.Here, d.Link())
	}
	if len(r.Differences) > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s\n", r.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (i Item) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "  %-7s  %s %s: %s", i.Effort, i.Kind, i.Name, i.State)
	if place := i.Place(); place != "" {
		fmt.Fprintf(b, " (%s)", place)
	}
	b.WriteString("\n")
	lines := i.Says
	if i.Snippet != nil {
		lines = append(lines[:len(lines):len(lines)], i.Snippet.Need())
		for _, m := range i.Snippet.NotTaken {
			lines = append(lines, "parsed does not take it: "+m)
		}
	}
	for _, line := range lines {
		fmt.Fprintf(b, "           %s\n", line)
	}
	if i.ToDo != "" {
		fmt.Fprintf(b, "           to do: %s\n", i.ToDo)
	}
}

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Parse(page))

// writeHTML writes one file that needs no other.
func writeHTML(w io.Writer, r Report) error { return pageTemplate.Execute(w, r) }
