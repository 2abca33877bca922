package status

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// address is an entry of status.loadBalancer.ingress. We write no ports: those of an Ingress are 80 and 443.
type address = networkingv1.IngressLoadBalancerIngress

// parse reads an IP address or a host name, and refuses what the API would refuse in a status.
func parse(text string) (address, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return address{IP: ip.Unmap().String()}, nil
	}
	isNumber := strings.Trim(text, "0123456789.") == "" // such as 010.0.0.1
	if isNumber || len(validation.IsDNS1123Subdomain(text)) > 0 {
		return address{}, fmt.Errorf("%q is neither an IP address nor a host name in small letters", text)
	}
	return address{Hostname: text}, nil
}

// parseAll reads the list of --publish-status-address. As in ingress-nginx, spaces do not matter.
func parseAll(list []string) ([]address, error) {
	var all []address
	for _, text := range list {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		a, err := parse(text)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return sorted(all), nil
}

// ofService are the addresses under which a Service can be reached from where its type is meant for. There may be none
// yet.
func ofService(service *corev1.Service) ([]address, error) {
	var all []address
	add := func(ips ...string) {
		for _, ip := range ips {
			if ip != "" && ip != corev1.ClusterIPNone {
				all = append(all, address{IP: ip})
			}
		}
	}
	switch service.Spec.Type {
	case corev1.ServiceTypeExternalName:
		a, err := parse(strings.TrimSuffix(service.Spec.ExternalName, "."))
		if err != nil {
			return nil, err
		}
		return []address{a}, nil
	case corev1.ServiceTypeNodePort:
		if add(service.Spec.ExternalIPs...); len(all) == 0 {
			add(service.Spec.ClusterIP)
		}
	case corev1.ServiceTypeLoadBalancer:
		for _, entry := range service.Status.LoadBalancer.Ingress {
			if a := (address{IP: entry.IP, Hostname: entry.Hostname}); !isEmpty(a) {
				all = append(all, a)
			}
		}
		for _, ip := range service.Spec.ExternalIPs {
			if !slices.ContainsFunc(all, func(a address) bool { return a.IP == ip }) {
				add(ip)
			}
		}
	default: // the API says ClusterIP where manifests say nothing
		add(service.Spec.ClusterIP)
	}
	return sorted(all), nil
}

// ofNode is one address of a node: the first external one, or else, or if wanted, the first internal one. As in
// ingress-nginx, a second one, such as that of the other IP family, is not published. It is empty if there is none.
func ofNode(node *corev1.Node, internal bool) address {
	first := map[corev1.NodeAddressType]string{}
	for _, a := range node.Status.Addresses {
		first[a.Type] = cmp.Or(first[a.Type], a.Address)
	}
	if external := first[corev1.NodeExternalIP]; external != "" && !internal {
		return address{IP: external}
	}
	return address{IP: first[corev1.NodeInternalIP]}
}

func isEmpty(a address) bool { return a.IP == "" && a.Hostname == "" }

// sorted are the addresses in our order, each once.
func sorted(list []address) []address {
	list = slices.Clone(list)
	slices.SortFunc(list, compare)
	return slices.CompactFunc(list, equal)
}

func equal(a, b address) bool { return compare(a, b) == 0 }

func compare(a, b address) int {
	return cmp.Or(cmp.Compare(a.Hostname, b.Hostname), cmp.Compare(a.IP, b.IP))
}

// same tells whether a status says what we would say, in any order. Ports that somebody added do not matter.
func same(a, b []address) bool {
	return slices.EqualFunc(a, b, equal) || slices.EqualFunc(sorted(a), sorted(b), equal)
}
