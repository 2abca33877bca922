package translate

import (
	"fmt"
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
type generations[K comparable, V any] struct{ before, now map[K]V }

func (g *generations[K, V]) next() { g.before, g.now = g.now, make(map[K]V, len(g.now)) }

func (g *generations[K, V]) get(key K) (V, bool) {
	v, ok := g.now[key]
	if !ok {
		if v, ok = g.before[key]; ok {
			g.now[key] = v
		}
	}
	return v, ok
}

func (g *generations[K, V]) set(key K, v V) { g.now[key] = v }

// rememberedVerdict is what the annotations of an Ingress come to.
type rememberedVerdict struct {
	annotations.Verdict
	use      annotations.Backend // of its Services
	findings []annotations.Finding
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

func remembered(h *host, hasTLS bool) *rememberedHost {
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
