package watch

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// patience is how long anything may take that has to happen. Nothing waits for it to pass.
const patience = 20 * time.Second

func metaOf(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.Unix(1_780_000_000, 0)}
}

func named(namespace, name string) cluster.Name {
	return cluster.Name{Namespace: namespace, Name: name}
}

func nginxClass() *networkingv1.IngressClass {
	return &networkingv1.IngressClass{ObjectMeta: metaOf("", "nginx"), Spec: networkingv1.IngressClassSpec{Controller: cluster.DefaultControllerClass}}
}

// ingress of class nginx with one rule for a Service of the same name, and then what change makes of it.
func ingress(namespace, name string, change ...func(*networkingv1.Ingress)) *networkingv1.Ingress {
	class := "nginx"
	ing := &networkingv1.Ingress{ObjectMeta: metaOf(namespace, name)}
	ing.Annotations = map[string]string{}
	ing.Spec.IngressClassName = &class
	ing.Spec.Rules = []networkingv1.IngressRule{{Host: name + ".example", IngressRuleValue: networkingv1.IngressRuleValue{
		HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", Backend: backend(name)}}},
	}}}
	for _, f := range change {
		f(ing)
	}
	return ing
}

func backend(service string) networkingv1.IngressBackend {
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}}}
}

func ofClass(class string) func(*networkingv1.Ingress) {
	return func(ing *networkingv1.Ingress) { ing.Spec.IngressClassName = &class }
}

func withTLS(secret string) func(*networkingv1.Ingress) {
	return func(ing *networkingv1.Ingress) {
		ing.Spec.TLS = append(ing.Spec.TLS, networkingv1.IngressTLS{Hosts: []string{ing.Name + ".example"}, SecretName: secret})
	}
}

func annotated(key, value string) func(*networkingv1.Ingress) {
	return func(ing *networkingv1.Ingress) { ing.Annotations["nginx.ingress.kubernetes.io/"+key] = value }
}

func aService(namespace, name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metaOf(namespace, name), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
}

func aSlice(namespace, name, service string, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metaOf(namespace, name), AddressType: discoveryv1.AddressTypeIPv4}
	s.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	for _, address := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	return s
}

func aSecret(namespace, name, certificate string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metaOf(namespace, name), Type: corev1.SecretTypeTLS, Data: map[string][]byte{corev1.TLSCertKey: []byte(certificate)}}
}

func aConfigMap(namespace, name string, keyValues ...string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metaOf(namespace, name), Data: map[string]string{}}
	for pair := range slices.Chunk(keyValues, 2) {
		m.Data[pair[0]] = pair[1]
	}
	return m
}

func aNamespace(name string, labels ...string) *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metaOf("", name)}
	for _, l := range labels {
		n.Labels = map[string]string{l: "yes"}
	}
	return n
}

// witness is an Observer that others can wait at.
type witness struct {
	mu       sync.Mutex
	contacts map[string]int
	failures map[string]int
	news     chan struct{}
}

func (w *witness) Contacted(kind string)       { w.note(w.contacts, kind) }
func (w *witness) Failed(kind string, _ error) { w.note(w.failures, kind) }

func (w *witness) note(counts map[string]int, kind string) {
	w.mu.Lock()
	counts[kind]++
	w.mu.Unlock()
	w.wake()
}

func (w *witness) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.news)
	w.news = make(chan struct{})
}

func (w *witness) failed(kind string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures[kind]
}

// running is a Source that runs against an apiServer.
type running struct {
	*Source
	*witness
	t   *testing.T
	api *apiServer
}

// follow starts a Source and stops it at the end of the test.
func follow(t *testing.T, api *apiServer, o Options) *running {
	t.Helper()
	w := &witness{contacts: map[string]int{}, failures: map[string]int{}, news: make(chan struct{})}
	o.Observer = w
	if testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	api.mu.Lock()
	api.news = w.wake
	api.mu.Unlock()
	source, err := New(api.config(), o)
	if err != nil {
		t.Fatal(err)
	}
	source.contact.grace, source.contact.pause = 300*time.Millisecond, 10*time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	return &running{source, w, t, api}
}

// synced waits until the Source is, and takes the signal that says so.
func (r *running) synced() *running {
	r.t.Helper()
	select {
	case <-r.Synced():
		<-r.Changes()
	case <-time.After(patience):
		r.t.Fatalf("not synced: %v", r.Ready())
	}
	return r
}

