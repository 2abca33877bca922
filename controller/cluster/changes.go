package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/persistent"
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

// With returns the Snapshot after the changes; s stays as it is. It costs what has changed, and a copy of the
// list of Ingresses if they have; New would sort and index everything.
func (s Snapshot) With(c Changes) Snapshot {
	s = s.withIngresses(c.Ingresses)
	s.Classes = patched(s.Classes, c.Classes, isNil)
	s.services = patched(s.services, c.Services, isNil)
	s.slices = patched(s.slices, c.Slices, isEmpty)
	s.secrets = patched(s.secrets, c.Secrets, isNil)
	s.configMaps = patched(s.configMaps, c.ConfigMaps, isNil)
	s.namespaces = patched(s.namespaces, c.Namespaces, isNil)
	return s
}

// Applied returns the Snapshot with these objects in place of those of the same names, as kubectl apply would leave it.
func (s Snapshot) Applied(lists Lists) Snapshot {
	now := s.With(Changes{
		Ingresses: indexed(lists.Ingresses, func(o *networkingv1.Ingress) Name { return NameOf(o) }),
		Classes:   indexed(lists.Classes, (*networkingv1.IngressClass).GetName),
		Services:  indexed(lists.Services, func(o *corev1.Service) Name { return NameOf(o) }),
		Secrets:   indexed(lists.Secrets, func(o *corev1.Secret) Name { return NameOf(o) }), ConfigMaps: indexed(lists.ConfigMaps, func(o *corev1.ConfigMap) Name { return NameOf(o) }),
		Namespaces: indexed(lists.Namespaces, (*corev1.Namespace).GetName),
	})
	for _, slice := range lists.Slices {
		for service, list := range now.slices.All() { // the label may name another Service than before
			if at := slices.IndexFunc(list, func(old *discoveryv1.EndpointSlice) bool { return NameOf(old) == NameOf(slice) }); at >= 0 {
				now = now.With(Changes{Slices: map[Name][]*discoveryv1.EndpointSlice{service: slices.Delete(slices.Clone(list), at, at+1)}})
			}
		}
		service := Name{slice.Namespace, slice.Labels[discoveryv1.LabelServiceName]}
		list := append(slices.Clone(now.slices.At(service)), slice)
		slices.SortFunc(list, func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
		now = now.With(Changes{Slices: map[Name][]*discoveryv1.EndpointSlice{service: list}})
	}
	return now
}

// indexed are objects by a key.
func indexed[K comparable, T any](objects []T, key func(T) K) map[K]T {
	index := make(map[K]T, len(objects))
	for _, o := range objects {
		index[key(o)] = o
	}
	return index
}

// Since returns what makes before into s, as With takes it. Objects are compared by identity, so what a source has read again
// counts as changed. If s comes from before by With, it costs what has changed.
func (s Snapshot) Since(before Snapshot) Changes {
	return Changes{
		Ingresses:  since(before.ingresses, s.ingresses, isOne),
		Classes:    since(before.Classes, s.Classes, isOne),
		Services:   since(before.services, s.services, isOne),
		Slices:     since(before.slices, s.slices, slices.Equal),
		Secrets:    since(before.secrets, s.secrets, isOne),
		ConfigMaps: since(before.configMaps, s.configMaps, isOne),
		Namespaces: since(before.namespaces, s.namespaces, isOne),
	}
}

func isOne[T any](a, b *T) bool { return a == b }

func since[K comparable, V any](before, now persistent.Map[K, V], same func(a, b V) bool) map[K]V {
	var changes map[K]V
	for d := range persistent.Differences(before, now) {
		if d.Was && d.Is && same(d.Old, d.New) {
			continue // in Snapshots that were made apart
		}
		if changes == nil {
			changes = map[K]V{}
		}
		changes[d.Key] = d.New
	}
	return changes
}

func isNil[T any](o *T) bool { return o == nil }

func isEmpty[T any](list []T) bool { return len(list) == 0 }

func patched[K comparable, V any](index persistent.Map[K, V], changes map[K]V, gone func(V) bool) persistent.Map[K, V] {
	for key, v := range changes {
		if gone(v) {
			index = index.Without(key)
		} else {
			index = index.With(key, v)
		}
	}
	return index
}

// withIngresses changes the Ingresses.
func (s Snapshot) withIngresses(changes map[Name]*networkingv1.Ingress) Snapshot {
	var gone, more []*networkingv1.Ingress
	for name, ing := range changes {
		if old := s.ingresses.At(name); old != nil {
			gone = append(gone, old)
		}
		if ing != nil {
			more = append(more, ing)
		}
	}
	s.Ingresses, s.ingresses = Edited(s.Ingresses, gone, more, CompareAge), patched(s.ingresses, changes, isNil)
	return s
}

// Edited is a sorted list without some of its elements and with others, in order; it sorts gone and more. The list stays as it
// is; without changes it is returned. It costs a copy, and looking for each of the changes.
func Edited[T comparable](sorted, gone, more []T, compare func(a, b T) int) []T {
	if len(gone)+len(more) == 0 {
		return sorted
	}
	slices.SortFunc(gone, compare)
	slices.SortStableFunc(more, compare)
	out := make([]T, 0, len(sorted)+len(more))
	upTo := func(at int) { out, sorted = append(out, sorted[:at]...), sorted[at:] }
	for len(gone)+len(more) > 0 {
		if len(gone) == 0 || len(more) > 0 && compare(more[0], gone[0]) < 0 {
			at, _ := slices.BinarySearchFunc(sorted, more[0], compare)
			upTo(at)
			out, more = append(out, more[0]), more[1:]
			continue
		}
		at, _ := slices.BinarySearchFunc(sorted, gone[0], compare)
		upTo(at + slices.Index(sorted[at:], gone[0]))
		sorted, gone = sorted[1:], gone[1:]
	}
	upTo(len(sorted))
	return out
}

// CompareAge is the order of Snapshot.Ingresses; 0 means the same name and age.
func CompareAge(a, b *networkingv1.Ingress) int {
	if age := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); age != 0 {
		return age
	}
	if a.Namespace == b.Namespace {
		return strings.Compare(b.Name, a.Name)
	}
	return strings.Compare(b.Namespace+"/"+b.Name, a.Namespace+"/"+a.Name)
}
