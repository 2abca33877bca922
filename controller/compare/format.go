package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/sluice-ingress/sluice/controller/translate"
)

// Format writes a Report for one kind of reader.
type Format func(w io.Writer, r Report) error

// Formats are all formats, by name.
var Formats = map[string]Format{"text": writeText, "markdown": writeMarkdown, "json": writeJSON}

func writeJSON(w io.Writer, r Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// printable is a text of a user in one line, without what moves cursors.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			return '?'
		}
		return r
	}, text)
}

// title says what of a place changes.
func (s Subject) title() string {
	if s.Name == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + ": " + s.Name
}

// place is where it is, the host as a rule, and the path if it is that of one.
func (s Subject) place() (host, path string) {
	switch host = s.Host; {
	case host == "_":
		host = "hosts that no rule names"
	case s.Kind == Backend || s.Kind == Endpoints:
		host = "backends"
	case s.Kind == Stream:
		host = "ports of TCP and UDP services"
	case host == "":
		host = "all hosts"
	}
	if s.Path != "" {
		path = s.Path + " (" + s.Type + ")"
	}
	return host, path
}

// before and after are what is shown of a change; that something is there if there is nothing to show.
func (c Change) before() string { return orYes(c.Old, c.Action != Added && c.New == "") }
func (c Change) after() string  { return orYes(c.New, c.Action != Removed && c.Old == "") }

func orYes(text string, is bool) string {
	if text == "" && is {
		return "yes"
	}
	return text
}

var signs = map[Action]string{Added: "+", Removed: "-", Changed: "~"}

type printer struct{ strings.Builder }

// line writes a line, by so many steps to the right.
func (p *printer) line(depth int, format string, args ...any) {
	p.WriteString(strings.Repeat("  ", depth) + strings.TrimRight(printable(fmt.Sprintf(format, args...)), " ") + "\n")
}

// writeText writes what changes host by host and path by path, each with what is responsible below it.
func writeText(w io.Writer, r Report) error {
	var p printer
	if r.IsEmpty() {
		p.line(0, "nothing changes")
		_, err := io.WriteString(w, p.String())
		return err
	}
	p.changes(r)
	p.problems("new problems", r.Appeared)
	p.problems("problems that are gone", r.Gone)
	p.lines(r.Lines)
	for _, l := range r.Reloads {
		if !l.Needed {
			p.line(0, "%s routing: no reload", l.Routing)
			continue
		}
		p.line(0, "%s routing: NGINX reloads", l.Routing)
		for _, f := range l.Why {
			p.line(1, "%s", f.Source)
		}
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *printer) changes(r Report) {
	if len(r.Changes) == 0 {
		p.line(0, "nothing changes for clients")
	}
	lastHost, lastPath := "", ""
	for _, c := range r.Changes {
		host, path := c.place()
		if host != lastHost {
			p.line(0, "%s", host)
			lastPath = ""
		}
		if path != lastPath && path != "" {
			p.line(1, "%s", path)
		}
		lastHost, lastPath = host, path
		depth := 1
		if path != "" {
			depth = 2
		}
		text := c.title()
		switch before, after := c.before(), c.after(); {
		case c.Action == Changed && before == after:
		case c.Action == Changed:
			text += ": " + before + " -> " + after
		case c.Action == Added && c.New != "":
			text += ": " + after
		case c.Old != "":
			text += ": " + before
		}
		p.line(depth, "%s %s", signs[c.Action], text)
		for _, f := range c.From {
			p.line(depth+2, "%s%s", f.Source, f.values(c.Action))
		}
	}
	if r.Rest > 0 {
		p.line(0, "... and %d more changes", r.Rest)
	}
}

// values are those of the field; "" if they are not known. Where they are one, what comes of it is another all the same: what it
// names has changed, or something that it goes with.
func (f Field) values(action Action) string {
	switch {
	case f.Old == f.New && f.Old != "" && action == Changed:
		return ": unchanged"
	case f.Old == "" && f.New != "":
		return fmt.Sprintf(": now %q", f.New)
	case f.New == "" && f.Old != "":
		return fmt.Sprintf(": was %q", f.Old)
	case f.Old != f.New:
		return fmt.Sprintf(": %q -> %q", f.Old, f.New)
	}
	return ""
}

func (p *printer) problems(title string, list translate.Problems) {
	for n, problem := range list {
		if n == 0 {
			p.line(0, "%s", title)
		}
		p.line(1, "%s", problemLine(problem))
	}
}

func problemLine(p translate.Problem) string {
	subject := strings.Trim(p.Object.String()+": "+p.Field, ": ")
	return fmt.Sprintf("%s: %s: %s (%s)", p.Severity, subject, p.Message, p.Reason)
}

func (p *printer) lines(l Lines) {
	if l.Added+l.Removed > 0 {
		p.line(0, "nginx.conf: %d lines come, %d go", l.Added, l.Removed)
	}
	for _, line := range l.Diff {
		p.WriteString(line + "\n")
	}
	if l.Rest > 0 {
		p.line(0, "... and %d more lines", l.Rest)
	}
	if len(l.Files) > 0 {
		p.line(0, "other files that change: %s", strings.Join(l.Files, ", "))
	}
}
