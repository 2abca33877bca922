package compare

import (
	"fmt"
	"io"
	"strings"
)

// writeMarkdown writes a comment for a pull request, in GitHub's dialect. What users wrote is in it as inert text: nothing of it is
// a link, a mention, a tag or the end of a cell.
func writeMarkdown(w io.Writer, r Report) error {
	var b strings.Builder
	b.WriteString("### What changes\n\n")
	if r.IsEmpty() {
		b.WriteString("Nothing changes.\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
	fmt.Fprintf(&b, "%d changes for clients, %d new Problems. %s\n\n", len(r.Changes)+r.Rest, len(r.Appeared), verdict(r.Reloads))
	if len(r.Changes) > 0 {
		b.WriteString("| | Host | Path | What | Before | After | Because of |\n|---|---|---|---|---|---|---|\n")
	}
	for _, c := range r.Changes {
		host, path := c.place()
		cells := []string{string(c.Action), inert(host), inert(path), inert(c.title()), inert(c.before()), inert(c.after()), because(c)}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	if r.Rest > 0 {
		fmt.Fprintf(&b, "\n%d more changes are left out.\n", r.Rest)
	}
	problems(&b, "New Problems", r, true)
	problems(&b, "Problems that are gone", r, false)
	r.Lines.details(&b)
	reloads(&b, r.Reloads)
	_, err := io.WriteString(w, b.String())
	return err
}

// inert is a text of which Markdown reads nothing: what could mean something is written by number.
func inert(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("<code>")
	for _, r := range printable(text) {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(" /,-", r) || r > 0x7f {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	b.WriteString("</code>")
	return b.String()
}

func because(c Change) string {
	var list []string
	for _, f := range c.From {
		list = append(list, inert(f.Source.String()+f.values(c.Action)))
	}
	return strings.Join(list, "<br>")
}

func verdict(reloads []Reload) string {
	var list []string
	for _, l := range reloads {
		list = append(list, l.Routing+" routing: "+map[bool]string{true: "**NGINX reloads**", false: "no reload"}[l.Needed])
	}
	return strings.ToUpper(list[0][:1]) + strings.Join(list, ", ")[1:] + "."
}

func problems(b *strings.Builder, title string, r Report, isNew bool) {
	list := r.Gone
	if isNew {
		list = r.Appeared
	}
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n<details><summary>%s: %d</summary>\n\n", title, len(list))
	for _, p := range list {
		b.WriteString("- " + inert(problemLine(p)) + "\n")
	}
	b.WriteString("\n</details>\n")
}

// details writes the diff into a block that ends only where it shall: its fence is longer than any in it.
func (l Lines) details(b *strings.Builder) {
	if !l.Differ() {
		return
	}
	fmt.Fprintf(b, "\n<details><summary>nginx.conf: %d lines come, %d go</summary>\n\n", l.Added, l.Removed)
	if len(l.Diff) > 0 {
		text := strings.Join(l.Diff, "\n")
		fence := "```"
		for strings.Contains(text, fence) {
			fence += "`"
		}
		b.WriteString(fence + "diff\n" + text + "\n" + fence + "\n")
	}
	if l.Rest > 0 {
		fmt.Fprintf(b, "\n%d more lines are left out.\n", l.Rest)
	}
	if len(l.Files) > 0 {
		fmt.Fprintf(b, "\nOther files that change: %s\n", inert(strings.Join(l.Files, ", ")))
	}
	b.WriteString("\n</details>\n")
}

func reloads(b *strings.Builder, list []Reload) {
	for _, l := range list {
		if len(l.Why) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n<details><summary>Why NGINX reloads with %s routing</summary>\n\n", l.Routing)
		for _, f := range l.Why {
			b.WriteString("- " + inert(f.Source.String()) + "\n")
		}
		b.WriteString("\n</details>\n")
	}
}
