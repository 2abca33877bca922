package translate

import (
	"cmp"
	"reflect"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
)

// sum is what all groups and Ingresses contribute to a Result. It changes by what is added and what is taken away.
type sum struct {
	servers        []placed // in order
	list           []*nginx.Server
	blocks         []block // by name
	upstreams      []*nginx.Upstream
	idle           int               // connections that each of them keeps
	asking         int               // servers that ask error services
	authenticating int               // servers that ask for certificates
	hasErrors      bool              // upstreams have the block for that
	changed        map[*backend]bool // whose blocks have to be made again
	backends       persistent.Map[string, dynamic.Backend]
	byCost         map[string]bool         // those that are balanced by EWMA
	hosts          counted[string, string] // certificates by host
	certificates   counted[string, nginx.Certificate]
	inUse          counted[string, CertificateUse] // by host
	ingresses      counted[cluster.Name, *networkingv1.Ingress]
	secrets        counted[cluster.Name, *secret]
	troubled       map[*group]bool // which have Problems
	problems       Problems        // of them all, in order; nil if that has to be found out

	streams   map[cluster.Name]nginx.Directives // what Ingresses add to the stream block
	served    int
	claimed   []*networkingv1.Ingress // in the order of the snapshot, but for the next two
	claims    []*networkingv1.Ingress // that have come
	disclaims []*networkingv1.Ingress // that have gone
}

func newSum() sum {
	return sum{
		hosts: newCounted[string, string](), certificates: newCounted[string, nginx.Certificate](), inUse: newCounted[string, CertificateUse](),
		changed: map[*backend]bool{}, byCost: map[string]bool{}, ingresses: newCounted[cluster.Name, *networkingv1.Ingress](), secrets: newCounted[cluster.Name, *secret](), troubled: map[*group]bool{},
	}
}

// isGood tells whether a Fallback is the one that the last Result had.
func (s *sum) isGood(f cluster.Fallback) bool {
	return f.Ingresses == s.ingresses.all && f.Secrets == s.secrets.all
}

// add counts what a group contributes, or takes it away if by is -1.
func (s *sum) add(g *group, by int) {
	for _, p := range g.servers {
		if p.server.HandsErrorsTo(nginx.ErrorLocation) {
			s.asking += by
		}
		if auth := p.server.ClientAuth; auth != nil && !auth.Unusable {
			s.authenticating += by
		}
	}
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
	s.changed[b] = true
	if !b.isUsed() {
		s.dropBackend(b)
		return
	}
	now := b.withAlternatives()
	if delete(s.byCost, b.name); now.Balance == dynamic.EWMA {
		s.byCost[b.name] = true
	}
	if before, is := s.backends.Get(b.name); !is || !reflect.DeepEqual(before, now) {
		s.backends = s.backends.With(b.name, now)
	}
}

// dropBackend is setBackend for one that nobody uses.
func (s *sum) dropBackend(b *backend) {
	s.changed[b] = true
	s.backends = s.backends.Without(b.name)
	delete(s.byCost, b.name)
}

// block is an upstream block.
type block struct {
	backend  *backend
	upstream *nginx.Upstream
}

func (b block) compare(other block) int { return cmp.Compare(b.upstream.Name, other.upstream.Name) }

// placeBlocks makes the blocks of backends that have changed again.
func (s *sum) placeBlocks() {
	if len(s.changed) == 0 {
		return
	}
	var more []block
	for b := range s.changed {
		more = append(more, b.blocks(s.idle)...)
	}
	s.blocks = merged(s.blocks, func(b block) bool { return s.changed[b.backend] }, more, block.compare)
	clear(s.changed)
	s.listBlocks()
}

// listBlocks makes the list of all blocks.
func (s *sum) listBlocks() {
	s.upstreams = make([]*nginx.Upstream, len(s.blocks), len(s.blocks)+1)
	for i, b := range s.blocks {
		s.upstreams[i] = b.upstream
	}
	if s.hasErrors {
		errors := &nginx.Upstream{Name: nginx.ErrorUpstream, Keepalive: s.idle}
		at, _ := slices.BinarySearchFunc(s.upstreams, errors, func(a, b *nginx.Upstream) int { return cmp.Compare(a.Name, b.Name) })
		s.upstreams = slices.Insert(s.upstreams, at, errors)
	}
}

// merged is a sorted list with some taken out and more put in.
func merged[T any](list []T, gone func(T) bool, more []T, compare func(a, b T) int) []T {
	slices.SortStableFunc(more, compare)
	out := make([]T, 0, len(list)+len(more))
	for _, one := range list {
		if gone(one) {
			continue
		}
		for len(more) > 0 && compare(more[0], one) < 0 {
			out, more = append(out, more[0]), more[1:]
		}
		out = append(out, one)
	}
	return append(out, more...)
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

// place takes servers out and puts others in.
func (s *sum) place(gone, more []placed) {
	s.servers = cluster.Edited(s.servers, gone, more, placed.compare)
	s.list = nil
}

func (s *sum) serverList() []*nginx.Server {
	if s.list == nil {
		s.list = make([]*nginx.Server, len(s.servers))
		for i, p := range s.servers {
			s.list[i] = p.server
		}
		if s.authenticating > 0 {
			nameAll(s.list)
		}
	}
	return s.list
}

// nameAll makes NGINX know every name that clients may ask for in the handshake. It is needed if a server asks for certificates.
func nameAll(list []*nginx.Server) {
	at := slices.IndexFunc(list, (*nginx.Server).IsDefault)
	if at < 0 {
		return
	}
	own := *list[at] // which is remembered without
	own.TakesAnyName = true
	copy(list[at:], list[at+1:])
	list[len(list)-1] = &own
}

// claimedInOrder lists the Ingresses that are meant for us, in the order of the snapshot.
func (s *sum) claimedInOrder() []*networkingv1.Ingress {
	s.claimed = cluster.Edited(s.claimed, s.disclaims, s.claims, cluster.CompareAge)
	s.claims, s.disclaims = nil, nil
	return s.claimed
}

// counted is a map whose entries are there as long as somebody contributes them. Whoever contributes the same key means the
// same value.
type counted[K, V comparable] struct {
	all    persistent.Map[K, V]
	counts map[K]int
	gone   []K // that may have nobody left
}

func newCounted[K, V comparable]() counted[K, V] {
	return counted[K, V]{counts: map[K]int{}}
}

// count adds a contribution, or takes it away if by is -1.
func (c *counted[K, V]) count(key K, v V, by int) {
	c.counts[key] += by
	if by < 0 {
		c.gone = append(c.gone, key)
	} else if now, is := c.all.Get(key); !is || now != v {
		c.all = c.all.With(key, v)
	}
}

// settle removes entries that have nobody left. What was taken away and added again has been there all the time.
func (c *counted[K, V]) settle() {
	for _, key := range c.gone {
		if n, is := c.counts[key]; is && n == 0 {
			delete(c.counts, key)
			c.all = c.all.Without(key)
		}
	}
	c.gone = nil
}