// until waits until a condition holds. It looks again whenever the Source or the API server has heard something.
func (r *running) until(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.witness.mu.Lock()
		news := r.news
		r.witness.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-news:
		case <-deadline:
			r.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// shows waits for a signal after which the Snapshot is as wanted.
func (r *running) shows(what string, wanted func(s cluster.Snapshot) bool) cluster.Snapshot {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case <-r.Changes():
			if s := r.Snapshot(); wanted(s) {
				return s
			}
		case <-deadline:
			r.t.Fatalf("no signal came with a Snapshot in which %s", what)
		}
	}
}

// isQuiet fails if a signal is there.
func (r *running) isQuiet(what string) {
	r.t.Helper()
	select {
	case <-r.Changes():
		r.t.Errorf("%s: there was a signal", what)
	default:
	}
}

// locked reads what the Source guards.
func (r *running) locked(f func() bool) func() bool {
	return func() bool {
		r.Source.mu.Lock()
		defer r.Source.mu.Unlock()
		return f()
	}
}

// requested tells how often something was asked for.
func (r *running) requested(verb, namespace, resource, name string) int {
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	return r.api.requests[request{verb, namespace, resource, name}]
}

// hears waits until the Source knows of everything that happened before, and has looked at what it had to. It uses
// that the version of an object grows with an annotation that is not ours.
func (r *running) hears(object metav1.Object) {
	r.t.Helper()
	object.SetAnnotations(map[string]string{"example.com/touched": time.Now().String()})
	r.api.put(object)
	r.api.mu.Lock()
	version := r.api.objects[resourceOf(object)][cluster.NameOf(object)].GetResourceVersion()
	r.api.mu.Unlock()
	name := cluster.NameOf(object)
	r.until("the version of "+name.String(), r.locked(func() bool {
		switch object.(type) {
		case *corev1.Secret:
			return r.secrets.wanted[name].version == version
		case *corev1.ConfigMap:
			return r.configMaps.wanted[name].version == version
		}
		r.t.Fatalf("cannot wait for a %T", object)
		return false
	}))
}

func names(s cluster.Snapshot) []string {
	var list []string
	for _, ing := range s.Ingresses {
		list = append(list, cluster.NameOf(ing).String())
	}
	slices.Sort(list)
	return list
}

// Whether the API server sends first lists through watches or not, the result is the same.
func TestSnapshotHasWhatIsReferredTo(t *testing.T) {
	for _, old := range []bool{false, true} {
		api := newAPIServer(t,
			nginxClass(), ingress("shop", "web", withTLS("tls"), annotated("custom-headers", "infra/headers")),
			ingress("shop", "other", ofClass("other"), withTLS("other-tls")),
			aService("shop", "web"), aService("shop", "other"), aService("blog", "web"),
			aSlice("shop", "web-b", "web", "10.0.0.2"), aSlice("shop", "web-a", "web", "10.0.0.1"), aSlice("shop", "other-a", "other"),
			aSecret("shop", "tls", "one"), aSecret("shop", "other-tls", "two"), aSecret("infra", "default", "three"),
			aConfigMap("infra", "headers"), aConfigMap("infra", "controller", "add-headers", "infra/more"), aConfigMap("infra", "more"), aConfigMap("shop", "kube-root-ca.crt"),
		)
		api.set(func() { api.old = old })
		r := follow(t, api, Options{ConfigMap: named("infra", "controller"), Secrets: []cluster.Name{named("infra", "default")}}).synced()
		s := r.Snapshot()
		if got, want := names(s), []string{"shop/other", "shop/web"}; !slices.Equal(got, want) {
			t.Errorf("Ingresses %v, want %v", got, want)
		}
		if s.Classes.At("nginx") == nil || s.Service("shop", "web") == nil || len(s.Slices("shop", "web")) != 2 || s.Slices("shop", "web")[0].Name != "web-a" ||
			s.Secret("shop", "tls") == nil || s.Secret("infra", "default") == nil ||
			s.ConfigMap("infra", "headers") == nil || s.ConfigMap("infra", "controller") == nil || s.ConfigMap("infra", "more") == nil {
			t.Error("something that is referred to is missing")
		}
		if s.Service("shop", "other") != nil || s.Slices("shop", "other") != nil || s.Service("blog", "web") != nil || s.Secret("shop", "other-tls") != nil || s.ConfigMap("shop", "kube-root-ca.crt") != nil {
			t.Error("something that nothing of ours refers to is there")
		}
		if n := r.requested("list", "shop", "secrets", "other-tls"); n > 0 {
			t.Error("a Secret of others was looked at")
		}
		if err := r.Ready(); err != nil || s.Now.IsZero() {
			t.Errorf("ready: %v; now: %v", err, s.Now)
		}
	}
}

