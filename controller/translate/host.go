package translate

import (
	"cmp"
	"fmt"
	"net/netip"
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

// label is how messages call a host.
func label(host string) string {
	if host == anyHost {
		return "all hosts without rules"
	}
	return "host " + host
}

// host is what all Ingresses together say of one host.
type host struct {
	name  string
	first *ingress // the oldest Ingress that names the host; nil for the default server
	owner []*ingress
	paths []*path
	rules map[rulePath]*path // those of paths that rules name: an Ingress may have thousands
	names []string           // what $server_name is in the host's server blocks
}

// rulePath is what a host has only once.
type rulePath struct {
	text  string
	exact bool
}

// path is one path of a rule.
type path struct {
	ingress *ingress
	text    string
	exact   bool
	backend *backend // nil answers 404
	field   string   // where it stands in the Ingress; "" if we made it up
	// catchAll marks what takes hosts that no rule names. As in ingress-nginx no redirect and no rewriting
	// applies to it, the controller's own included: load balancers ask there for the health of a node.
	catchAll bool
	canary   *canary // nil for none
}

// regex tells whether the path makes its host match by regular expressions.
func (p *path) regex() bool {
	return p.ingress != nil && !p.catchAll && annotations.UsesRegex(p.ingress.values, p.text)
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

// hostsInOrder lists the group's hosts by name, but for the default one. There are no more hosts after findBackends.
func (t *translator) hostsInOrder() []*host {
	if t.order != nil {
		return t.order
	}
	for name, h := range t.hosts {
		if name != anyHost {
			t.order = append(t.order, h)
		}
	}
	slices.SortFunc(t.order, func(a, b *host) int { return cmp.Compare(a.name, b.name) })
	return t.order
}

// findBackends walks all rules in the order of age, so that the oldest Ingress decides how a Service is
// used and which of two equal paths counts.
func (t *translator) findBackends() {
	for _, i := range t.ingresses {
		if i.isCanary {
			t.offers(i)
			continue
		}
		i.fallback = t.ownFallback(i)
		t.fallbackForErrors(i)
		for r := range i.Spec.Rules {
			t.rule(i, r)
		}
	}
}

func (t *translator) rule(i *ingress, r int) {
	name, ok := t.ruleHost(i, r)
	if !ok {
		return
	}
	h := t.host(name, i)
	for _, p := range i.rules[r].paths {
		t.path(h, i, p)
	}
}

// readRule is a rule of an Ingress as far as it can be read alone.
type readRule struct {
	host    string // the name of the server it means; "" if it means none
	problem string // why not
	paths   []readPath
}

// readPath is a path of a rule as far as it can be read alone.
type readPath struct {
	*networkingv1.HTTPIngressPath
	field   string // where it stands in the Ingress
	backend string // name of the backend; "" without a Service
}

func readRules(i *networkingv1.Ingress) []readRule {
	var rules []readRule
	for r := range i.Spec.Rules {
		rule := &i.Spec.Rules[r]
		var read readRule
		read.host, read.problem = hostName(rule.Host)
		if rule.HTTP != nil {
			for p := range rule.HTTP.Paths {
				path := readPath{HTTPIngressPath: &rule.HTTP.Paths[p], field: pathField(r, p)}
				if path.Backend.Service != nil {
					path.backend = backendName(i.Namespace, path.Backend.Service)
				}
				read.paths = append(read.paths, path)
			}
		}
		rules = append(rules, read)
	}
	return rules
}

func pathField(rule, path int) string {
	return "spec.rules[" + strconv.Itoa(rule) + "].http.paths[" + strconv.Itoa(path) + "]"
}

// ruleHost is the name of the server that a rule means, if it means one.
func (t *translator) ruleHost(i *ingress, r int) (name string, ok bool) {
	rule := i.rules[r]
	if rule.problem != "" {
		t.problem(Problem{
			Object: i.object(), Field: "spec.rules[" + strconv.Itoa(r) + "].host", Severity: cluster.Error, Reason: InvalidHost,
			Message: rule.problem + "; the rule is not served",
		})
	}
	return rule.host, rule.problem == ""
}

// hostName checks the host of a rule as the API server does and returns the server's name.
func hostName(s string) (name, problem string) {
	name = strings.ToLower(s)
	if name == "" {
		return anyHost, ""
	}
	if isHost(strings.TrimPrefix(name, "*.")) {
		return name, ""
	}
	return "", fmt.Sprintf("%.80q is neither a host name nor a wildcard such as *.example.com", s)
}

// isHost tells whether a lower-case text is a name that DNS can hold. The API server is content with labels of
// any length and with addresses; workers would refuse a whole update for one of those.
func isHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return false
	}
	return !slices.ContainsFunc(strings.Split(name, "."), func(label string) bool { return len(label) > 63 })
}

