package explain

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-ingress/sluice/nginx"
)

// share is a backend with the endpoints that requests go to, and those that are left out.
func (w *walk) share(name string, percent float64, isCanary bool) Share {
	s := Share{Backend: name, Percent: percent, Canary: isCanary}
	namespace, service, port := w.serviceOf(name)
	if service != "" {
		s.Service, s.Port = namespace+"/"+service, port
		if !isCanary && w.location != nil && w.location.Upstream == name {
			s.Source = w.sourceOf(w.location.Owner, strings.TrimSuffix(w.location.Field, ".path"))
		}
	}
	entry := w.plan.Dynamic.Backends.At(name)
	used := map[string]bool{}
	for _, e := range entry.Endpoints {
		address := net.JoinHostPort(e.Address, strconv.Itoa(e.Port))
		why := ""
		if e.SessionsOnly {
			why = "takes only the requests of clients whose cookie names it"
		}
		used[e.Address] = true
		s.Endpoints = append(s.Endpoints, Endpoint{address, !e.SessionsOnly, why})
	}
	for _, e := range entry.Names {
		s.Endpoints = append(s.Endpoints, Endpoint{net.JoinHostPort(e.Address, strconv.Itoa(e.Port)), true, ""})
	}
	for _, slice := range w.plan.Snapshot.Slices(namespace, service) {
		for i := range slice.Endpoints {
			for _, address := range slice.Endpoints[i].Addresses {
				if ip, err := netip.ParseAddr(address); err == nil && !used[ip.String()] {
					used[ip.String()] = true
					s.Endpoints = append(s.Endpoints, Endpoint{ip.String(), false, whyLeftOut(slice.Endpoints[i].Conditions)})
				}
			}
		}
	}
	return s
}

// serviceOf is the Service and port that a backend is made of. Names of namespaces and Services have no underscore.
func (w *walk) serviceOf(backend string) (namespace, service, port string) {
	if backend == nginx.DefaultBackend {
		name := w.plan.DefaultBackend()
		return name.Namespace, name.Name, ""
	}
	parts := strings.SplitN(backend, "_", 3)
	if len(parts) < 2 {
		return "", "", ""
	}
	if len(parts) == 3 {
		port = parts[2]
	}
	return parts[0], parts[1], port
}

// whyLeftOut says why no request goes to an endpoint that a slice has.
func whyLeftOut(c discoveryv1.EndpointConditions) string {
	isTrue := func(b *bool) bool { return b != nil && *b }
	switch {
	case isTrue(c.Terminating):
		return "terminates"
	case c.Ready != nil && !*c.Ready:
		return "is not ready"
	}
	return "is ready, but its slice has not the port, or others are nearer, or the Service's own address is used"
}

// countReady is how many of the endpoints take requests.
func (s Share) countReady() int {
	return len(slices.DeleteFunc(slices.Clone(s.Endpoints), func(e Endpoint) bool { return !e.Used }))
}
