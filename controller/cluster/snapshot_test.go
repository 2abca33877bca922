package cluster

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func meta(namespace, name string, age time.Duration) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(epoch.Add(-age))}
}

func slice(namespace, name, service string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: meta(namespace, name, 0)}
	if service != "" {
		s.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	}
	return s
}

// namesOf shows objects by name, as tests compare them.
func namesOf[T named](objects []T) []string {
	var names []string
	for _, o := range objects {
		names = append(names, NameOf(o).String())
	}
	return names
}

func TestIngressesAreOldestFirst(t *testing.T) {
	s := New(Lists{Ingresses: []*networkingv1.Ingress{
		{ObjectMeta: meta("a", "same-age", time.Hour)},
		{ObjectMeta: meta("b", "same-age", time.Hour)},
		{ObjectMeta: meta("a", "youngest", time.Minute)},
		{ObjectMeta: meta("a", "oldest", 2*time.Hour)},
		// The order is that of "namespace/name" as one text: "-" is before "/".
		{ObjectMeta: meta("a-z", "same-age", time.Hour)},
		{ObjectMeta: meta("a", "same-age-2", time.Hour)},
	}})
	want := []string{"a/oldest", "b/same-age", "a/same-age-2", "a/same-age", "a-z/same-age", "a/youngest"}
	if got := namesOf(s.Ingresses); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestLookups(t *testing.T) {
	s := New(Lists{
		Classes:    []*networkingv1.IngressClass{{ObjectMeta: meta("", "nginx", 0)}},
		Services:   []*corev1.Service{{ObjectMeta: meta("shop", "web", 0)}, {ObjectMeta: meta("blog", "web", 0)}},
		Secrets:    []*corev1.Secret{{ObjectMeta: meta("shop", "tls", 0)}},
		ConfigMaps: []*corev1.ConfigMap{{ObjectMeta: meta("shop", "headers", 0)}},
		Namespaces: []*corev1.Namespace{{ObjectMeta: meta("", "shop", 0)}},
		Slices: []*discoveryv1.EndpointSlice{
			slice("shop", "z", "web"), slice("shop", "web", "api"), slice("shop", "a", "web"),
			slice("blog", "b", "web"), slice("shop", "unlabelled", ""),
		},
	})
	if got := s.Service("blog", "web"); got == nil || NameOf(got) != (Name{"blog", "web"}) {
		t.Errorf("Service: %v", got)
	}
	if s.Secret("shop", "tls") == nil || s.ConfigMap("shop", "headers") == nil || s.Namespace("shop") == nil || s.Classes.At("nginx") == nil {
		t.Error("an object that is there was not found")
	}
	if got, want := namesOf(s.Slices("shop", "web")), []string{"shop/a", "shop/z"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Slices: got %v, want %v", got, want)
	}
	if s.Service("shop", "api") != nil || s.Secret("blog", "tls") != nil || s.ConfigMap("shop", "web") != nil ||
		s.Namespace("blog") != nil || s.Slices("shop", "") != nil {
		t.Error("an object that is not there was found")
	}
	var empty Snapshot
	if empty.Service("shop", "web") != nil || empty.Slices("shop", "web") != nil {
		t.Error("the zero Snapshot holds something")
	}
}

func TestOrderMakesNoDifference(t *testing.T) {
	lists := many(50)
	want := New(lists)
	for range 20 {
		shuffle(lists.Ingresses)
		shuffle(lists.Services)
		shuffle(lists.Slices)
		shuffle(lists.Classes)
		if got := New(lists); !reflect.DeepEqual(got, want) {
			t.Fatal("other order, other Snapshot")
		}
	}
}

func TestNewLeavesItsInputAlone(t *testing.T) {
	lists := Lists{Ingresses: []*networkingv1.Ingress{
		{ObjectMeta: meta("a", "young", time.Minute)}, {ObjectMeta: meta("a", "old", time.Hour)},
	}}
	New(lists)
	if lists.Ingresses[0].Name != "young" {
		t.Error("New has sorted the list of the caller")
	}
}

func TestNameString(t *testing.T) {
	if got := (Name{"shop", "web"}).String(); got != "shop/web" {
		t.Error(got)
	}
	if got := (Name{"", "nginx"}).String(); got != "nginx" {
		t.Error(got)
	}
}

func shuffle[T any](list []T) {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// many makes n Ingresses, a tenth of them of the same age as another, with two Services each.
func many(n int) Lists {
	lists := Lists{Classes: []*networkingv1.IngressClass{{ObjectMeta: meta("", "nginx", 0)}, {ObjectMeta: meta("", "other", 0)}}}
	for i := range n {
		namespace, name := fmt.Sprintf("team-%d", i%100), fmt.Sprintf("app-%d", i)
		lists.Ingresses = append(lists.Ingresses, &networkingv1.Ingress{ObjectMeta: meta(namespace, name, time.Duration(i*7919%(n*9/10))*time.Second)})
		for _, service := range []string{name, name + "-api"} {
			lists.Services = append(lists.Services, &corev1.Service{ObjectMeta: meta(namespace, service, 0)})
			lists.Slices = append(lists.Slices, slice(namespace, service+"-x7c2p", service))
		}
		lists.Slices = append(lists.Slices, slice(namespace, name+"-a81kq", name))
	}
	return lists
}

func BenchmarkNew(b *testing.B) {
	lists := many(10_000)
	shuffle(lists.Ingresses)
	for b.Loop() {
		New(lists)
	}
}

func BenchmarkDecode(b *testing.B) {
	var data []byte
	for i := range 1000 {
		data = fmt.Appendf(data, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: app-%d, namespace: shop}\n"+
			"spec:\n  rules:\n  - host: app-%d.example.com\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n"+
			"        backend: {service: {name: app-%d, port: {number: 80}}}\n", i, i, i)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, notes := Decode("bench", data); len(notes) > 0 {
			b.Fatal(notes[0])
		}
	}
}
