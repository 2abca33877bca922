package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
)

// Lines are those of nginx.conf that change.
type Lines struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	// Diff are they and what stands around them, as in a unified diff. Each hunk says of whom its first change is.
	Diff []string `json:"diff,omitempty"`
	Rest int      `json:"rest,omitempty"` // how many lines of the diff Cut has left out
	// Files are others than nginx.conf that change: endpoints, for one, which NGINX reads when it starts alone.
	Files []string `json:"files,omitempty"`
}

// Differ tells whether there are any.
func (l Lines) Differ() bool { return l.Added+l.Removed > 0 || len(l.Files) > 0 }

// Cut leaves so many lines of the diff.
func (l *Lines) Cut(most int) {
	if len(l.Diff) > most {
		l.Rest += len(l.Diff) - most
		l.Diff = l.Diff[:most]
	}
}

// around is how many lines before and behind a change are shown.
const around = 3

func linesOf(old, new controller.Plan) Lines {
	var l Lines
	for _, f := range new.Files.List {
		before, had := old.Files.Get(f.Name)
		if f.Name != "nginx.conf" && !f.Secret && (!had || string(before) != string(f.Content)) {
			l.Files = append(l.Files, f.Name)
		}
	}
	for _, f := range old.Files.List {
		if _, has := new.Files.Get(f.Name); !has && !f.Secret {
			l.Files = append(l.Files, f.Name)
		}
	}
	a, b := nginxConf(old), nginxConf(new)
	if slices.Equal(a, b) {
		return l
	}
	for _, group := range difflib.NewMatcher(a, b).GetGroupedOpCodes(around) {
		l.hunk(group, a, b, old.Files.Layout, new.Files.Layout)
	}
	return l
}

// nginxConf are the lines. The name of the configuration in it is that of all that stands in it, so it always changes, and is
// left out.
func nginxConf(p controller.Plan) []string {
	text, _ := p.Files.Get("nginx.conf")
	return strings.Split(strings.ReplaceAll(string(text), p.Files.Generation, "GENERATION"), "\n")
}

func (l *Lines) hunk(group []difflib.OpCode, a, b []string, before, after nginx.Layout) {
	head := len(l.Diff)
	l.Diff = append(l.Diff, "")
	of := ""
	add := func(sign string, lines []string) {
		for _, line := range lines {
			l.Diff = append(l.Diff, sign+printable(line))
		}
	}
	for _, op := range group {
		if op.Tag == 'e' {
			add(" ", a[op.I1:op.I2])
			continue
		}
		if of == "" && op.J2 > op.J1 {
			of = after.At(op.J1 + 1).String()
		} else if of == "" {
			of = before.At(op.I1 + 1).String()
		}
		add("-", a[op.I1:op.I2])
		add("+", b[op.J1:op.J2])
		l.Removed, l.Added = l.Removed+op.I2-op.I1, l.Added+op.J2-op.J1
	}
	first, last := group[0], group[len(group)-1]
	l.Diff[head] = strings.TrimRight(fmt.Sprintf("@@ -%s +%s @@ %s", span(first.I1, last.I2), span(first.J1, last.J2), printable(of)), " ")
}

// span is a range of lines as unified diffs have it.
func span(first, end int) string {
	if end == first {
		return fmt.Sprintf("%d,0", first)
	}
	return fmt.Sprintf("%d,%d", first+1, end-first)
}
