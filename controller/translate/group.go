package translate

import (
	"slices"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// group is Ingresses that have names in common, and what they come to.
type group struct {
	names   []string  // hosts and their other names, and one of each Ingress's own
	members []*member // oldest first

	servers  []placed
	hosts    map[string]string // certificates by host
	pairs    map[string]*Pair  // by ID
	uses     []CertificateUse
	secrets  map[cluster.Name]*secret // those that are good
	problems []Problem
	needs    map[need]bool
	backends map[string]*use

	certificate nginx.Certificate // of the default server
	staple      string            // its id
}

// use is how a group uses a backend.
type use struct {
	group     *group
	by        *ingress // the oldest that does
	backend   *backend
	protocols [nginx.Protocols]bool     // what locations speak to it
	apart     map[string]nginx.Protocol // upstream blocks of locations that share connections with few others
	// isAlternative tells that it is an alternative to another, or may answer in its place: its peers are used in other blocks.
	isAlternative bool
	alternatives  map[string]map[string][]dynamic.Alternative // to it; see dynamic.Backend.Routes

	keepers  []*ingress // those that ask for affinity, by age
	canaries []*backend // that share its affinity
	mains    []*backend // whose affinity it shares
}

// regroup replaces groups: their Ingresses and some new ones are grouped and translated again. It returns the backends that
// are used in another way than before.
func (w *world) regroup(stale map[*group]bool, fresh []*member) map[*backend]bool {
	members, touched := fresh, map[*backend]bool{}
	var gone, servers []placed
	for g := range stale {
		members, gone = append(members, g.members...), append(gone, g.servers...)
		w.leave(g, touched)
	}
	slices.SortFunc(members, func(a, b *member) int { return cluster.CompareAge(a.object, b.object) })
	for _, g := range partition(members, w.groups[anyHost] == nil) {
		w.translate(g)
		w.enter(g, touched)
		servers = append(servers, g.servers...)
	}
	w.sum.place(gone, servers)
	w.sum.settle()
	return touched
}

func (w *world) leave(g *group, touched map[*backend]bool) {
	for _, name := range g.names {
		if w.groups[name] == g {
			delete(w.groups, name)
		}
	}
	for n := range g.needs {
		if delete(w.lookers[n], g); len(w.lookers[n]) == 0 {
			delete(w.lookers, n)
		}
	}
	for _, u := range g.backends {
		u.backend.remove(u)
		touched[u.backend] = true
	}
	w.sum.add(g, -1)
}

func (w *world) enter(g *group, touched map[*backend]bool) {
	for _, name := range g.names {
		w.groups[name] = g
	}
	for _, m := range g.members {
		m.group = g
	}
	for n := range g.needs {
		if w.lookers[n] == nil {
			w.lookers[n] = map[*group]bool{}
		}
		w.lookers[n][g] = true
	}
	for _, u := range g.backends {
		u.backend.add(u)
		touched[u.backend] = true
	}
	w.sum.add(g, 1)
}

// partition makes groups of Ingresses that are ordered by age: those with a name in common belong together. The default
// server has a group even if no Ingress has anything to do with it.
func partition(members []*member, withDefault bool) []*group {
	var groups []*group
	of := map[string]*group{}
	if withDefault {
		g := &group{names: []string{anyHost}}
		of[anyHost], groups = g, append(groups, g)
	}
	for _, m := range members {
		g := largest(m.names, of)
		if g == nil {
			g = &group{}
			groups = append(groups, g)
		}
		for _, name := range m.names {
			g.take(name, of)
		}
		g.members = append(g.members, m)
	}
	groups = slices.DeleteFunc(groups, func(g *group) bool { return g.names == nil })
	for _, g := range groups {
		slices.SortFunc(g.members, func(a, b *member) int { return cluster.CompareAge(a.object, b.object) })
	}
	return groups
}

// largest is the group with the most names among those that have some of these; nil if there is none.
func largest(names []string, of map[string]*group) *group {
	var found *group
	for _, name := range names {
		if g := of[name]; g != nil && (found == nil || len(g.names) > len(found.names)) {
			found = g
		}
	}
	return found
}

// take makes a name the group's own, and everything of the group that has it.
func (g *group) take(name string, of map[string]*group) {
	switch other := of[name]; other {
	case g:
	case nil:
		of[name], g.names = g, append(g.names, name)
	default:
		for _, theirs := range other.names {
			of[theirs] = g
		}
		g.names, g.members = append(g.names, other.names...), append(g.members, other.members...)
		other.names, other.members = nil, nil
	}
}

// translate says what a group means.
func (w *world) translate(g *group) {
	t := translator{
		world: w, group: g, hosts: map[string]*host{}, hasTLS: map[string]bool{}, aliases: map[string]bool{}, seen: map[Problem]bool{},
	}
	t.defaults = w.defaults
	t.defaults.Lookup = lookup{w.snapshot, w.pairs, &g.needs}
	t.gather()
	t.findBackends()
	t.findCertificates()
	if slices.Contains(g.names, anyHost) {
		g.certificate, g.staple = t.defaultCertificate()
		t.checkDefaultBackend()
		t.defaultServer()
	}
	for _, h := range t.hostsInOrder() {
		t.server(h)
	}
	t.redirectServers()
	t.takeOffers()
}

// translator holds what is being made of one group.
type translator struct {
	*world
	group     *group
	defaults  annotations.Values // with lookups that are noted
	ingresses []*ingress
	hosts     map[string]*host
	order     []*host // see hostsInOrder
	canaries  []*canary
	hasTLS    map[string]bool // hosts that have a certificate of their own, be it the default one
	aliases   map[string]bool // further names that hosts have taken
	seen      map[Problem]bool
}

// problem reports a Problem, once.
func (t *translator) problem(p Problem) {
	if p = p.Printable(); !t.seen[p] {
		t.seen[p] = true
		t.group.problems = append(t.group.problems, p)
	}
}

// gather takes in what was read of the Ingresses. An ingress is a copy: it is noted there what is found out in this group.
func (t *translator) gather() {
	for _, m := range t.group.members {
		for _, p := range m.problems {
			t.problem(p)
		}
		for n := range m.needs {
			put(&t.group.needs, n, true)
		}
		if m.served != nil {
			i := *m.served
			i.values = i.values.With(t.defaults)
			t.ingresses = append(t.ingresses, &i)
		}
	}
}

// secret finds a Secret and notes that it was looked for.
func (t *translator) secret(name cluster.Name) *secret {
	return lookup{t.snapshot, t.pairs, &t.group.needs}.secret(name.Namespace, name.Name)
}
