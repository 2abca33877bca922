package cluster

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Changes are what makes one Snapshot into a later one: objects by name, nil for those that are gone.
type Changes struct {
	Ingresses  map[Name]*networkingv1.Ingress
	Classes    map[string]*networkingv1.IngressClass
	Services   map[Name]*corev1.Service
	Slices     map[Name][]*discoveryv1.EndpointSlice // by Service: all of it has, in the order of their names
	Secrets    map[Name]*corev1.Secret
	ConfigMaps map[Name]*corev1.ConfigMap
	Namespaces map[string]*corev1.Namespace
}

// With returns the Snapshot after the changes; s stays as it is. It costs what copying the lists and indexes of
// the kinds that changed costs; New would sort and index everything.
func (s Snapshot) With(c Changes) Snapshot {
	s.Ingresses = mergeIngresses(s.Ingresses, c.Ingresses)
	s.Classes = patched(s.Classes, c.Classes, isNil)
	s.services = patched(s.services, c.Services, isNil)
	s.slices = patched(s.slices, c.Slices, isEmpty)
	s.secrets = patched(s.secrets, c.Secrets, isNil)
	s.configMaps = patched(s.configMaps, c.ConfigMaps, isNil)
	s.namespaces = patched(s.namespaces, c.Namespaces, isNil)
	return s
}

func isNil[T any](o *T) bool { return o == nil }

func isEmpty[T any](list []T) bool { return len(list) == 0 }

func patched[K comparable, V any](index, changes map[K]V, gone func(V) bool) map[K]V {
	if len(changes) == 0 {
		return index
	}
	index = maps.Clone(index)
	if index == nil {
		index = make(map[K]V, len(changes))
	}
	for key, v := range changes {
		if gone(v) {
			delete(index, key)
		} else {
			index[key] = v
		}
	}
	return index
}

// mergeIngresses keeps the order of oldestFirst without sorting again what is sorted already.
func mergeIngresses(sorted []*networkingv1.Ingress, changes map[Name]*networkingv1.Ingress) []*networkingv1.Ingress {
	if len(changes) == 0 {
		return sorted
	}
	var newer []*networkingv1.Ingress
	for _, ing := range changes {
		if ing != nil {
			newer = append(newer, ing)
		}
	}
	merged := make([]*networkingv1.Ingress, 0, len(sorted)+len(newer))
	keep := func(part []*networkingv1.Ingress) {
		for _, ing := range part {
			if _, changed := changes[NameOf(ing)]; !changed {
				merged = append(merged, ing)
			}
		}
	}
	done := 0
	for _, ing := range oldestFirst(newer) {
		at, _ := slices.BinarySearchFunc(sorted, ing, compareAge)
		keep(sorted[done:at])
		merged, done = append(merged, ing), at
	}
	keep(sorted[done:])
	return slices.Clip(merged)
}

// compareAge is the order of oldestFirst.
func compareAge(a, b *networkingv1.Ingress) int {
	if age := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); age != 0 {
		return age
	}
	return strings.Compare(b.Namespace+"/"+b.Name, a.Namespace+"/"+a.Name)
}
