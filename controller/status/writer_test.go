package status

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// patience is how long anything may take that has to happen. Nothing waits for it to pass.
const patience = 30 * time.Second

var (
	web  = cluster.Name{Namespace: "shop", Name: "web"}
	self = cluster.Name{Namespace: "infra", Name: "sluice-1"}
)

func (a *apiServer) snapshot() cluster.Snapshot {
	lists := cluster.Lists{Classes: []*networkingv1.IngressClass{{
		ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: cluster.DefaultControllerClass},
	}}}
	for _, ing := range a.known {
		lists.Ingresses = append(lists.Ingresses, ing)
	}
	if a.service != nil {
		lists.Services = []*corev1.Service{a.service}
	}
	s := cluster.New(lists)
	s.Now = time.Now()
	return s
}

func ingress(name cluster.Name, class string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		Spec:       networkingv1.IngressSpec{IngressClassName: &class},
	}
}

func node(name string, typesAndAddresses ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for pair := range slices.Chunk(typesAndAddresses, 2) {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeAddressType(pair[0]), Address: pair[1]})
	}
	return n
}

// pod is a replica of some version of the controller that is ready.
func pod(name, node, version string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: name, Labels: map[string]string{
			"app": "sluice", "pod-template-hash": version, "controller-revision-hash": version, "pod-template-generation": version,
		}},
		Spec: corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue},
		}},
	}
}

// newWriter makes a Writer that publishes one address if the Options name no other.
func newWriter(t *testing.T, api *apiServer, o Options) *Writer {
	t.Helper()
	o.Pod = self
	if testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w, err := New(api.config(), api, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// lead runs a Writer until stop is called or the test ends.
func lead(t *testing.T, w *Writer) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	stop = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

// until waits until a condition holds. It looks again whenever something has changed.
func (a *apiServer) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		a.mu.Lock()
		held, changed := holds(), a.changed
		a.mu.Unlock()
		if held {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (a *apiServer) says(name cluster.Name, status ...address) func() bool {
	return func() bool {
		ing := a.ingresses[name]
		return ing != nil && same(ing.Status.LoadBalancer.Ingress, status)
	}
}

func TestOursAreWrittenAndNoOthers(t *testing.T) {
	api := newAPIServer(t)
	api.put(ingress(web, "nginx"))
	foreign := cluster.Name{Namespace: "shop", Name: "foreign"}
	api.put(ingress(foreign, "other"))
	api.say(foreign, others...)
	lead(t, newWriter(t, api, Options{Addresses: []string{"203.0.113.2", "lb.example.com"}}))
	api.until(t, "the status is written", api.says(web, after...))

	late := cluster.Name{Namespace: "blog", Name: "late"}
	api.put(ingress(late, "nginx"))
	api.until(t, "a new one is written", api.says(late, after...))
	api.put(ingress(foreign, "nginx"))
	api.until(t, "one that becomes ours is written", api.says(foreign, after...))
	if got := api.requests["PUT /apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status"]; got != 3 {
		t.Errorf("%d writes, want 3", got)
	}
}

func TestPublishedServiceIsFollowed(t *testing.T) {
	api := newAPIServer(t)
	api.put(ingress(web, "nginx"))
	api.say(web, others...) // of the controller before us
	lead(t, newWriter(t, api, Options{Service: cluster.Name{Namespace: "infra", Name: "sluice"}}))
	balancer := func(status ...corev1.LoadBalancerIngress) {
		api.do(func() {
			api.service = &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "sluice"}, Spec: corev1.ServiceSpec{Type: "LoadBalancer"}}
			api.service.Status.LoadBalancer.Ingress = status
		})
	}
	balancer()
	balancer(corev1.LoadBalancerIngress{IP: "203.0.113.1"})
	api.until(t, "the address arrives", api.says(web, before...))
	balancer(corev1.LoadBalancerIngress{IP: "203.0.113.2"}, corev1.LoadBalancerIngress{Hostname: "lb.example.com"})
	api.until(t, "it changes", api.says(web, after...))
	balancer()
	api.until(t, "it is gone", api.says(web))
	balancer(corev1.LoadBalancerIngress{IP: "203.0.113.1"})
	api.until(t, "it is back", api.says(web, before...))
	// One write for each: what the last controller said was not cleared.
	if api.writes != 4 {
		t.Errorf("%d writes, want 4", api.writes)
	}
}

func TestNodesOfReadyReplicas(t *testing.T) {
	unready, pending, foreign := pod("sluice-3", "c", "1"), pod("sluice-4", "d", "1"), pod("other", "e", "1")
	unready.Status.Conditions[1].Status = corev1.ConditionFalse
	pending.Status.Phase = corev1.PodPending
	foreign.Labels["app"] = "other"
	for _, c := range []struct {
		internal bool
		want     []address
	}{
		{false, []address{ip("10.0.0.2"), ip("203.0.113.1")}},
		{true, []address{ip("10.0.0.1"), ip("10.0.0.2")}},
	} {
		api := newAPIServer(t)
		for _, p := range []*corev1.Pod{pod("sluice-1", "a", "1"), pod("sluice-2", "b", "2"), pod("sluice-5", "b", "2"), pod("sluice-6", "gone", "2"), unready, pending, foreign} {
			api.pods[p.Name] = p
		}
		for i, name := range []string{"a", "b", "c", "d", "e"} {
			api.nodes[name] = node(name, "InternalIP", fmt.Sprintf("10.0.0.%d", i+1))
		}
		api.nodes["a"] = node("a", "InternalIP", "10.0.0.1", "ExternalIP", "203.0.113.1")
		api.put(ingress(web, "nginx"))
		lead(t, newWriter(t, api, Options{NodeInternalIP: c.internal}))
		api.until(t, "the nodes are published", api.says(web, c.want...))
		want := []string{
			"GET /api/v1/namespaces/infra/pods", "GET /api/v1/namespaces/infra/pods/{name}", "GET /api/v1/nodes/{name}",
			"GET /apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}", "PUT /apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status",
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(api.requests))); diff != "" {
			t.Errorf("requests for which the role must allow:\n%s", diff)
		}
	}
}

