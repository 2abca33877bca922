package translate

import (
	"maps"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Memory remembers from one translation to the next what came of which objects, so that the cost of a change is
// proportional to the change. Objects are compared by identity: snapshots never change an object. What is remembered
// never changes an answer, only how long it takes; a test compares the two.
type Memory struct {
	world *world
	pairs pairs
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{pairs: pairs{}} }

// world is what a snapshot means, and what of it comes from where.
//
// Ingresses that have a name in common, such as a host, are a group. A group is translated without a look at others. So
// a change leads to the groups that have to be translated again: those of Ingresses that have changed, those that have
// looked at an object that has, and those with a backend that has another Problem now. Endpoints alone lead to none.
type world struct {
	snapshot cluster.Snapshot
	options  Options
	pairs    pairs

	// What all Ingresses have in common.
	configMap *corev1.ConfigMap // the controller's, as it is in force; nil if there is none
	defaults  annotations.Values
	http      nginx.HTTP
	inherited map[string]string // directives that locations need not repeat
	plain     nginx.Location    // a location without any annotation
	room      nginx.Directives  // for a location's body before inherited directives are left out; most are, and the rest is copied
	problems  []Problem         // of the ConfigMap and of IngressClasses
	needs     map[need]bool     // of the ConfigMap

	members  map[cluster.Name]*member
	groups   map[string]*group                  // by each of their names
	lookers  map[need]map[*group]bool           // who has looked at an object
	secure   map[string]int                     // how many Ingresses give a wildcard host a certificate of its own
	backends map[string]*backend                // by name
	served   map[cluster.Name]map[*backend]bool // backends by Service
	expiry   time.Time                          // of the next certificate that expires; zero for never
	refused  map[cluster.Name]bool              // Ingresses that are, here or by NGINX
	kept     map[cluster.Name]*networkingv1.Ingress

	sum sum // of what groups and Ingresses contribute
}

// need is an object that has been looked at, whether it was there or not.
type need struct {
	kind string
	name cluster.Name
}

// remembered is the world of an earlier translation with what has changed since, or a new one.
func (m *Memory) remembered(s cluster.Snapshot, o Options) (*world, cluster.Changes) {
	o.Memory = nil
	if w := m.world; w != nil && w.sum.isGood(s.Fallback) && reflect.DeepEqual(w.options, o) && !w.expired(s.Now) && w.hasConfigMapOf(s) {
		if changes := s.Since(w.snapshot); w.canFollow(changes) {
			return w, changes
		}
	}
	m.world = newWorld(s, o, m.pairs)
	// To a new world all Ingresses are new. What else there is it looks up when one of them names it.
	all := make(map[cluster.Name]*networkingv1.Ingress, len(s.Ingresses))
	for _, ingress := range s.Ingresses {
		all[cluster.NameOf(ingress)] = ingress
	}
	return m.world, cluster.Changes{Ingresses: all}
}

func newWorld(s cluster.Snapshot, o Options, p pairs) *world {
	w := &world{
		snapshot: s, options: o, pairs: p, needs: map[need]bool{}, members: map[cluster.Name]*member{}, groups: map[string]*group{},
		lookers: map[need]map[*group]bool{}, secure: map[string]int{}, backends: map[string]*backend{},
		served: map[cluster.Name]map[*backend]bool{}, sum: newSum(), configMap: configMapInForce(s, o.ConfigMap),
		refused: map[cluster.Name]bool{}, kept: map[cluster.Name]*networkingv1.Ingress{},
	}
	w.readConfigMap()
	w.checkClasses()
	w.makeDefaultBackend()
	return w
}

// canFollow tells whether the changes leave alone what all Ingresses depend on.
func (w *world) canFollow(c cluster.Changes) bool {
	_, isDefaultBackend := c.Services[w.options.DefaultBackend]
	return len(c.Classes)+len(c.Namespaces) == 0 && !isDefaultBackend &&
		!slices.ContainsFunc(needsIn(c), func(n need) bool { return w.needs[n] })
}

// expired tells whether a certificate has expired since the last translation. That is a Problem that no object tells of.
func (w *world) expired(now time.Time) bool { return !w.expiry.IsZero() && now.After(w.expiry) }

// expires notes that a certificate will.
func (w *world) expires(at time.Time) {
	if now := w.snapshot.Now; !at.Before(now) && (w.expiry.IsZero() || at.Before(w.expiry)) {
		w.expiry = at
	}
}

// needsIn are the objects among the changes that Ingresses may look at by themselves.
func needsIn(c cluster.Changes) []need {
	var list []need
	for name := range c.Secrets {
		list = append(list, need{"Secret", name})
	}
	for name := range c.ConfigMaps {
		list = append(list, need{"ConfigMap", name})
	}
	return list
}

// follow makes the world that of a later snapshot.
func (w *world) follow(s cluster.Snapshot, c cluster.Changes) {
	read := maps.Clone(c.Ingresses)
	for name := range w.judgedAnew(s) {
		if m := w.members[name]; m != nil {
			if _, changed := read[name]; !changed {
				put(&read, name, m.object)
			}
		}
	}
	w.snapshot = s
	stale := map[*group]bool{}
	if w.groups[anyHost] == nil {
		stale[&group{names: []string{anyHost}}] = true
	}
	for _, n := range needsIn(c) {
		for g := range w.lookers[n] {
			stale[g] = true
			for _, m := range g.members {
				if _, changed := read[m.name()]; !changed && m.needs[n] {
					put(&read, m.name(), m.object)
				}
			}
		}
	}
	fresh := w.replace(read, stale)
	w.refill(w.backendsOf(c), stale)
	for len(stale)+len(fresh) > 0 {
		touched := w.regroup(stale, fresh)
		stale, fresh = map[*group]bool{}, nil
		w.refill(touched, stale)
	}
	w.pairs.forget(s, w.sum.secrets.all)
}

// replace takes in other versions of Ingresses, nil for none, and returns them read. The groups that their names belong to
// become stale, and those of the former versions.
func (w *world) replace(objects map[cluster.Name]*networkingv1.Ingress, stale map[*group]bool) []*member {
	var fresh []*member
	for name, object := range objects {
		if old := w.members[name]; old != nil {
			w.remove(old, stale)
		}
		if object == nil {
			continue
		}
		m := w.read(object)
		w.add(m, stale)
		fresh = append(fresh, m)
		for _, name := range m.names {
			if g := w.groups[name]; g != nil {
				stale[g] = true
			}
		}
	}
	return fresh
}

func (w *world) add(m *member, stale map[*group]bool) {
	w.members[m.name()] = m
	w.count(m, 1, stale)
}

// remove takes an Ingress out of everything but its group, which is stale from then on.
func (w *world) remove(m *member, stale map[*group]bool) {
	stale[m.group] = true
	m.group.members = slices.DeleteFunc(m.group.members, func(other *member) bool { return other == m })
	delete(w.members, m.name())
	delete(w.refused, m.name())
	w.count(m, -1, stale)
}

func (w *world) count(m *member, by int, stale map[*group]bool) {
	if m.claimed && by > 0 {
		w.sum.claims = append(w.sum.claims, m.object)
	} else if m.claimed {
		w.sum.disclaims = append(w.sum.disclaims, m.object)
	}
	if m.served == nil {
		return
	}
	w.sum.served += by
	if list := annotations.StreamSnippet(m.served.values); len(list) > 0 {
		w.sum.streams = maps.Clone(w.sum.streams) // results have the former
		if delete(w.sum.streams, m.name()); by > 0 {
			put(&w.sum.streams, m.name(), list)
		}
	}
	if !m.standsIn {
		w.sum.ingresses.count(m.name(), m.served.Ingress, by)
	}
	if delete(w.kept, m.name()); by > 0 && !m.standsIn && m.served.Ingress != m.object {
		w.kept[m.name()] = m.served.Ingress
	}
	for _, wildcard := range m.secures {
		w.secure[wildcard] += by
		if n := w.secure[wildcard]; n == 0 || n == 1 && by > 0 {
			for name, g := range w.groups {
				if wildcardOf(name) == wildcard {
					stale[g] = true
				}
			}
		}
	}
}

// result is what the world comes to. Earlier results stay as they are.
func (w *world) result() Result {
	settings := w.options.Settings
	settings.IPv4Only = w.http.NamesAreIPv4
	r := Result{
		Config: nginx.Config{HTTP: w.http, Servers: w.sum.serverList()},
		State: dynamic.State{
			Settings: settings, Backends: w.sum.backends, Certificates: w.sum.certificates.all, Hosts: w.sum.hosts.all,
		},
		Good: cluster.Fallback{Ingresses: w.sum.ingresses.all, Secrets: w.sum.secrets.all, ConfigMap: orEmpty(w.configMap)},
		Kept: w.keptVersions(), Streams: w.sum.streams,
		Ingresses: w.sum.served, Claimed: w.sum.claimedInOrder(), Certificates: w.sum.inUse.all,
	}
	if w.options.SharedUpstreams {
		clear(w.sum.changed)
	} else {
		r.Config.Upstreams = w.upstreams()
	}
	r.Config.HTTP.DefaultCertificate, r.Config.HTTP.DefaultStaple = w.groups[anyHost].certificate, w.groups[anyHost].staple
	r.Config.FollowsCost = len(w.sum.byCost) > 0
	r.Problems = w.allProblems()
	return r
}
