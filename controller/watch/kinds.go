package watch

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// prepareTables says what a change of each kind means.
func (s *Source) prepareTables() {
	s.ingresses = table[*networkingv1.Ingress]{objects: map[cluster.Name]*networkingv1.Ingress{}, admit: s.admitIngress, changed: s.ingressChanged}
	s.classes = table[*networkingv1.IngressClass]{objects: map[cluster.Name]*networkingv1.IngressClass{}, changed: s.classChanged}
	s.services = table[*corev1.Service]{objects: map[cluster.Name]*corev1.Service{}, changed: s.serviceChanged}
	s.slices = table[*discoveryv1.EndpointSlice]{objects: map[cluster.Name]*discoveryv1.EndpointSlice{}, changed: s.sliceChanged}
	s.namespaces = table[*corev1.Namespace]{objects: map[cluster.Name]*corev1.Namespace{}, changed: s.namespaceChanged}
}

// admitIngress puts the status aside: it changes when we write it, and a plan does not depend on it.
func (s *Source) admitIngress(ing *networkingv1.Ingress) {
	name, addresses := cluster.NameOf(ing), ing.Status.LoadBalancer.Ingress
	if c := s.claims[name]; c != nil && c.ours && !equality.Semantic.DeepEqual(s.published[name], addresses) {
		s.signalStatus()
	}
	s.published[name] = addresses
	ing.Status = networkingv1.IngressStatus{}
}

func (s *Source) ingressChanged(name cluster.Name, _, after *networkingv1.Ingress) {
	if after == nil {
		delete(s.published, name)
	}
	s.offer(name)
}

func (s *Source) classChanged(name cluster.Name, _, after *networkingv1.IngressClass) {
	put(&s.pending.Classes, name.Name, after)
	if after == nil {
		s.classNamed = s.classNamed.Without(name.Name)
	} else {
		s.classNamed = s.classNamed.With(name.Name, after)
	}
	s.offerAll(func(ing *networkingv1.Ingress) bool {
		return ing.Spec.IngressClassName != nil && *ing.Spec.IngressClassName == name.Name
	})
	s.signal()
}

func (s *Source) namespaceChanged(name cluster.Name, before, after *corev1.Namespace) {
	put(&s.pending.Namespaces, name.Name, after)
	if before == nil || after == nil {
		s.offerAll(func(ing *networkingv1.Ingress) bool { return ing.Namespace == name.Name })
	}
}

func (s *Source) serviceChanged(name cluster.Name, _, after *corev1.Service) {
	if s.isUsed(reference{service, name}) {
		put(&s.pending.Services, name, after)
		s.signal()
	}
	if slices.Contains(s.options.Services, name) {
		s.signalStatus()
	}
}

func (s *Source) sliceChanged(_ cluster.Name, before, after *discoveryv1.EndpointSlice) {
	if before != nil && (after == nil || serviceOf(before) != serviceOf(after)) {
		s.setSlice(serviceOf(before), before.Name, nil)
	}
	if after != nil {
		s.setSlice(serviceOf(after), after.Name, after)
	}
}

// setSlice replaces one slice of a Service, nil for one that is gone. Snapshots have the list, so it is made anew.
func (s *Source) setSlice(of cluster.Name, name string, slice *discoveryv1.EndpointSlice) {
	if of.Name == "" {
		return
	}
	old := s.slicesOf[of]
	list := make([]*discoveryv1.EndpointSlice, 0, len(old)+1)
	for _, other := range old {
		if other.Name != name {
			list = append(list, other)
		}
	}
	if slice != nil {
		at, _ := slices.BinarySearchFunc(list, name, func(s *discoveryv1.EndpointSlice, name string) int { return strings.Compare(s.Name, name) })
		list = slices.Insert(list, at, slice)
	}
	if s.slicesOf[of] = list; len(list) == 0 {
		delete(s.slicesOf, of)
	}
	if s.isUsed(reference{service, of}) {
		put(&s.pending.Slices, of, list)
		s.signal()
	}
}

// serviceOf goes by the label, as package cluster does.
func serviceOf(slice *discoveryv1.EndpointSlice) cluster.Name {
	return cluster.Name{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}

func (s *Source) secretChanged(name cluster.Name, after *corev1.Secret) {
	put(&s.pending.Secrets, name, after)
	s.signal()
}

func (s *Source) configMapChanged(name cluster.Name, after *corev1.ConfigMap) {
	if slices.Contains(s.options.StreamConfigMaps, name) {
		h := s.streams[name]
		if h == nil {
			h = &holder{}
			put(&s.streams, name, h)
		}
		s.change(h, streamReferences(after), s.release)
	}
	if name != s.options.ConfigMap {
		put(&s.pending.ConfigMaps, name, after)
		s.signal()
		return
	}
	s.change(&s.global, configMapReferences(after), func(before []reference) {
		s.release(before)
		put(&s.pending.ConfigMaps, name, after)
		if may := mayCrossNamespaces(after); may != s.crossNamespace {
			s.crossNamespace = may
			s.offerAll(func(*networkingv1.Ingress) bool { return true })
		}
		s.signal()
	})
}
