package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

// anyHost is the name of the server that takes hosts no rule names.
const anyHost = "_"

// host is what all Ingresses together say of one host.
type host struct {
	name  string
	first *ingress // the oldest Ingress that names the host; nil for the default server
	owner []*ingress
	paths []*path
}

// path is one path of a rule.
type path struct {
	ingress *ingress
	text    string
	exact   bool
	backend *backend // nil answers 404
	field   string   // where it stands in the Ingress
	root    bool     // made by us, to take what no path of the host takes
}

// regex tells whether the path makes its host match by regular expressions.
func (p *path) regex() bool {
	return p.ingress != nil && annotations.UsesRegex(p.ingress.values, p.text)
}

// host returns the host of that name and notes that the Ingress names it.
func (t *translator) host(name string, by *ingress) *host {
	h := t.hosts[name]
	if h == nil {
		h = &host{name: name, first: by}
		t.hosts[name] = h
	}
	if by != nil && !slices.Contains(h.owner, by) {
		h.owner = append(h.owner, by)
	}
	return h
}

// hostsInOrder lists all hosts but the default one by name.
func (t *translator) hostsInOrder() []*host {
	var list []*host
	for name, h := range t.hosts {
		if name != anyHost {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(a, b *host) int { return cmp.Compare(a.name, b.name) })
	return list
}

// findBackends walks all rules in the order of age, so that the oldest Ingress decides how a Service is
// used and which of two equal paths counts.
func (t *translator) findBackends() {
	t.host(anyHost, nil)
	for _, i := range t.ingresses {
		for r := range i.Spec.Rules {
			t.rule(i, r)
		}
	}
}

func (t *translator) rule(i *ingress, r int) {
	rule := &i.Spec.Rules[r]
	field := "spec.rules[" + strconv.Itoa(r) + "]"
	name, err := hostName(rule.Host)
	if err != "" {
		t.problem(Problem{
			Object: i.object(), Field: field + ".host", Severity: cluster.Error, Reason: InvalidHost,
			Message: err + "; the rule is not served",
		})
		return
	}
	h := t.host(name, i)
	if rule.HTTP == nil {
		return
	}
	for p := range rule.HTTP.Paths {
		t.path(h, i, &rule.HTTP.Paths[p], field+".http.paths["+strconv.Itoa(p)+"]")
	}
}

// hostName checks the host of a rule as the API server does and returns the server's name.
func hostName(s string) (name, problem string) {
	name = strings.ToLower(s)
	switch {
	case name == "":
		return anyHost, ""
	case strings.HasPrefix(name, "*"):
		if len(validation.IsWildcardDNS1123Subdomain(name)) == 0 {
			return name, ""
		}
	case len(validation.IsDNS1123Subdomain(name)) == 0:
		return name, ""
	}
	return "", fmt.Sprintf("%.80q is neither a host name nor a wildcard such as *.example.com", s)
}

func (t *translator) path(h *host, i *ingress, p *networkingv1.HTTPIngressPath, field string) {
	entry := &path{
		ingress: i, text: p.Path, field: field,
		exact: p.PathType != nil && *p.PathType == networkingv1.PathTypeExact,
	}
	if entry.text == "" {
		entry.text = "/"
	}
	if message := checkPath(entry.text); message != "" {
		t.problem(Problem{
			Object: i.object(), Field: field + ".path", Severity: cluster.Error, Reason: InvalidPath,
			Message: message + "; the path is not served",
		})
		return
	}
	if p.Backend.Service == nil {
		t.problem(Problem{
			Object: i.object(), Field: field + ".backend", Severity: cluster.Error, Reason: ResourceBackend,
			Message: "only Services can be backends; the path is not served",
		})
		return
	}
	same := func(other *path) bool { return other.text == entry.text && other.exact == entry.exact }
	if at := slices.IndexFunc(h.paths, same); at >= 0 {
		t.duplicate(entry, h.paths[at], h.name)
		return
	}
	entry.backend = t.backend(i, p.Backend.Service, field+".backend")
	h.paths = append(h.paths, entry)
}

// duplicate reports that a path is served by an older Ingress, or by an earlier rule of the same.
func (t *translator) duplicate(younger, older *path, host string) {
	t.problem(Problem{
		Object: younger.ingress.object(), Field: younger.field + ".path", Severity: cluster.Warning, Reason: DuplicatePath,
		Message: fmt.Sprintf("path %.200q of host %s is already served by %s (%s), which is older or comes first; this one is not used",
			younger.text, host, older.ingress.object(), older.field),
	})
}

// checkPath refuses paths that the API server refuses, and those that no configuration can hold.
func checkPath(text string) string {
	if !strings.HasPrefix(text, "/") {
		return fmt.Sprintf("%.80q does not start with a slash", text)
	}
	if _, err := nginx.Verbatim(text).Encode(); err != nil {
		return err.Error()
	}
	return ""
}

// defaultServer makes the server for all hosts that no rule names.
func (t *translator) defaultServer() {
	h := t.hosts[anyHost]
	var winner *ingress
	for _, i := range t.ingresses {
		if i.Spec.DefaultBackend == nil || len(i.Spec.Rules) > 0 {
			continue
		}
		if winner == nil {
			winner = i
			continue
		}
		t.problem(Problem{
			Object: i.object(), Field: "spec.defaultBackend", Severity: cluster.Warning, Reason: DuplicateCatchAll,
			Message: fmt.Sprintf("%s is older and takes all unknown hosts; this one is not used", winner.object()),
		})
	}
	if winner != nil && !slices.ContainsFunc(h.paths, isPrefixRoot) {
		h.paths = append(h.paths, &path{
			ingress: winner, text: "/", backend: t.fallback(winner), field: "spec.defaultBackend", root: true,
		})
	}
	t.server(h)
}

func isPrefixRoot(p *path) bool { return p.text == "/" && !p.exact }

// fallback is the backend for what no path of an Ingress takes: its own default backend or the
// controller's.
func (t *translator) fallback(i *ingress) *backend {
	if i != nil && i.Spec.DefaultBackend != nil {
		if service := i.Spec.DefaultBackend.Service; service != nil {
			return t.backend(i, service, "spec.defaultBackend")
		}
		t.problem(Problem{
			Object: i.object(), Field: "spec.defaultBackend", Severity: cluster.Error, Reason: ResourceBackend,
			Message: "only Services can be backends; what no path takes answers 404",
		})
	}
	return t.defaultBackend()
}

// server makes the server block of a host, or takes the one that was made of the same objects before.
func (t *translator) server(h *host) {
	hasTLS := t.certificate(h)
	if !slices.ContainsFunc(h.paths, isPrefixRoot) {
		h.paths = append(h.paths, &path{ingress: h.first, text: "/", backend: t.fallback(h.first), root: true})
	}
	now := remembered(h, hasTLS)
	if before, ok := t.options.Memory.hosts.get(h.name); ok && before.madeOfTheSameAs(now) {
		now = before
	} else {
		t.recording = &now.problems
		now.server = t.newServer(h, hasTLS)
		t.recording = nil
		for _, l := range now.server.Locations {
			if l.Upstream != "" {
				now.backends = append(now.backends, l.Upstream)
			}
		}
		t.options.Memory.hosts.set(h.name, now)
	}
	for _, p := range now.problems {
		t.problem(p)
	}
	for _, name := range now.backends {
		t.backends[name].used = true
	}
	t.result.Config.Servers = append(t.result.Config.Servers, now.server)
}

func (t *translator) newServer(h *host, hasTLS bool) *nginx.Server {
	s := &nginx.Server{Name: h.name}
	if h.first != nil {
		s.Owner = h.first.object().String()
	}
	for _, i := range h.owner {
		findings, outcome := annotations.Server(i.values, s)
		t.report(i, findings)
		i.denied = i.denied || outcome == annotations.Deny
	}
	s.Locations = t.locations(h, hasTLS)
	return s
}

func (t *translator) report(i *ingress, findings []annotations.Finding) {
	for _, f := range findings {
		t.problem(t.finding(i.Ingress, f, f.Outcome, "; its paths answer 503"))
	}
}

// redirectServers adds the servers that only redirect from or to the www form of another, and drops
// aliases of names that exist.
func (t *translator) redirectServers() {
	names := map[string]bool{}
	for _, s := range t.result.Config.Servers {
		names[s.Name] = true
	}
	for n, s := range t.result.Config.Servers {
		if len(s.Aliases) == 0 {
			continue
		}
		without := *s // s itself is remembered
		without.Aliases = nil
		for _, a := range s.Aliases {
			if a.Name != "" && names[a.Name] {
				continue
			}
			names[a.Name] = true
			without.Aliases = append(without.Aliases, a)
			t.shareCertificate(s.Name, a.Name)
		}
		t.result.Config.Servers[n] = &without
	}
	var more []*nginx.Server
	for _, s := range t.result.Config.Servers {
		other, bare := "www."+s.Name, strings.TrimPrefix(s.Name, "www.")
		if bare != s.Name {
			other = bare
		}
		if s.WWW && !s.IsDefault() && !strings.HasPrefix(s.Name, "*") && !names[other] {
			names[other] = true
			more = append(more, &nginx.Server{Name: other, RedirectTo: s.Name, Owner: s.Owner})
			t.shareCertificate(s.Name, other)
		}
	}
	t.result.Config.Servers = append(t.result.Config.Servers, more...)
	slices.SortFunc(t.result.Config.Servers, func(a, b *nginx.Server) int {
		return cmp.Or(cmp.Compare(boolRank(b.IsDefault()), boolRank(a.IsDefault())), cmp.Compare(a.Name, b.Name))
	})
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}