func TestNobodyReadyChangesNothing(t *testing.T) {
	api := newAPIServer(t)
	api.pods[self.Name] = pod(self.Name, "a", "1")
	api.nodes["a"] = node("a", "InternalIP", "10.0.0.1")
	w := newWriter(t, api, Options{})
	now := time.Now()
	if got, err := w.ofNodes(t.Context(), now); err != nil || !same(got, []address{ip("10.0.0.1")}) {
		t.Fatalf("%v, error %v", got, err)
	}
	api.pods[self.Name].Status.Conditions[1].Status = corev1.ConditionFalse
	if got, err := w.ofNodes(t.Context(), now.Add(LeastInterval-1)); err != nil || !same(got, []address{ip("10.0.0.1")}) {
		t.Errorf("before the interval is over: %v, error %v", got, err)
	}
	if got, err := w.ofNodes(t.Context(), now.Add(LeastInterval)); err == nil {
		t.Errorf("after it: %v and no error", got)
	}
}

// A pod without labels of its own is all there is, and not every pod of the namespace.
func TestPodWithoutLabels(t *testing.T) {
	api := newAPIServer(t)
	bare := pod(self.Name, "a", "1")
	bare.Labels = map[string]string{"pod-template-hash": "1"}
	api.pods[self.Name], api.pods["other"] = bare, pod("other", "b", "1")
	api.nodes["a"], api.nodes["b"] = node("a", "InternalIP", "10.0.0.1"), node("b", "InternalIP", "10.0.0.2")
	w := newWriter(t, api, Options{})
	if got, err := w.ofNodes(t.Context(), time.Now()); err != nil || !same(got, []address{ip("10.0.0.1")}) {
		t.Errorf("nodes %v, error %v", got, err)
	}
	if alone, err := w.replicas.areAlone(t.Context()); !alone || err != nil {
		t.Errorf("alone: %t, error %v", alone, err)
	}
}

// What somebody else does between our read and our write is neither lost nor overlooked.
func TestChangesInBetween(t *testing.T) {
	for what, c := range map[string]struct {
		meanwhile func(a *apiServer)
		want      []address
		writes    int
	}{
		"a new version":     {func(a *apiServer) { a.store(ingress(web, "nginx")) }, before, 1},
		"another status":    {func(a *apiServer) { a.setStatus(web, others) }, before, 1},
		"our status":        {func(a *apiServer) { a.setStatus(web, before) }, before, 0},
		"it is no more":     {func(a *apiServer) { delete(a.ingresses, web) }, nil, 0},
		"it is not ours":    {func(a *apiServer) { a.store(ingress(web, "other")) }, nil, 0},
		"it is another one": {func(a *apiServer) { delete(a.ingresses, web); a.store(ingress(web, "nginx")) }, nil, 0},
	} {
		t.Run(what, func(t *testing.T) {
			api := newAPIServer(t)
			api.put(ingress(web, "nginx"))
			w := newWriter(t, api, Options{Addresses: []string{"203.0.113.1"}})
			api.behind = true
			api.meanwhile = func() { c.meanwhile(api) }
			w.pass(t.Context(), newTerm())
			if ing := api.ingresses[web]; ing != nil && !same(ing.Status.LoadBalancer.Ingress, c.want) {
				t.Errorf("status %v, want %v", ing.Status.LoadBalancer.Ingress, c.want)
			}
			if api.writes != c.writes {
				t.Errorf("%d writes, want %d", api.writes, c.writes)
			}
		})
	}
}

