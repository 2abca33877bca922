package services

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// port is where a Service listens.
type port struct {
	protocol corev1.Protocol
	address  netip.AddrPort
}

// route is where connections to a port go.
type route struct {
	targets    []netip.AddrPort
	keepClient bool // targets shall see the address of the client
}

// ports are those of all Services that have endpoints. Nobody listens for the others: clients are refused.
func (s *Server) ports() (map[port]route, error) {
	services, err := s.services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	nodes, err := s.nodeAddresses()
	if err != nil {
		return nil, err
	}
	all := map[port]route{}
	for _, service := range services {
		for _, p := range service.Spec.Ports {
			targets, err := s.targets(service, p)
			if err != nil {
				return nil, err
			}
			if len(targets) == 0 {
				continue
			}
			add := func(address netip.Addr, number int32, keepClient bool) {
				all[port{p.Protocol, netip.AddrPortFrom(address, uint16(number))}] = route{targets, keepClient}
			}
			for _, address := range parse(service.Spec.ClusterIPs) {
				add(address, p.Port, true)
			}
			local := service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
			for _, address := range append(parse(service.Spec.ExternalIPs), balancers(service)...) {
				add(address, p.Port, local)
			}
			for _, address := range nodes {
				if p.NodePort != 0 {
					add(address, p.NodePort, local)
				}
			}
		}
	}
	return all, nil
}

// parse leaves out what is no IPv4 address, as None is.
func parse(texts []string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil && address.Is4() {
			all = append(all, address)
		}
	}
	return all
}

// balancers are the addresses that its status says.
func balancers(service *corev1.Service) []netip.Addr {
	var texts []string
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		texts = append(texts, ingress.IP)
	}
	return parse(texts)
}

func (s *Server) nodeAddresses() ([]netip.Addr, error) {
	nodes, err := s.nodes.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, node := range nodes {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				texts = append(texts, address.Address)
			}
		}
	}
	return parse(texts), nil
}

// targets are the ready endpoints of a port; those that terminate but still serve if there are no others, as kube-proxy does.
func (s *Server) targets(service *corev1.Service, p corev1.ServicePort) ([]netip.AddrPort, error) {
	objects, err := s.slices.ByIndex(byService, service.Namespace+"/"+service.Name)
	if err != nil {
		return nil, err
	}
	var ready, leaving []netip.AddrPort
	for _, object := range objects {
		slice := object.(*discoveryv1.EndpointSlice)
		number, has := portNumber(slice, p)
		if !has {
			continue
		}
		for _, e := range slice.Endpoints {
			for _, address := range parse(e.Addresses) {
				target := netip.AddrPortFrom(address, number)
				switch {
				case is(e.Conditions.Ready, true):
					ready = append(ready, target)
				case is(e.Conditions.Serving, false) && is(e.Conditions.Terminating, false):
					leaving = append(leaving, target)
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = leaving
	}
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return slices.Compact(ready), nil
}

func portNumber(slice *discoveryv1.EndpointSlice, p corev1.ServicePort) (uint16, bool) {
	for _, known := range slice.Ports {
		if known.Name != nil && *known.Name == p.Name && known.Port != nil && cmp.Or(deref(known.Protocol), corev1.ProtocolTCP) == p.Protocol {
			return uint16(*known.Port), true
		}
	}
	return 0, false
}

func is(condition *bool, unknown bool) bool {
	if condition == nil {
		return unknown
	}
	return *condition
}

func deref[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