func (t *translator) path(h *host, i *ingress, p readPath) {
	field := p.field
	entry := &path{ingress: i, text: pathText(p.HTTPIngressPath), exact: isExact(p.HTTPIngressPath), field: field}
	if message := checkPath(entry.text); message != "" {
		t.problem(Problem{
			Object: i.object(), Field: field + ".path", Severity: cluster.Error, Reason: InvalidPath,
			Message: message + "; the path is not served",
		})
		return
	}
	if hasType(p.HTTPIngressPath) && annotations.RefusesPath(t.defaults, entry.text) {
		t.problem(Problem{
			Object: i.object(), Field: field + ".path", Severity: cluster.Warning, Reason: UnusualPath,
			Message: fmt.Sprintf("%.80q has characters that strict-validate-path-type does not allow in new paths; it is served", entry.text),
		})
	}
	if p.Backend.Service == nil {
		t.problem(Problem{
			Object: i.object(), Field: field + ".backend", Severity: cluster.Error, Reason: ResourceBackend,
			Message: "only Services can be backends; the path is not served",
		})
		return
	}
	key := rulePath{entry.text, entry.exact}
	if older := h.rules[key]; older != nil {
		t.duplicate(entry, older, h.name)
		return
	}
	put(&h.rules, key, entry)
	entry.backend = t.backendNamed(p.backend, i, p.Backend.Service, field, ".backend")
	h.paths = append(h.paths, entry)
}

func pathText(p *networkingv1.HTTPIngressPath) string { return cmp.Or(p.Path, "/") }

func isExact(p *networkingv1.HTTPIngressPath) bool {
	return p.PathType != nil && *p.PathType == networkingv1.PathTypeExact
}

// hasType tells whether the API itself says what the path matches.
func hasType(p *networkingv1.HTTPIngressPath) bool {
	return p.PathType != nil && *p.PathType != networkingv1.PathTypeImplementationSpecific
}

// duplicate reports that a path is served by an older Ingress, or by an earlier rule of the same.
func (t *translator) duplicate(younger, older *path, host string) {
	var rival Object
	if younger.ingress != older.ingress {
		rival = older.ingress.object()
	}
	t.problem(Problem{
		Object: younger.ingress.object(), Field: younger.field + ".path", Severity: cluster.Warning, Reason: DuplicatePath, Rival: rival,
		Message: fmt.Sprintf("path %.200q of %s is already served by %s (%s), which is older or comes first; this one is not used",
			younger.text, label(host), older.ingress.object(), older.field),
	})
}

// overlap reports that another path of the host, the same but for a slash, serves all below a path.
func (t *translator) overlap(path, other *path, host string) {
	t.problem(Problem{
		Object: path.ingress.object(), Field: path.field + ".path", Severity: cluster.Warning, Reason: DuplicatePath,
		Message: fmt.Sprintf("what is below path %.200q of %s is served by %s (%s); this one takes only the path itself",
			path.text, label(host), other.ingress.object(), other.field),
	})
}

// checkPath refuses paths that the API server refuses, and those that no configuration can hold.
func checkPath(text string) string {
	if !strings.HasPrefix(text, "/") {
		return fmt.Sprintf("%.80q does not start with a slash", text)
	}
	// The path becomes the value of a variable, and with a few more bytes a pattern.
	if _, err := nginx.Text(text).Encode(); err != nil {
		return err.Error()
	}
	if _, err := nginx.Verbatim("^" + text + "/").Encode(); err != nil {
		return err.Error()
	}
	return ""
}

