package cluster

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// check finds the first field that an API server would refuse and that becomes part of a name or an
// address later on. It is not a whole validation: what is only wrong is found where it is used.
func check(o object) (field, message string) {
	if field, message := checkNames(o); field != "" {
		return field, message
	}
	switch o := o.(type) {
	case *networkingv1.Ingress:
		return checkIngress(o)
	case *discoveryv1.EndpointSlice:
		return checkSlice(o)
	}
	return "", ""
}

func checkNames(o object) (field, message string) {
	if o.GetName() == "" {
		return "metadata.name", "is missing"
	}
	if namespace := o.GetNamespace(); namespace != "" && !isLabel(namespace) {
		return "metadata.namespace", notLabel(namespace)
	}
	switch o.(type) {
	case *corev1.Service, *corev1.Namespace:
		if !isLabel(o.GetName()) {
			return "metadata.name", notLabel(o.GetName())
		}
	default:
		if len(validation.IsDNS1123Subdomain(o.GetName())) > 0 {
			return "metadata.name", fmt.Sprintf(`%q is not a name: lower-case letters, digits, "-" and "."`, o.GetName())
		}
	}
	return "", ""
}

func checkIngress(ing *networkingv1.Ingress) (field, message string) {
	if ing.Spec.DefaultBackend != nil {
		if field, message := checkBackend(*ing.Spec.DefaultBackend); field != "" {
			return "spec.defaultBackend." + field, message
		}
	}
	for i, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for j, path := range rule.HTTP.Paths {
			if field, message := checkBackend(path.Backend); field != "" {
				return fmt.Sprintf("spec.rules[%d].http.paths[%d].backend.%s", i, j, field), message
			}
		}
	}
	return "", ""
}

func checkBackend(backend networkingv1.IngressBackend) (field, message string) {
	service := backend.Service
	switch {
	case service == nil:
		return "", ""
	case !isLabel(service.Name):
		return "service.name", notLabel(service.Name)
	case service.Port.Name != "" && len(validation.IsValidPortName(service.Port.Name)) > 0:
		return "service.port.name", fmt.Sprintf("%q is not the name of a port", service.Port.Name)
	case service.Port.Name == "" && !isPort(service.Port.Number):
		return "service.port", "needs a name, or a number from 1 to 65535"
	}
	return "", ""
}

func checkSlice(slice *discoveryv1.EndpointSlice) (field, message string) {
	for i, port := range slice.Ports {
		if port.Port != nil && !isPort(*port.Port) {
			return fmt.Sprintf("ports[%d].port", i), "must be from 1 to 65535"
		}
	}
	if slice.AddressType == discoveryv1.AddressTypeFQDN {
		return "", "" // deprecated, and nothing is sent there
	}
	for i, endpoint := range slice.Endpoints {
		for j, address := range endpoint.Addresses {
			if ip, err := netip.ParseAddr(address); err != nil || ip.Zone() != "" {
				return fmt.Sprintf("endpoints[%d].addresses[%d]", i, j), fmt.Sprintf("%q is not an IP address", address)
			}
		}
	}
	return "", ""
}

func isLabel(s string) bool { return len(validation.IsDNS1123Label(s)) == 0 }

func isPort[N int32 | int](n N) bool { return n >= 1 && n <= 65535 }

func notLabel(s string) string {
	return fmt.Sprintf(`%q is not a name: at most 63 lower-case letters, digits and "-"`, s)
}
