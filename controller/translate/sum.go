package translate

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// sum is what all groups and Ingresses contribute to a Result. It changes by what is added and what is taken away.
type sum struct {
	servers      []placed // in order
	list         []*nginx.Server
	backends     shared[string, dynamic.Backend]
	hosts        counted[string, string] // certificates by host
	certificates counted[string, nginx.Certificate]
	inUse        counted[string, CertificateUse] // by host
	usesByHost   []CertificateUse
	ingresses    counted[cluster.Name, *networkingv1.Ingress]
	secrets      counted[cluster.Name, *secret]
	troubled     map[*group]bool // which have Problems
	problems     Problems        // of them all, in order; nil if that has to be found out

	served  int
	claimed []*networkingv1.Ingress // nil if that has to be found out
}

func newSum() sum {
	return sum{
		backends: shared[string, dynamic.Backend]{all: map[string]dynamic.Backend{}}, hosts: newCounted[string, string](),
		certificates: newCounted[string, nginx.Certificate](), inUse: newCounted[string, CertificateUse](),
		ingresses: newCounted[cluster.Name, *networkingv1.Ingress](), secrets: newCounted[cluster.Name, *secret](), troubled: map[*group]bool{},
	}
}

// isGood tells whether a Fallback is the one that the last Result had.
func (s *sum) isGood(f cluster.Fallback) bool {
	return isOne(f.Ingresses, s.ingresses.all) && isOne(f.Secrets, s.secrets.all)
}

// add counts what a group contributes, or takes it away if by is -1.
func (s *sum) add(g *group, by int) {
	for host, id := range g.hosts {
		s.hosts.count(host, id, by)
	}
	for id, pair := range g.pairs {
		s.certificates.count(id, pair.Certificate, by)
	}
	for _, use := range g.uses {
		s.inUse.count(use.Host, use, by)
	}
	for name, good := range g.secrets {
		s.secrets.count(name, good, by)
	}
	if len(g.problems) == 0 {
		return
	}
	s.problems = nil
	if by > 0 {
		s.troubled[g] = true
	} else {
		delete(s.troubled, g)
	}
}

// setBackend brings in what a backend is now.
func (s *sum) setBackend(b *backend) {
	if !b.isUsed() {
		s.dropBackend(b.name)
		return
	}
	now := b.withAlternatives()
	if before, is := s.backends.all[b.name]; !is || !reflect.DeepEqual(before, now) {
		s.backends.own()[b.name] = now
	}
}

func (s *sum) dropBackend(name string) {
	if _, is := s.backends.all[name]; is {
		delete(s.backends.own(), name)
	}
}

// settle removes what nobody contributes any more.
func (s *sum) settle() {
	s.hosts.settle()
	s.certificates.settle()
	s.inUse.settle()
	s.ingresses.settle()
	s.secrets.settle()
}

// placed is a server with its place among all: the default server, then hosts by name, then those that only redirect.
type placed struct {
	rank   int
	host   string
	server *nginx.Server
	group  *group
}

func (p placed) compare(other placed) int {
	return cmp.Or(cmp.Compare(p.rank, other.rank), cmp.Compare(p.host, other.host))
}

// place takes servers of groups out and puts others in.
func (s *sum) place(gone map[*group]bool, more []placed) {
	slices.SortStableFunc(more, placed.compare)
	merged := make([]placed, 0, len(s.servers)+len(more))
	for _, p := range s.servers {
		if gone[p.group] {
			continue
		}
		for len(more) > 0 && more[0].compare(p) < 0 {
			merged, more = append(merged, more[0]), more[1:]
		}
		merged = append(merged, p)
	}
	s.servers, s.list = append(merged, more...), nil
}

func (s *sum) serverList() []*nginx.Server {
	if s.list == nil {
		s.list = make([]*nginx.Server, len(s.servers))
		for i, p := range s.servers {
			s.list[i] = p.server
		}
	}
	return s.list
}

// uses lists the certificates in use by host.
func (s *sum) uses() []CertificateUse {
	if !s.inUse.isShared || s.usesByHost == nil {
		byHost := func(a, b CertificateUse) int { return cmp.Compare(a.Host, b.Host) }
		s.usesByHost = slices.SortedFunc(maps.Values(s.inUse.share()), byHost)
	}
	return s.usesByHost
}

// shared is a map that results have been given: it is copied before it changes.
type shared[K comparable, V any] struct {
	all      map[K]V
	isShared bool
}

// share gives the map away.
func (s *shared[K, V]) share() map[K]V {
	s.isShared = true
	return s.all
}

// own is the map, to be changed.
func (s *shared[K, V]) own() map[K]V {
	if s.isShared {
		s.all, s.isShared = maps.Clone(s.all), false
	}
	return s.all
}

// counted is a map whose entries are there as long as somebody contributes them. Whoever contributes the same key means the
// same value.
type counted[K, V comparable] struct {
	shared[K, V]
	counts map[K]int
	gone   []K // that may have nobody left
}

func newCounted[K, V comparable]() counted[K, V] {
	return counted[K, V]{shared: shared[K, V]{all: map[K]V{}}, counts: map[K]int{}}
}

// count adds a contribution, or takes it away if by is -1.
func (c *counted[K, V]) count(key K, v V, by int) {
	c.counts[key] += by
	if by < 0 {
		c.gone = append(c.gone, key)
	} else if now, is := c.all[key]; !is || now != v {
		c.own()[key] = v
	}
}

// settle removes entries that have nobody left. What was taken away and added again has been there all the time.
func (c *counted[K, V]) settle() {
	for _, key := range c.gone {
		if n, is := c.counts[key]; is && n == 0 {
			delete(c.counts, key)
			delete(c.own(), key)
		}
	}
	c.gone = nil
}

// isOne tells whether the maps are one and the same.
func isOne[K comparable, V any](a, b map[K]V) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
