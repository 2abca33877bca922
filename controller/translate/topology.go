package translate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// place is where we are, as a node or a zone.
type place struct {
	// hints reads what those of an endpoint say of places of this kind: whether they name any, and whether they name ours.
	hints func(*discoveryv1.EndpointHints) (named, ours bool)
	// has tells whether an endpoint is there, whatever its hints say.
	has func(*discoveryv1.Endpoint) bool
}

// places are those from which a Service prefers its endpoints, the best first; none if all endpoints are equal.
//
// The Service says so in its annotation service.kubernetes.io/topology-mode, or in spec.trafficDistribution, of which
// ingress-nginx 1.15.1 knows only the value PreferClose. Kubernetes 1.34 calls that PreferSameZone as well, and has
// PreferSameNode besides.
func (w *world) places(s *corev1.Service) []place {
	var list []place
	distribution := ""
	if s.Spec.TrafficDistribution != nil {
		distribution = *s.Spec.TrafficDistribution
	}
	byNode := distribution == corev1.ServiceTrafficDistributionPreferSameNode
	if node := w.options.Node; byNode && node != "" {
		list = append(list, onNode(node))
	}
	byZone := byNode ||
		distribution == corev1.ServiceTrafficDistributionPreferSameZone ||
		distribution == corev1.ServiceTrafficDistributionPreferClose ||
		strings.EqualFold(s.Annotations[corev1.AnnotationTopologyMode], "auto")
	if zone := w.options.Zone; byZone && zone != "" {
		list = append(list, inZone(zone))
	}
	return list
}

func onNode(name string) place {
	return place{
		hints: func(hints *discoveryv1.EndpointHints) (named, ours bool) {
			if hints == nil {
				return false, false
			}
			for _, node := range hints.ForNodes {
				ours = ours || node.Name == name
			}
			return len(hints.ForNodes) > 0, ours
		},
		has: func(e *discoveryv1.Endpoint) bool { return e.NodeName != nil && *e.NodeName == name },
	}
}

func inZone(name string) place {
	return place{
		hints: func(hints *discoveryv1.EndpointHints) (named, ours bool) {
			if hints == nil {
				return false, false
			}
			for _, zone := range hints.ForZones {
				ours = ours || zone.Name == name
			}
			return len(hints.ForZones) > 0, ours
		},
		has: func(e *discoveryv1.Endpoint) bool { return e.Zone != nil && *e.Zone == name },
	}
}

// areEnough tells whether so many ready endpoints may take the requests that are meant for the first of the places: at least
// half of those that are there or will be. If most are down, the others would get more than they can take, and endpoints
// elsewhere help. What is not ready has no hint, so it counts where it is.
func areEnough(ready int, all []*discoveryv1.EndpointSlice, port servedPort, places []place) bool {
	if len(places) == 0 {
		return true
	}
	waiting := 0
	for _, slice := range all {
		if slicePort(slice, port) == 0 {
			continue
		}
		for i := range slice.Endpoints {
			if e := &slice.Endpoints[i]; !isReady(e.Conditions) && !isTrue(e.Conditions.Terminating) && places[0].has(e) {
				waiting++
			}
		}
	}
	return ready >= waiting
}

// near tells which endpoints of a slice are in the first of the places that hints speak of; all, if they speak of none.
func near(slice *discoveryv1.EndpointSlice, places []place, wanted condition) func(*discoveryv1.Endpoint) bool {
	for _, p := range places {
		if p.isNamed(slice, wanted) {
			return func(e *discoveryv1.Endpoint) bool {
				_, ours := p.hints(e.Hints)
				return ours
			}
		}
	}
	return func(*discoveryv1.Endpoint) bool { return true }
}

// isNamed tells whether each wanted endpoint of a slice has a hint of this kind. Where one lacks it, hints are just
// being made or given up. Others do not count, as for kube-proxy: what is not ready yet has no hint yet.
func (p place) isNamed(slice *discoveryv1.EndpointSlice, wanted condition) bool {
	for i := range slice.Endpoints {
		if e := &slice.Endpoints[i]; wanted(e.Conditions) {
			if named, _ := p.hints(e.Hints); !named {
				return false
			}
		}
	}
	return true
}
