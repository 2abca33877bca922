package translate

import (
	"maps"
	"net"
	"strconv"

	"github.com/sluice-ingress/sluice/nginx"
)

// allProblems are those of groups and those that all have in common, in order.
func (w *world) allProblems() Problems {
	if w.sum.problems == nil || len(w.snapshot.Notes)+len(w.snapshot.Places) > 0 {
		w.sum.problems = w.gatherProblems()
	}
	return w.sum.problems
}

func (w *world) gatherProblems() Problems {
	all := append(Problems{}, w.problems...)
	for g := range w.sum.troubled {
		all = append(all, g.problems...)
	}
	all = append(all, unexplained(w.snapshot.Quarantine)...)
	for i := range all {
		p := &all[i]
		place := w.snapshot.Places[p.Object.String()]
		p.File, p.Line = place.File, place.Line
	}
	for _, n := range w.snapshot.Notes {
		all = append(all, Problem{
			Object: Object{Kind: n.Object}, Field: n.Field, Severity: n.Severity, Reason: UnreadableManifest,
			Message: n.Message, File: n.File, Line: n.Line,
		}.Printable())
	}
	all.Sort()
	return all
}

// upstreams lists the backends that locations use, once for each protocol that is spoken to them. Alternatives need no
// block of their own: their peers are used in the block of the location's own backend.
func (w *world) upstreams() []*nginx.Upstream {
	w.sum.placeBlocks()
	if idle := idleConnections(w.http.Keepalive.Connections, len(w.sum.blocks)); idle != w.sum.idle {
		w.sum.idle = idle
		for _, b := range w.backends {
			w.sum.changed[b] = true
		}
		w.sum.placeBlocks()
	}
	if asks := w.sum.asking > 0 || w.http.Shared.HandsErrorsTo(nginx.ErrorLocation); asks != w.sum.hasErrors {
		w.sum.hasErrors = asks
		w.sum.listBlocks()
	}
	return w.sum.upstreams
}

// blocks are the upstream blocks of a backend, each of which keeps so many idle connections.
func (b *backend) blocks(idle int) []block {
	var endpoints []string
	for _, e := range b.data.Endpoints {
		if !e.SessionsOnly {
			endpoints = append(endpoints, net.JoinHostPort(e.Address, strconv.Itoa(e.Port)))
		}
	}
	all := map[string]nginx.Protocol{} // by name
	for n, isUsed := range b.protocols() {
		if isUsed {
			all[nginx.Protocol(n).Block(b.name)] = nginx.Protocol(n)
		}
	}
	for _, u := range b.users {
		maps.Copy(all, u.apart)
	}
	var list []block
	for name, protocol := range all {
		u := &nginx.Upstream{Name: name, Keepalive: idle, Endpoints: endpoints}
		if protocol == nginx.AutoHTTP {
			u.Keepalive = 0 // an idle connection might be TLS or not
		}
		list = append(list, block{b, u})
	}
	return list
}

// idleConnections is how many idle connections one upstream keeps per worker, of so many wanted (320, as in ingress-nginx, which
// counts those of all backends together, unless the ConfigMap says otherwise). NGINX allocates the slots when it starts, about
// 170 bytes each, so a cluster of many backends gets fewer for each: never under 40 of those wanted, and in steps, so that
// one backend more changes nothing.
func idleConnections(wanted, upstreams int) int {
	idle := wanted
	for idle > 40 && idle*upstreams > 32000 {
		idle /= 2
	}
	return max(idle, min(wanted, 40))
}
