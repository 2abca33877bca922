package wild_test

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// withServices adds the Services that Ingresses name and nobody has, each with two pods.
func withServices(objects cluster.Lists) cluster.Lists {
	objects.Services, objects.Slices = slices.Clone(objects.Services), slices.Clone(objects.Slices)
	invented := map[cluster.Name]*corev1.Service{}
	for _, s := range objects.Services {
		invented[cluster.NameOf(s)] = nil
	}
	for _, ing := range objects.Ingresses {
		for _, want := range backends(ing) {
			name := cluster.Name{Namespace: ing.Namespace, Name: want.Name}
			service, known := invented[name]
			if !known {
				service = newService(name)
				invented[name] = service
				objects.Services = append(objects.Services, service)
			}
			if service != nil {
				addPort(service, want.Port)
			}
		}
	}
	for _, service := range objects.Services {
		if invented[cluster.NameOf(service)] != nil {
			objects.Slices = append(objects.Slices, newSlice(service))
		}
	}
	return objects
}

// backends are all Services that an Ingress refers to, in its rules and in its annotations.
func backends(ing *networkingv1.Ingress) []networkingv1.IngressServiceBackend {
	var list []networkingv1.IngressServiceBackend
	add := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			list = append(list, *b.Service)
		}
	}
	add(ing.Spec.DefaultBackend)
	for _, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for i := range rule.HTTP.Paths {
			add(&rule.HTTP.Paths[i].Backend)
		}
	}
	if name := ing.Annotations[prefix+"default-backend"]; name != "" {
		list = append(list, networkingv1.IngressServiceBackend{Name: name, Port: networkingv1.ServiceBackendPort{Number: 80}})
	}
	return list
}

func newService(name cluster.Name) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		Spec:       corev1.ServiceSpec{ClusterIP: "10.96.0.80"},
	}
}

func addPort(s *corev1.Service, want networkingv1.ServiceBackendPort) {
	port := corev1.ServicePort{
		Name: cmp.Or(want.Name, "http"), Port: cmp.Or(want.Number, 80), Protocol: corev1.ProtocolTCP,
	}
	known := func(p corev1.ServicePort) bool { return p.Name == port.Name || p.Port == port.Port }
	if !slices.ContainsFunc(s.Spec.Ports, known) {
		s.Spec.Ports = append(s.Spec.Ports, port)
	}
}

func newSlice(s *corev1.Service) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: s.Name + "-pods", Labels: map[string]string{discoveryv1.LabelServiceName: s.Name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.11"}}, {Addresses: []string{"10.244.0.12"}}},
	}
	for _, p := range s.Spec.Ports {
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &p.Port, Protocol: &p.Protocol})
	}
	return slice
}
