package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/nginx"
)

// furtherNames sorts the aliases of a host: those that share its block, and those that need a block without
// redirects to https because no certificate is served for them. Names that exist already are left out.
func (t *translator) furtherNames(h *host, s *nginx.Server) (shared, inClear []nginx.ServerName) {
	redirects := slices.ContainsFunc(s.Locations, func(l *nginx.Location) bool { return l.ToHTTPS != nil })
	for _, a := range s.Aliases {
		if a.Name != "" && t.isTaken(a.Name) {
			if a.Name != h.name {
				t.aliasTaken(h, a.Name)
			}
			continue
		}
		t.aliases[a.Name] = true
		hasOwn := t.shareCertificate(h.name, a.Name)
		if redirects && !hasOwn && !t.isSecure(a.Name) {
			inClear = append(inClear, a)
		} else {
			shared = append(shared, a)
		}
	}
	return shared, inClear
}

// isTaken tells whether a host, or an alias of one that comes first, has the name.
func (t *translator) isTaken(name string) bool { return t.hosts[name] != nil || t.aliases[name] }

func (t *translator) aliasTaken(h *host, name string) {
	for _, i := range h.owner {
		var s nginx.Server
		if annotations.Server(i.values, &s); len(s.Aliases) == 0 {
			continue
		}
		t.problem(t.finding(i.Ingress, annotations.Finding{
			Key: "server-alias", Reason: annotations.Conflict,
			Message: fmt.Sprintf("%.80q is the name of another host; this alias is not used", name),
		}, annotations.UseDefault, ""))
		return
	}
}

// redirectServers adds the servers that only redirect from or to the www form of another.
func (t *translator) redirectServers() {
	for _, p := range t.group.servers {
		s := p.server
		other := wwwOf(s.Name)
		if s.WWW && !s.IsDefault() && !strings.HasPrefix(s.Name, "*") && !t.isTaken(other) {
			t.aliases[other] = true
			t.place(redirectRank, s.Name, &nginx.Server{Name: other, RedirectTo: s.Name, Owner: s.Owner, Directives: slices.Clone(t.http.Guards)})
			t.shareCertificate(s.Name, other)
		}
	}
}

// wwwOf is the name with www, or without if it has that.
func wwwOf(name string) string {
	if bare, is := strings.CutPrefix(name, "www."); is {
		return bare
	}
	return "www." + name
}

// isSecure tells whether a certificate counts as the host's own, be it the default one, under its name or a wildcard.
func (t *translator) isSecure(name string) bool {
	return t.hasTLS[name] || t.secure[wildcardOf(name)] > 0
}

// wildcardOf puts * in place of the first label.
func wildcardOf(name string) string {
	_, parent, _ := strings.Cut(name, ".")
	return "*." + parent
}

// shareCertificate serves the certificate of a host for another name too, if it is valid for it.
func (t *translator) shareCertificate(host, name string) bool {
	id, ok := t.group.hosts[host]
	ok = ok && isHost(strings.TrimPrefix(name, "*.")) && covers(t.group.pairs[id].Leaf, name)
	if ok {
		t.group.hosts[name] = id
	}
	return ok
}
