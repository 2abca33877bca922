package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

// locations makes the location blocks of a host, in the order in which regular expressions are tried:
// the longest path first.
func (t *translator) locations(h *host, s *nginx.Server, hasTLS bool) []*nginx.Location {
	slices.SortStableFunc(h.paths, func(a, b *path) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(b.text, a.text))
	})
	regex := slices.ContainsFunc(h.paths, (*path).regex)
	exact, prefix := map[string]bool{}, map[string]bool{}
	for _, p := range h.paths {
		if p.exact {
			exact[p.text] = true
		} else {
			prefix[p.text] = true
		}
	}
	var list []*nginx.Location
	taken := map[string]*path{}
	for _, p := range h.paths {
		for n, m := range matches(p, regex, exact[p.text]) {
			key := fmt.Sprintf("%d %s", m.kind, m.text)
			if older := taken[key]; older != nil {
				if n > 0 {
					t.overlap(p, older, h.name)
				} else if p.field != "" && older.field != "" {
					t.duplicate(p, older, h.name)
				}
				continue
			}
			if !t.checkMatch(p, m) {
				continue
			}
			taken[key] = p
			l := t.location(p, m, s, hasTLS)
			l.Identity.IsExactTwin = p.exact && prefix[p.text]
			list = append(list, l)
		}
	}
	return list
}

type match struct {
	kind nginx.Match
	text string
}

// matches says which locations a path becomes. A Prefix path is two of them, so that /foo takes /foo and
// /foo/bar but not /foobar; NGINX's own prefixes know no path elements.
func matches(p *path, regex, hasExact bool) []match {
	if regex {
		// ingress-nginx gives a plain Prefix path next to an equal Exact one its slash, and any other
		// path no end at all: Exact /ex then matches /exit as well.
		if hasExact && !p.exact && p.text != "/" && !p.regex() {
			return []match{{nginx.Pattern, "^" + strings.TrimRight(p.text, "/") + "/"}}
		}
		return []match{{nginx.Pattern, "^" + p.text}}
	}
	switch {
	case p.exact:
		return []match{{nginx.Exact, p.text}}
	case strings.HasSuffix(p.text, "/"):
		return []match{{nginx.Prefix, p.text}}
	case hasExact:
		return []match{{nginx.Prefix, p.text + "/"}}
	}
	return []match{{nginx.Exact, p.text}, {nginx.Prefix, p.text + "/"}}
}

// checkMatch refuses regular expressions that PCRE would not take.
func (t *translator) checkMatch(p *path, m match) bool {
	if m.kind != nginx.Pattern {
		return true
	}
	_, err := nginx.ParseRegex(m.text)
	if err == nil {
		return true
	}
	t.problem(Problem{
		Object: p.ingress.object(), Field: p.field + ".path", Severity: cluster.Error, Reason: InvalidPath,
		Message: fmt.Sprintf("%.200q is matched as a regular expression, because use-regex or rewrite-target applies to the host, and is none: it %s; the path is not served",
			p.text, err),
	})
	return false
}

// location makes one location block.
func (t *translator) location(p *path, m match, s *nginx.Server, hasTLS bool) *nginx.Location {
	l := &nginx.Location{Match: m.kind, Path: m.text, HasTLS: hasTLS, Server: s, Field: p.field, Identity: nginx.Identity{Path: p.text}}
	l.Body = t.room[:0]
	values := t.defaults
	if p.ingress != nil {
		values = p.ingress.values
		l.Owner = p.ingress.object().String()
		l.Identity.Namespace, l.Identity.Ingress = p.ingress.Namespace, p.ingress.Name
		l.Denied = p.ingress.denied
	}
	if p.backend != nil {
		l.Upstream, l.Protocol = p.backend.name, p.backend.spoken.protocol
		if l.Upstream == s.Passthrough && l.Protocol == nginx.HTTP1 {
			l.Protocol = nginx.HTTPS // as in ingress-nginx: these pods speak TLS
		}
		l.Identity.Service, l.Identity.Port = p.backend.service.Name, p.backend.text()
	}
	l.Fallback = fallbackName(p.ingress)
	if p.catchAll {
		values = values.WithoutRedirects()
	}
	findings, outcome := annotations.Location(values, l)
	if p.ingress != nil {
		t.report(p.ingress, findings)
	}
	if l.Denied = l.Denied || outcome == annotations.Deny; l.Denied {
		l.Preflight, l.Early = nil, nil // what refuses every request lets no snippet answer
		l.Headers = nil                 // no backend sees them, and they may refer to what the rewrite would have found
	}
	if p.catchAll {
		l.ToHTTPS = nil
	}
	t.leaveOut(l, s)
	if err := l.Check(); err != nil && p.ingress != nil {
		t.problem(Problem{
			Object: p.ingress.object(), Field: p.field, Severity: cluster.Error, Reason: CannotBeWritten,
			Message: fmt.Sprintf("the annotations together with the path give something that NGINX does not take (%s); the path answers 503", err),
		})
		l.Denied, l.Return, l.ToHTTPS, l.Rewrite, l.Headers, l.Preflight, l.Early, l.Body, l.Needs, l.MaxBody = true, nil, nil, nil, nil, nil, nil, nil, nil, t.plain.MaxBody
		l.Apart = ""
	}
	return l
}

// leaveOut leaves out of a location what it inherits from the http level. What the block of its host says in between, by a
// snippet, changes nothing of it.
func (t *translator) leaveOut(l *nginx.Location, s *nginx.Server) {
	inherited := t.inherited
	if len(s.Directives) > 0 {
		inherited = maps.Clone(inherited)
		maps.DeleteFunc(inherited, func(group, _ string) bool {
			return s.Directives.Say(group) || group == "allow" && s.Directives.Say("deny")
		})
		if header := l.Protocol.Module() + "_set_header"; l.Headers == nil && s.Directives.Say(header) {
			l.Headers = []nginx.Header{}
		}
	}
	t.room, l.Body = l.Body, l.Body.Without(inherited)
}
