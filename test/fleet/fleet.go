// Package fleet makes clusters of any size for benchmarks: each Ingress has a host, two paths and two
// Services of its own, each with two endpoints.
package fleet

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Host is the host of the n-th Ingress.
func Host(n int) string { return fmt.Sprintf("host-%d.example.com", n) }

// Lists makes a cluster of n Ingresses. All endpoints have one of the given addresses, in turn.
func Lists(n int, port int32, addresses ...string) cluster.Lists {
	var l cluster.Lists
	next := 0
	for i := range n {
		namespace := fmt.Sprintf("team-%d", i%50)
		ingress := &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("web-%d", i)},
			Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
				Host:             Host(i),
				IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}},
			}}},
		}
		for _, path := range []string{"/", "/api"} {
			service := fmt.Sprintf("svc-%d-%d", i, len(path))
			kind := networkingv1.PathTypePrefix
			http := ingress.Spec.Rules[0].HTTP
			http.Paths = append(http.Paths, networkingv1.HTTPIngressPath{
				Path: path, PathType: &kind, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
					Name: service, Port: networkingv1.ServiceBackendPort{Number: 80},
				}},
			})
			l.Services = append(l.Services, &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: service},
				Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
			})
			l.Slices = append(l.Slices, Slice(namespace, service, port, addresses[next%len(addresses)], addresses[(next+1)%len(addresses)]))
			next += 2
		}
		l.Ingresses = append(l.Ingresses, ingress)
	}
	return l
}

// Slice makes the EndpointSlice of a Service of a fleet.
func Slice(namespace, service string, port int32, addresses ...string) *discoveryv1.EndpointSlice {
	name, slice := "http", &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: service + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: service},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	slice.Ports = []discoveryv1.EndpointPort{{Name: &name, Port: &port}}
	for _, a := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	return slice
}
