package translate

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// canary is what a canary Ingress offers to a path of another Ingress: a Service for some of its requests. It is
// data: nothing of it is in the configuration.
type canary struct {
	ingress *ingress
	host    string
	text    string // of the path
	exact   bool
	all     bool // for all paths of the host, whatever their text
	backend *backend
	rules   dynamic.Alternative
	field   string // where it stands in the Ingress
}

// isFor tells whether it is the path that the canary is meant for: text and type have to be the same.
func (c *canary) isFor(p *path) bool { return c.all || c.text == p.text && c.exact == p.exact }

// offers notes what a canary Ingress offers. What it asks for beside that, hosts and certificates too, is left to the
// main Ingress, as in ingress-nginx. One that is denied offers nothing.
func (t *translator) offers(i *ingress) {
	if i.denied {
		return
	}
	t.report(i, i.useFindings)
	if b := i.Spec.DefaultBackend; b != nil {
		c := &canary{ingress: i, host: anyHost, all: true, rules: *i.use.Canary, field: "spec.defaultBackend"}
		t.offer(c, b.Service, c.field)
	}
	for r := range i.Spec.Rules {
		name, ok := t.ruleHost(i, r)
		if !ok || i.Spec.Rules[r].HTTP == nil {
			continue
		}
		for n := range i.Spec.Rules[r].HTTP.Paths {
			p, field := &i.Spec.Rules[r].HTTP.Paths[n], pathField(r, n)
			c := &canary{ingress: i, host: name, text: pathText(p), exact: isExact(p), rules: *i.use.Canary, field: field + ".path"}
			t.offer(c, p.Backend.Service, field+".backend")
		}
	}
}

func (t *translator) offer(c *canary, ref *networkingv1.IngressServiceBackend, field string) {
	if ref == nil {
		t.problem(Problem{
			Object: c.ingress.object(), Field: field, Severity: cluster.Error, Reason: ResourceBackend,
			Message: "only Services can be backends; the canary takes no requests",
		})
		return
	}
	c.backend = t.backend(c.ingress, ref, field)
	c.rules.Backend, c.rules.Owner = c.backend.name, c.ingress.object().String()
	t.canaries = append(t.canaries, c)
}

// takeOffers gives each canary to the path that it is meant for. It is the last word on hosts and paths: a canary makes
// none.
func (t *translator) takeOffers() {
	for _, c := range t.canaries {
		h := t.hosts[c.host]
		if h == nil {
			t.unused(c, cluster.Error, fmt.Sprintf("no other Ingress has a rule for %s; the canary takes no requests", label(c.host)))
			continue
		}
		found := false
		for _, p := range h.paths {
			// What the controller's own default backend serves is nobody's to share.
			if c.isFor(p) && p.backend != nil && p.backend.name != nginx.DefaultBackend {
				found = true
				t.take(h, p, c)
			}
		}
		if !found {
			t.unused(c, cluster.Error, fmt.Sprintf("no other Ingress serves %s of %s; the canary takes no requests", c.what(), label(c.host)))
		}
	}
}

// what is how messages call the path that a canary is meant for.
func (c *canary) what() string {
	switch {
	case c.all:
		return "a path"
	case c.exact:
		return fmt.Sprintf("path %.200q with type Exact", c.text)
	}
	return fmt.Sprintf("path %.200q with type Prefix", c.text)
}

// take makes a canary's Service an alternative to that of a path. State and workers take any number of them; whose
// share is what, if there are several, is not said yet.
func (t *translator) take(h *host, p *path, c *canary) {
	switch {
	case p.backend == c.backend:
		t.unused(c, cluster.Warning, fmt.Sprintf("requests for path %.200q of %s go to the same Service and port without the canary", p.text, label(c.host)))
		return
	case p.canary != nil:
		t.unused(c, cluster.Warning, fmt.Sprintf("path %.200q of %s has a canary already, %s (%s), which is older or comes first; this one takes no requests",
			p.text, label(c.host), p.canary.ingress.object(), p.canary.field))
		return
	}
	main, other := t.group.backends[p.backend.name], t.group.backends[c.backend.name]
	p.canary, other.isAlternative = c, true
	if c.ingress.use.SharesAffinity {
		main.canaries, other.mains = append(main.canaries, c.backend), append(other.mains, p.backend)
	}
	routes := &main.alternatives
	hasTwin := p.exact && slices.ContainsFunc(h.paths, func(other *path) bool { return other.text == p.text && !other.exact })
	for _, name := range h.names {
		if (*routes)[name] == nil {
			put(routes, name, map[string][]dynamic.Alternative{})
		}
		key := dynamic.RoutePath(p.text, hasTwin)
		(*routes)[name][key] = append((*routes)[name][key], c.rules)
	}
}

func (t *translator) unused(c *canary, severity cluster.Severity, message string) {
	t.problem(Problem{Object: c.ingress.object(), Field: c.field, Severity: severity, Reason: UnusedCanary, Message: message})
}