// Whatever happens, in whatever order it is heard of, the Snapshot ends as one made of what there is.
func TestSnapshotEndsAsOneMadeAtOnce(t *testing.T) {
	api := newAPIServer(t, nginxClass())
	r := follow(t, api, Options{}).synced()
	for step := range 60 {
		i := step * 7 % 5
		name := []string{"a", "b", "c", "d", "e"}[i]
		objects := []metav1.Object{
			aService("shop", name), aSlice("shop", name, name, "10.0.0."+name), aSecret("shop", name, "one"),
			ingress("shop", name, withTLS([]string{"a", "b", "c"}[step%3])), ingress("shop", name, ofClass("other"), withTLS(name)),
			ingress("shop", name, annotated("auth-secret", "e")), nginxClass(),
		}
		object := objects[step*11%len(objects)]
		if step%4 == 3 && api.has(object) {
			api.remove(object)
		} else {
			api.put(object)
		}
	}
	want := content(api.snapshot(r.Source))
	r.until("the Snapshot is as one made at once", func() bool { return reflect.DeepEqual(content(r.Snapshot()), want) })
}

// content is what the Snapshot of the test above has, without versions.
func content(s cluster.Snapshot) []metav1.Object {
	var list []metav1.Object
	add := func(o metav1.Object) {
		if !reflect.ValueOf(o).IsNil() {
			o = o.(runtime.Object).DeepCopyObject().(metav1.Object)
			o.SetResourceVersion("")
			list = append(list, o)
		}
	}
	for _, ing := range s.Ingresses {
		add(ing)
	}
	add(s.Classes.At("nginx"))
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		add(s.Service("shop", name))
		add(s.Secret("shop", name))
		for _, slice := range s.Slices("shop", name) {
			add(slice)
		}
	}
	return list
}

func (a *apiServer) has(o metav1.Object) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.objects[resourceOf(o)][cluster.NameOf(o)] != nil
}

// snapshot is made of all there is, by the rule: Ingresses and classes, and what Ingresses of ours refer to.
func (a *apiServer) snapshot(s *Source) cluster.Snapshot {
	a.mu.Lock()
	defer a.mu.Unlock()
	var lists cluster.Lists
	for _, o := range a.objects["ingressclasses"] {
		class := o.(*networkingv1.IngressClass).DeepCopy()
		stripClass(class)
		lists.Classes = append(lists.Classes, class)
	}
	wanted := map[reference]bool{}
	for _, o := range a.objects["ingresses"] {
		ing := o.(*networkingv1.Ingress).DeepCopy()
		s.stripIngress(ing)
		lists.Ingresses = append(lists.Ingresses, ing)
		if ours, _ := s.options.Selection.Ours(cluster.New(lists), ing); ours {
			for _, ref := range s.references(ing) {
				wanted[ref] = true
			}
		}
	}
	for ref := range maps.Keys(wanted) {
		if o := a.objects["services"][ref.name]; o != nil && ref.kind == service {
			kept := o.(*corev1.Service).DeepCopy()
			s.stripService(kept)
			lists.Services = append(lists.Services, kept)
		}
		if o := a.objects["secrets"][ref.name]; o != nil && ref.kind == secret {
			kept := o.(*corev1.Secret).DeepCopy()
			stripSecret(kept)
			lists.Secrets = append(lists.Secrets, kept)
		}
	}
	for _, o := range a.objects["endpointslices"] {
		kept := o.(*discoveryv1.EndpointSlice).DeepCopy()
		if stripSlice(kept); wanted[reference{service, serviceOf(kept)}] {
			lists.Slices = append(lists.Slices, kept)
		}
	}
	return cluster.New(lists)
}

func TestNamespaceSelectorAndNamespaceExcludeEachOther(t *testing.T) {
	selector, _ := labels.Parse("a=b")
	if _, err := New(newAPIServer(t).config(), Options{Selection: cluster.Selection{WatchNamespace: "shop", Namespaces: selector}}); err == nil {
		t.Error("no error")
	}
}
