package cluster

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Changes, in whatever steps they come, end in the Snapshot that New makes of the objects at the end.
func TestChangesEndWhereNewBegins(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	objects, snapshot := Lists{}, New(Lists{})
	for step := range 200 {
		changes := Changes{
			Ingresses: map[Name]*networkingv1.Ingress{}, Services: map[Name]*corev1.Service{},
			Slices: map[Name][]*discoveryv1.EndpointSlice{},
		}
		for range random.IntN(6) {
			name, age := fmt.Sprintf("app-%d", random.IntN(20)), time.Duration(random.IntN(5))*time.Hour
			n := Name{"shop", name}
			objects.Ingresses = without(objects.Ingresses, n)
			objects.Services = without(objects.Services, n)
			objects.Slices = without(objects.Slices, n)
			changes.Ingresses[n], changes.Services[n], changes.Slices[n] = nil, nil, nil
			if random.IntN(3) > 0 {
				ing, service := &networkingv1.Ingress{ObjectMeta: meta("shop", name, age)}, &corev1.Service{ObjectMeta: meta("shop", name, age)}
				changes.Ingresses[n], changes.Services[n] = ing, service
				changes.Slices[n] = []*discoveryv1.EndpointSlice{slice("shop", name, name)}
				objects.Ingresses = append(objects.Ingresses, ing)
				objects.Services = append(objects.Services, service)
				objects.Slices = append(objects.Slices, changes.Slices[n]...)
			}
		}
		before, copied := snapshot, slices.Clone(snapshot.Ingresses)
		snapshot = snapshot.With(changes)
		if want := New(objects); !reflect.DeepEqual(snapshot, want) {
			t.Fatalf("step %d: got %v\nwant %v", step, namesOf(snapshot.Ingresses), namesOf(want.Ingresses))
		}
		if back := before.With(snapshot.Since(before)); !reflect.DeepEqual(back, snapshot) {
			t.Fatalf("step %d: what has changed since the Snapshot before does not lead to this one: got %v\nwant %v", step, namesOf(back.Ingresses), namesOf(snapshot.Ingresses))
		}
		if !slices.Equal(before.Ingresses, copied) {
			t.Fatalf("step %d: the earlier Snapshot has changed", step)
		}
	}
}

func TestChangesOfEveryKind(t *testing.T) {
	class, secret := &networkingv1.IngressClass{ObjectMeta: meta("", "nginx", 0)}, &corev1.Secret{ObjectMeta: meta("shop", "tls", 0)}
	configMap, namespace := &corev1.ConfigMap{ObjectMeta: meta("shop", "headers", 0)}, &corev1.Namespace{ObjectMeta: meta("", "shop", 0)}
	var zero Snapshot
	with := zero.With(Changes{
		Classes:    map[string]*networkingv1.IngressClass{"nginx": class},
		Secrets:    map[Name]*corev1.Secret{{"shop", "tls"}: secret},
		ConfigMaps: map[Name]*corev1.ConfigMap{{"shop", "headers"}: configMap},
		Namespaces: map[string]*corev1.Namespace{"shop": namespace},
	})
	if with.Classes.At("nginx") != class || with.Secret("shop", "tls") != secret || with.ConfigMap("shop", "headers") != configMap || with.Namespace("shop") != namespace {
		t.Error("an object that was added is not there")
	}
	without := with.With(Changes{
		Classes:    map[string]*networkingv1.IngressClass{"nginx": nil},
		Secrets:    map[Name]*corev1.Secret{{"shop", "tls"}: nil},
		ConfigMaps: map[Name]*corev1.ConfigMap{{"shop", "headers"}: nil},
		Namespaces: map[string]*corev1.Namespace{"shop": nil},
	})
	if without.Classes.Len() > 0 || without.Secret("shop", "tls") != nil || without.ConfigMap("shop", "headers") != nil || without.Namespace("shop") != nil {
		t.Error("an object that is gone is still there")
	}
}

func without[T named](list []T, n Name) []T {
	return slices.DeleteFunc(slices.Clone(list), func(o T) bool { return NameOf(o) == n })
}

func BenchmarkWith(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		lists := many(n)
		snapshot := New(lists)
		ing := lists.Ingresses[n/2]
		name := NameOf(ing)
		b.Run(fmt.Sprintf("endpoints of %d", n), func(b *testing.B) {
			for b.Loop() {
				snapshot = snapshot.With(Changes{Slices: map[Name][]*discoveryv1.EndpointSlice{name: {slice(name.Namespace, "x", name.Name)}}})
			}
		})
		b.Run(fmt.Sprintf("Ingress of %d", n), func(b *testing.B) {
			for b.Loop() {
				snapshot = snapshot.With(Changes{Ingresses: map[Name]*networkingv1.Ingress{name: ing}})
			}
		})
	}
}
