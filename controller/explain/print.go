package explain

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteText writes the decision for people, from the host to the pod. Texts of objects and requests that could disturb a terminal
// are written with question marks.
func (d Decision) WriteText(out io.Writer) error {
	p := &printer{}
	from := ""
	if d.Client != "" {
		from = ", from " + d.Client
	}
	p.line(0, "%s %s%s", d.Method, d.URL, from)
	p.host(d.Host)
	p.paths(d.Paths)
	for n, s := range d.Steps {
		if n == 0 {
			p.line(0, "steps")
		}
		p.line(1, "%s %s: %s", s.Name, s.Effect, s.Detail)
		for _, source := range s.From {
			p.line(2, "%s", source)
		}
	}
	p.outcome(d.Outcome)
	for n, what := range d.NotFollowed {
		if n == 0 {
			p.line(0, "not followed, so that all may be otherwise")
		}
		p.line(1, "%s", what)
	}
	for n, problem := range d.Problems {
		if n == 0 {
			p.line(0, "problems")
		}
		p.line(1, "%s: %s: %s (%s)", problem.Severity, Source{Object: problem.Object.String(), Field: problem.Field, File: problem.File, Line: problem.Line}, problem.Message, problem.Reason)
	}
	_, err := io.WriteString(out, p.text.String())
	return err
}

type printer struct{ text strings.Builder }

// line writes one line, by so many steps to the right.
func (p *printer) line(depth int, format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, fmt.Sprintf(format, args...))
	p.text.WriteString(strings.Repeat("  ", depth) + strings.TrimRight(text, " ") + "\n")
}

func (p *printer) host(h Host) {
	switch h.Match {
	case "":
		return
	case DefaultHost:
		p.line(0, "host %s: no rule has it, so that hosts without rules take it", h.Asked)
	default:
		how := map[HostMatch]string{
			ExactHost: "it is a host", WildcardHost: "the wildcard " + h.Name, AliasHost: "an alias, of " + h.Name, WWWHost: "the other form of a host, with or without www",
		}[h.Match]
		p.line(0, "host %s: %s", h.Asked, how)
	}
	if h.Object != "" {
		p.line(1, "%s", h.Source)
	}
}

// nearest is how many paths that do not match are shown.
const nearest = 5

func (p *printer) paths(list []Path) {
	others := 0
	for n, path := range list {
		if n == 0 {
			p.line(0, "path")
		}
		said := "does not match"
		switch {
		case path.Wins:
			said = "wins"
		case path.Matches:
			said = "loses"
		default:
			if others++; others > nearest {
				continue
			}
		}
		p.line(1, "%s (%s) %s: %s", path.Text, path.Type, said, path.Why)
		if path.Object != "" {
			p.line(2, "%s", path.Source)
		}
	}
	if others > nearest {
		p.line(1, "and %d others that do not match", others-nearest)
	}
}

func (p *printer) outcome(o Outcome) {
	assumed := ""
	if o.Assumed {
		assumed = ", if all goes well that depends on the request"
	}
	switch {
	case o.NoHandshake:
		p.line(0, "answer: none, the TLS handshake ends")
	case o.Backend == nil && o.Location != "":
		p.line(0, "answer: NGINX redirects, %d%s", o.Status, assumed)
		p.line(1, "Location: %s", o.Location)
	case o.Backend == nil:
		p.line(0, "answer: NGINX says %d%s", o.Status, assumed)
	case o.InPlaceOf != 0:
		p.line(0, "answer: a service for errors, in place of %d%s", o.InPlaceOf, assumed)
	default:
		p.line(0, "answer: a pod%s", assumed)
	}
	if o.Backend != nil {
		p.backend(o.Backend)
	}
}

func (p *printer) backend(b *Backend) {
	for _, s := range b.Shares {
		p.share(s)
	}
	p.line(1, "%s %s, over %s", b.Method, b.URI, b.Protocol)
	for _, h := range b.Headers {
		if h.Value != "" {
			p.line(2, "%s: %s", h.Name, h.Value)
		}
	}
	for _, r := range b.OnError {
		for _, s := range r.Shares {
			p.line(1, "%s, another does in its place", r.when())
			p.share(s)
		}
		if r.Status != 0 {
			p.line(1, "%s, it is %d, as there is no service for errors", r.when(), r.Status)
		}
	}
}

func (r Replacement) when() string {
	statuses := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(r.Statuses), "[]")), ", ")
	if r.IfSilent {
		return "if no pod answers (" + statuses + ")"
	}
	return "if it answers " + statuses
}

func (p *printer) share(s Share) {
	of := ""
	if s.Percent < 100 {
		of = fmt.Sprintf(", %.4g%% of such requests", s.Percent)
	}
	if s.Canary {
		of += ", as a canary"
	}
	port := ""
	if s.Port != "" {
		port = " port " + s.Port
	}
	p.line(1, "Service %s%s%s: %d of %d endpoints are used", s.Service, port, of, s.countReady(), len(s.Endpoints))
	if s.Object != "" {
		p.line(2, "%s", s.Source)
	}
	for _, e := range s.Endpoints {
		if e.Used {
			p.line(2, "%s", e.Address)
		} else {
			p.line(2, "%s, left out: %s", e.Address, e.Why)
		}
	}
}
