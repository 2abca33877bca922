package cluster

import (
	"maps"
	"reflect"
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

// Since returns what makes before into s, as With takes it. Objects are compared by identity, so what a source has read again
// counts as changed. It costs a look at each object of the kinds that may differ, and nothing for the others.
func (s Snapshot) Since(before Snapshot) Changes {
	return Changes{
		Ingresses:  ingressesSince(before.Ingresses, s.Ingresses),
		Classes:    since(before.Classes, s.Classes, isOne),
		Services:   since(before.services, s.services, isOne),
		Slices:     since(before.slices, s.slices, slices.Equal),
		Secrets:    since(before.secrets, s.secrets, isOne),
		ConfigMaps: since(before.configMaps, s.configMaps, isOne),
		Namespaces: since(before.namespaces, s.namespaces, isOne),
	}
}

func isOne[T any](a, b *T) bool { return a == b }

func since[K comparable, V any](before, now map[K]V, same func(a, b V) bool) map[K]V {
	if reflect.ValueOf(before).Pointer() == reflect.ValueOf(now).Pointer() {
		return nil
	}
	var changes map[K]V
	note := func(key K, v V) {
		if changes == nil {
			changes = map[K]V{}
		}
		changes[key] = v
	}
	for key, v := range now {
		if old, known := before[key]; !known || !same(old, v) {
			note(key, v)
		}
	}
	for key := range before {
		if _, stays := now[key]; !stays {
			var gone V
			note(key, gone)
		}
	}
	return changes
}

// ingressesSince compares two lists in the order of oldestFirst.
func ingressesSince(before, now []*networkingv1.Ingress) map[Name]*networkingv1.Ingress {
	changes := map[Name]*networkingv1.Ingress{}
	gone := func(ing *networkingv1.Ingress) {
		if name := NameOf(ing); changes[name] == nil {
			changes[name] = nil
		}
	}
	for len(before)+len(now) > 0 {
		switch {
		case len(now) == 0 || len(before) > 0 && before[0] != now[0] && CompareAge(before[0], now[0]) < 0:
			gone(before[0])
			before = before[1:]
		case len(before) > 0 && before[0] == now[0]:
			before, now = before[1:], now[1:]
		default:
			changes[NameOf(now[0])] = now[0]
			if len(before) > 0 && CompareAge(before[0], now[0]) == 0 {
				before = before[1:] // another version of it
			}
			now = now[1:]
		}
	}
	return changes
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
		at, _ := slices.BinarySearchFunc(sorted, ing, CompareAge)
		keep(sorted[done:at])
		merged, done = append(merged, ing), at
	}
	keep(sorted[done:])
	return slices.Clip(merged)
}

// CompareAge is the order of Snapshot.Ingresses; 0 means the same name and age.
func CompareAge(a, b *networkingv1.Ingress) int {
	if age := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); age != 0 {
		return age
	}
	return strings.Compare(b.Namespace+"/"+b.Name, a.Namespace+"/"+a.Name)
}
