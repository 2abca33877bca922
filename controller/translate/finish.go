package translate

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	"github.com/sluice-ingress/sluice/nginx"
)

// finish adds what depends on all hosts together and puts everything in order.
func (t *translator) finish() {
	t.result.Config.HTTP.DefaultCertificate = t.defaultCertificate()
	t.upstreams()
	for _, n := range t.snapshot.Notes {
		t.problem(Problem{
			Object: Object{Kind: n.Object}, Field: n.Field, Severity: n.Severity, Reason: UnreadableManifest,
			Message: n.Message, File: n.File, Line: n.Line,
		})
	}
	for i := range t.result.Problems {
		if p := &t.result.Problems[i]; p.File == "" {
			place := t.snapshot.Places[p.Object.String()]
			p.File, p.Line = place.File, place.Line
		}
	}
	t.result.Problems.Sort()
	slices.SortFunc(t.result.Certificates, func(a, b CertificateUse) int { return cmp.Compare(a.Host, b.Host) })
}

// upstreams lists the backends that locations use, once for each protocol that is spoken to them. Alternatives need no
// block of their own: their peers are used in the block of the location's own backend.
func (t *translator) upstreams() {
	count := 0
	for _, b := range t.backends {
		for _, isUsed := range b.used {
			if isUsed {
				count++
			}
		}
	}
	idle := idleConnections(count)
	list := &t.result.Config.Upstreams
	for _, b := range t.backends {
		if b.isAlternative || slices.Contains(b.used[:], true) {
			t.result.State.Backends[b.name] = b.data
		}
		if t.options.SharedUpstreams {
			continue
		}
		for n, isUsed := range b.used {
			if !isUsed {
				continue
			}
			protocol := nginx.Protocol(n)
			u := &nginx.Upstream{Name: protocol.Block(b.name), Keepalive: idle}
			if protocol == nginx.AutoHTTP {
				u.Keepalive = 0 // an idle connection might be TLS or not
			}
			for _, e := range b.data.Endpoints {
				u.Endpoints = append(u.Endpoints, net.JoinHostPort(e.Address, strconv.Itoa(e.Port)))
			}
			*list = append(*list, u)
		}
	}
	slices.SortFunc(*list, func(a, b *nginx.Upstream) int { return cmp.Compare(a.Name, b.Name) })
}

// idleConnections is how many idle connections one upstream keeps per worker. ingress-nginx keeps 320 for
// all backends together. NGINX allocates the slots when it starts, about 170 bytes each, so a cluster of many
// backends gets fewer for each: never under 40, and in steps, so that one backend more changes nothing.
func idleConnections(upstreams int) int {
	idle := 320
	for idle > 40 && idle*upstreams > 32000 {
		idle /= 2
	}
	return idle
}
