package translate

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Memory remembers between translations what was made of objects that have not changed, so that the cost of a
// change is proportional to the change. Objects are compared by identity: snapshots never change an object.
// What is remembered never changes an answer, only how long it takes; a test compares the two.
type Memory struct {
	pairs    generations[*secret, pairResult]
	verdicts generations[*networkingv1.Ingress, rememberedVerdict]
	hosts    generations[string, *rememberedHost]
	backends generations[string, rememberedBackend]

	configMap *corev1.ConfigMap // the one that all of the above was made with
	places    string            // the options that backends depend on
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{} }

// begin forgets what was made with another ConfigMap or other options, and what the last translation had no use for.
func (m *Memory) begin(configMap *corev1.ConfigMap, o Options) {
	if m.configMap != configMap {
		*m = Memory{pairs: m.pairs, configMap: configMap}
	}
	if places := fmt.Sprint(o.DisableExternalName, o.Zone, " ", o.Node, o.Settings.OwnAddresses); m.places != places {
		m.places, m.backends = places, generations[string, rememberedBackend]{}
	}
	m.pairs.next()
	m.verdicts.next()
	m.hosts.next()
	m.backends.next()
}

// generations is a map that keeps an entry for as long as every translation asks for it.
type generations[K comparable, V any] struct {
	all   map[K]*remembered[V]
	turn  int // counts translations
	asked int // how many entries this one has asked for
}

type remembered[V any] struct {
	value V
	turn  int // the last one that asked
}

// next begins another translation. Entries that nobody asks for go when they are half of all.
func (g *generations[K, V]) next() {
	if len(g.all) > 2*g.asked {
		maps.DeleteFunc(g.all, func(_ K, r *remembered[V]) bool { return r.turn != g.turn })
	}
	g.turn, g.asked = g.turn+1, 0
}

func (g *generations[K, V]) get(key K) (V, bool) {
	r := g.all[key]
	if r == nil || r.turn < g.turn-1 {
		var none V
		return none, false
	}
	g.ask(r)
	return r.value, true
}

func (g *generations[K, V]) set(key K, v V) {
	if g.all == nil {
		g.all = map[K]*remembered[V]{}
	}
	r := g.all[key]
	if r == nil {
		r = &remembered[V]{}
		g.all[key] = r
	}
	r.value = v
	g.ask(r)
}

func (g *generations[K, V]) ask(r *remembered[V]) {
	if r.turn != g.turn {
		r.turn = g.turn
		g.asked++
	}
}

// rememberedVerdict is what the annotations of an Ingress come to.
type rememberedVerdict struct {
	annotations.Verdict
	use      annotations.Backend // of its Services
	findings []annotations.Finding
	rules    []readRule // by number, like those of the Ingress
}

// rememberedBackend is what was found of a backend, with what it was found in.
type rememberedBackend struct {
	service     *corev1.Service
	slices      []*discoveryv1.EndpointSlice
	isClusterIP bool
	data        dynamic.Backend
	problem     *backendProblem
}

func (r rememberedBackend) madeOfTheSameAs(other rememberedBackend) bool {
	return r.service == other.service && r.isClusterIP == other.isClusterIP && slices.Equal(r.slices, other.slices)
}

// rememberedHost is a server block with everything it was made of and what else came of it.
type rememberedHost struct {
	owners   []*networkingv1.Ingress
	paths    []rememberedPath
	hasTLS   bool
	server   *nginx.Server
	problems []Problem
	backends []use
}

// isOf tells whether the host still is what the block was made of.
func (r *rememberedHost) isOf(h *host, hasTLS bool) bool {
	return r.hasTLS == hasTLS &&
		slices.EqualFunc(r.owners, h.owner, func(was *networkingv1.Ingress, i *ingress) bool { return was == i.Ingress }) &&
		slices.EqualFunc(r.paths, h.paths, func(was rememberedPath, p *path) bool { return was == rememberPath(p) })
}

// use is a backend that a location uses, and how.
type use struct {
	backend  string
	protocol nginx.Protocol
}

// rememberedPath is what a location depends on, besides its Ingress's content.
type rememberedPath struct {
	ingress *networkingv1.Ingress
	text    string
	exact   bool
	backend string
	port    string // that of the default backend may change
	field   string
}

func rememberHost(h *host, hasTLS bool) *rememberedHost {
	r := &rememberedHost{hasTLS: hasTLS}
	for _, i := range h.owner {
		r.owners = append(r.owners, i.Ingress)
	}
	for _, p := range h.paths {
		r.paths = append(r.paths, rememberPath(p))
	}
	return r
}

func rememberPath(p *path) rememberedPath {
	entry := rememberedPath{text: p.text, exact: p.exact, field: p.field}
	if p.ingress != nil {
		entry.ingress = p.ingress.Ingress
	}
	if p.backend != nil {
		entry.backend, entry.port = p.backend.name, p.backend.port
	}
	return entry
}