// defaultServer makes the server for all hosts that no rule names. An Ingress with nothing but a default
// backend is looked at before all rules, so it takes the place of any path / without a host.
func (t *translator) defaultServer() {
	h := t.host(anyHost, nil)
	root := &path{text: "/", catchAll: true}
	for _, i := range t.ingresses {
		if i.Spec.DefaultBackend == nil || len(i.Spec.Rules) > 0 || i.isCanary {
			continue
		}
		if root.ingress == nil {
			root.ingress, root.backend, root.field = i, t.fallback(i), "spec.defaultBackend"
			continue
		}
		t.problem(Problem{
			Object: i.object(), Field: "spec.defaultBackend", Severity: cluster.Warning, Reason: DuplicateCatchAll,
			Message: fmt.Sprintf("%s is older and takes all unknown hosts; this one is not used", root.ingress.object()),
		})
	}
	if root.ingress == nil {
		root.backend = t.defaultBackend()
	} else if at := slices.IndexFunc(h.paths, isPrefixRoot); at >= 0 {
		t.duplicate(h.paths[at], root, anyHost)
		h.paths = slices.Delete(h.paths, at, at+1)
	}
	if !slices.ContainsFunc(h.paths, isPrefixRoot) {
		h.paths = append(h.paths, root)
	}
	t.server(h)
}

func isPrefixRoot(p *path) bool { return p.text == "/" && !p.exact }

// ownFallback is the default backend that an Ingress itself names, or nil.
func (t *translator) ownFallback(i *ingress) *backend {
	switch b := i.Spec.DefaultBackend; {
	case b == nil:
		return nil
	case b.Service != nil:
		return t.backend(i, b.Service, "spec.defaultBackend")
	}
	t.problem(Problem{
		Object: i.object(), Field: "spec.defaultBackend", Severity: cluster.Error, Reason: ResourceBackend,
		Message: "only Services can be backends; the controller's default backend is used",
	})
	return nil
}

// fallback is the backend for what no path of an Ingress takes: its own default backend or the
// controller's.
func (t *translator) fallback(i *ingress) *backend {
	if i != nil && i.fallback != nil {
		return i.fallback
	}
	return t.defaultBackend()
}

// server makes the server block of a host, and a second one for those of its aliases that have no certificate:
// whether a request is redirected to https depends on the name it asks for.
func (t *translator) server(h *host) {
	if !slices.ContainsFunc(h.paths, isPrefixRoot) {
		h.paths = append(h.paths, &path{ingress: h.first, text: "/", backend: t.fallback(h.first)})
	}
	own := t.newServer(h, t.isSecure(h.name))
	var inClear []nginx.ServerName
	if len(own.Aliases) > 0 {
		own.Aliases, inClear = t.furtherNames(h, own)
	}
	t.addServer(h, own)
	if len(inClear) > 0 {
		other := t.newServer(h, false)
		other.Name, other.Aliases, other.WWW, other.Passthrough = "", inClear, false, ""
		t.addServer(h, other)
	}
}

// The places of servers among others; see placed.
const (
	defaultRank = iota
	hostRank
	redirectRank
)

func (t *translator) addServer(h *host, s *nginx.Server) {
	rank := hostRank
	if h.name == anyHost {
		rank = defaultRank
	}
	t.place(rank, h.name, s)
	h.names = append(h.names, s.Names()[0].Value())
}

func (t *translator) place(rank int, host string, s *nginx.Server) {
	t.group.servers = append(t.group.servers, placed{rank, host, s, t.group})
}

func (t *translator) newServer(h *host, hasTLS bool) *nginx.Server {
	s := &nginx.Server{Name: h.name}
	if h.first != nil {
		s.Owner = h.first.object().String()
	}
	for _, i := range h.owner {
		known := len(s.Sources)
		findings, outcome := annotations.Server(i.values, s)
		for n := range s.Sources[known:] {
			s.Sources[known+n].Owner = i.object().String()
		}
		t.report(i, findings)
		if outcome == annotations.Deny && !i.denied {
			i.denied = true
			defer func() { i.denied = false }() // on other hosts it may be fine
		}
	}
	t.pass(h, s)
	s.Directives = slices.Concat(t.http.Guards, s.Directives, t.http.EveryServer)
	s.Locations = t.locations(h, s, hasTLS)
	for _, l := range s.Locations {
		if l.Upstream != "" {
			t.group.backends[l.Upstream].through(l)
		}
	}
	return s
}

func (t *translator) report(i *ingress, findings []annotations.Finding) {
	for _, f := range findings {
		t.problem(t.finding(i.Ingress, f, f.Outcome, ""))
	}
}