func TestFailuresAreTriedAgain(t *testing.T) {
	api := newAPIServer(t)
	api.put(ingress(web, "nginx"))
	api.broken = true
	w := newWriter(t, api, Options{Addresses: []string{"203.0.113.1"}})
	term := newTerm()
	next := w.pass(t.Context(), term)
	if wait := time.Until(next); wait < LeastInterval-time.Second || wait > again {
		t.Errorf("tried again in %v", wait)
	}
	api.broken = false
	term.ours[web].tried = time.Now().Add(-again)
	w.pass(t.Context(), term)
	if !api.says(web, before...)() {
		t.Error("the status was not written")
	}
}

// An Ingress that goes to a controller that says the same loses its status once at most.
func TestHandedOverOnce(t *testing.T) {
	api := newAPIServer(t)
	api.put(ingress(web, "nginx"))
	w, term := newWriter(t, api, Options{Addresses: []string{"203.0.113.1"}}), newTerm()
	w.pass(t.Context(), term)
	api.put(ingress(web, "other"))
	w.pass(t.Context(), term)
	if !api.says(web, before...)() {
		t.Error("the status was cleared before anybody could write over it")
	}
	term.former[web].left = time.Now().Add(-handover)
	term.former[web].tried = term.former[web].left
	w.pass(t.Context(), term)
	if !api.says(web)() {
		t.Error("the status was not cleared")
	}
	api.say(web, before...)
	if next := w.pass(t.Context(), term); len(term.former) > 0 || api.writes != 2 {
		t.Errorf("%d writes, want 2; looks again in %v", api.writes, time.Until(next))
	}
}

func TestClear(t *testing.T) {
	stopped := pod("sluice-2", "b", "1")
	stopped.Status.Phase = corev1.PodFailed
	starting := pod("sluice-2", "b", "2")
	starting.Status.Phase = corev1.PodPending
	stopping := pod("sluice-2", "b", "1")
	stopping.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	foreign := pod("other", "b", "1")
	foreign.Labels["app"] = "other"
	for what, c := range map[string]struct {
		pods      []*corev1.Pod
		addresses []string
		cleared   bool
	}{
		"alone":             {[]*corev1.Pod{pod(self.Name, "a", "1"), foreign, stopped}, []string{"203.0.113.1"}, true},
		"another one runs":  {[]*corev1.Pod{pod(self.Name, "a", "1"), pod("sluice-2", "b", "2")}, []string{"203.0.113.1"}, false},
		"another one goes":  {[]*corev1.Pod{pod(self.Name, "a", "1"), stopping}, []string{"203.0.113.1"}, true},
		"another one comes": {[]*corev1.Pod{pod(self.Name, "a", "1"), starting}, []string{"203.0.113.1"}, false},
		"two addresses":     {[]*corev1.Pod{pod(self.Name, "a", "1")}, []string{"203.0.113.2", "lb.example.com"}, false},
		"nobody knows us":   {nil, []string{"203.0.113.1"}, false},
	} {
		t.Run(what, func(t *testing.T) {
			api := newAPIServer(t)
			for _, p := range c.pods {
				api.pods[p.Name] = p
			}
			moved := cluster.Name{Namespace: "shop", Name: "moved"}
			disputed := cluster.Name{Namespace: "shop", Name: "disputed"}
			api.put(ingress(web, "nginx"))
			w := newWriter(t, api, Options{Addresses: c.addresses})
			stop := lead(t, w)
			api.until(t, "the status is written", api.says(web, w.fixed...))
			stop()
			api.put(ingress(moved, "other"))
			api.say(moved, w.fixed...)
			api.put(ingress(disputed, "nginx"))
			api.say(disputed, others...)
			w.Clear(t.Context())
			if !c.cleared && !api.says(web, w.fixed...)() || c.cleared && !api.says(web)() {
				t.Errorf("status %v", api.ingresses[web].Status.LoadBalancer.Ingress)
			}
			if !api.says(moved, w.fixed...)() || !api.says(disputed, others...)() {
				t.Error("the status of what is not ours, or not by us, was changed")
			}
		})
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	api := newAPIServer(t)
	for what, o := range map[string]Options{
		"an address that is none": {Addresses: []string{"no_name"}, Pod: self},
		"two sources":             {Addresses: []string{"203.0.113.1"}, Service: web, Pod: self},
		"no pod":                  {Addresses: []string{"203.0.113.1"}},
	} {
		if _, err := New(api.config(), api, o); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if w := newWriter(t, api, Options{Interval: time.Second}); w.options.Interval != LeastInterval {
		t.Errorf("interval %v", w.options.Interval)
	}
}
