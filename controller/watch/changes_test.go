package watch

import (
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/persistent"
)

func TestClassChangesBothWays(t *testing.T) {
	web := ingress("shop", "web", withTLS("tls"))
	api := newAPIServer(t, nginxClass(), web, aService("shop", "web"), aSecret("shop", "tls", "one"))
	r := follow(t, api, Options{}).synced()
	has := func(s cluster.Snapshot) bool {
		return s.Service("shop", "web") != nil && s.Secret("shop", "tls") != nil
	}
	if !has(r.Snapshot()) {
		t.Fatal("the Ingress of our class is not served")
	}
	steps := []struct {
		what   string
		change func()
		served bool
	}{
		{"the Ingress goes to another class", func() { api.put(ingress("shop", "web", withTLS("tls"), ofClass("other"))) }, false},
		{"the Ingress comes back", func() { api.put(web) }, true},
		{"the class goes to another controller", func() {
			class := nginxClass()
			class.Spec.Controller = "example.com/other"
			api.put(class)
		}, false},
		{"the class comes back", func() { api.put(nginxClass()) }, true},
		{"the class is deleted", func() { api.remove(nginxClass()) }, false},
		{"the class is made again", func() { api.put(nginxClass()) }, true},
	}
	for _, step := range steps {
		step.change()
		r.shows(step.what, func(s cluster.Snapshot) bool { return has(s) == step.served && len(s.Ingresses) == 1 })
	}
}

// A plan that refuses the present version of an Ingress falls back to an earlier one, which needs its Services.
func TestWhatAnEarlierVersionNeedsStaysWhileThatOneServes(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web"), aService("shop", "web"), aService("shop", "new"))
	r := follow(t, api, Options{}).synced()
	good := r.Snapshot().Ingresses[0]
	judge := func(ing *networkingv1.Ingress) {
		r.Judged(persistent.Of(map[cluster.Name]*networkingv1.Ingress{named("shop", "web"): ing}))
	}
	judge(good)
	moved := ingress("shop", "web")
	moved.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "new"
	api.put(moved)
	s := r.shows("the new version", func(s cluster.Snapshot) bool { return s.Service("shop", "new") != nil })
	if s.Service("shop", "web") == nil {
		t.Error("the Service of the earlier version left before anybody judged the new one")
	}
	judge(good) // the new one is refused
	if s = r.Snapshot(); s.Service("shop", "web") == nil {
		t.Error("the Service of the version that serves is gone")
	}
	judge(s.Ingresses[0])
	if s = r.Snapshot(); s.Service("shop", "web") != nil {
		t.Error("the Service of a version that no longer serves is still there")
	}
	api.remove(moved)
	r.shows("no Ingress", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 0 })
	judge(nil)
	r.until("nothing is counted any more", r.locked(func() bool { return len(r.uses) == 0 && len(r.former) == 0 }))
}

func TestServicesAndIngressesOfOthersAreNoNews(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web"), aService("shop", "web"), ingress("shop", "other", ofClass("other")))
	r := follow(t, api, Options{}).synced()
	api.put(aService("shop", "other"), aSlice("shop", "other-a", "other", "10.0.0.1"), ingress("shop", "other", ofClass("other"), annotated("a", "b")))
	api.put(aSlice("shop", "other-a", "other", "10.0.0.2"))
	r.until("all that is heard of", r.locked(func() bool {
		list := r.slicesOf[named("shop", "other")]
		return r.services.objects[named("shop", "other")] != nil && len(list) == 1 && list[0].Endpoints[0].Addresses[0] == "10.0.0.2" &&
			len(r.ingresses.objects[named("shop", "other")].Annotations) == 1
	}))
	r.isQuiet("objects of others changed")
	s := r.Snapshot()
	if s.Service("shop", "other") != nil || s.Slices("shop", "other") != nil {
		t.Error("the Snapshot has a Service that nothing of ours refers to")
	}
	if s.Ingresses[0].Annotations == nil && s.Ingresses[1].Annotations == nil {
		t.Error("the Snapshot has an old version of somebody else's Ingress")
	}

	api.put(ingress("shop", "web", annotated("default-backend", "other")))
	s = r.shows("the Service is there", func(s cluster.Snapshot) bool { return s.Service("shop", "other") != nil })
	if len(s.Slices("shop", "other")) != 1 {
		t.Error("the Service came without its endpoints")
	}
	api.put(aSlice("shop", "other-b", "other", "10.0.0.3"))
	r.shows("the Service has two slices", func(s cluster.Snapshot) bool { return len(s.Slices("shop", "other")) == 2 })
	api.put(aSlice("shop", "other-a", "web", "10.0.0.3"))
	r.shows("a slice has moved", func(s cluster.Snapshot) bool {
		return len(s.Slices("shop", "other")) == 1 && len(s.Slices("shop", "web")) == 1
	})
	api.put(ingress("shop", "web"))
	r.shows("the Service is gone", func(s cluster.Snapshot) bool {
		return s.Service("shop", "other") == nil && s.Slices("shop", "other") == nil
	})
	api.remove(aService("shop", "web"))
	r.shows("the other Service is gone", func(s cluster.Snapshot) bool { return s.Service("shop", "web") == nil })
	api.remove(ingress("shop", "web"))
	r.shows("the Ingress is gone", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 1 && s.Slices("shop", "web") == nil })
	r.until("nothing is counted any more", r.locked(func() bool { return len(r.uses) == 0 && len(r.claims) == 1 }))
}

// What we do not keep of an object may change without a signal, and without another pointer.
func TestFieldsThatWeDoNotKeepAreNoNews(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web", withTLS("tls")), aService("shop", "web"), aSlice("shop", "web-a", "web", "10.0.0.1"), aSecret("shop", "tls", "one"))
	r := follow(t, api, Options{}).synced()
	before := r.Snapshot()
	web := ingress("shop", "web", withTLS("tls"))
	web.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
	web.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
	service := aService("shop", "web")
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	slice := aSlice("shop", "web-a", "web", "10.0.0.1")
	slice.Annotations = map[string]string{"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"}
	api.put(web, service, slice)
	r.hears(aSecret("shop", "tls", "one"))
	// An object that we have not seen before ends each stream, so that all before it has been heard of.
	api.put(ingress("other", "x", ofClass("other")), aService("other", "x"), aSlice("other", "x", "x"))
	r.until("all that is heard of", r.locked(func() bool {
		x := named("other", "x")
		return r.ingresses.objects[x] != nil && r.services.objects[x] != nil && r.slicesOf[x] != nil
	}))
	r.isQuiet("fields that we do not keep changed")
	after := r.Snapshot()
	at := slices.IndexFunc(after.Ingresses, func(ing *networkingv1.Ingress) bool { return ing.Name == "web" })
	if before.Ingresses[0] != after.Ingresses[at] || before.Service("shop", "web") != after.Service("shop", "web") ||
		before.Slices("shop", "web")[0] != after.Slices("shop", "web")[0] || before.Secret("shop", "tls") != after.Secret("shop", "tls") {
		t.Error("an object that has not changed for us has another pointer")
	}
	if got := r.Published(named("shop", "web")); len(got) != 1 || got[0].IP != "192.0.2.1" {
		t.Errorf("published: %v", got)
	}
	if len(after.Ingresses[at].Status.LoadBalancer.Ingress) > 0 {
		t.Error("the Snapshot has the status")
	}
	api.remove(web)
	r.shows("the Ingress is gone", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 1 })
	if r.Published(named("shop", "web")) != nil {
		t.Error("the status of a deleted Ingress is kept")
	}
}

func TestNamespacesComeAndGoWithTheirLabels(t *testing.T) {
	selector, err := labels.Parse("served=yes")
	if err != nil {
		t.Fatal(err)
	}
	api := newAPIServer(t,
		nginxClass(), aNamespace("shop", "served"), aNamespace("blog"), aNamespace("infra"),
		ingress("shop", "web"), ingress("blog", "web", withTLS("tls")), aService("blog", "web"), aSecret("blog", "tls", "one"), aSecret("infra", "default", "two"),
	)
	r := follow(t, api, Options{Selection: cluster.Selection{Namespaces: selector}, Secrets: []cluster.Name{named("infra", "default")}}).synced()
	if got := names(r.Snapshot()); !slices.Equal(got, []string{"shop/web"}) {
		t.Fatalf("Ingresses %v", got)
	}
	if r.requested("list", "blog", "secrets", "tls") > 0 || r.Snapshot().Secret("infra", "default") == nil {
		t.Error("Secrets of namespaces that are not selected count only if a flag names them")
	}
	api.put(aNamespace("blog", "served"))
	r.shows("both are served", func(s cluster.Snapshot) bool {
		return slices.Equal(names(s), []string{"blog/web", "shop/web"}) && s.Secret("blog", "tls") != nil && s.Service("blog", "web") != nil && s.Namespace("blog") != nil
	})
	api.put(aNamespace("shop"))
	r.shows("only the second is served", func(s cluster.Snapshot) bool {
		return slices.Equal(names(s), []string{"blog/web"}) && s.Namespace("shop") == nil
	})
	api.remove(aNamespace("blog", "served"))
	r.shows("none is served", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 0 && s.Secret("blog", "tls") == nil })
	if r.Snapshot().Namespace("blog") != nil {
		t.Error("a deleted namespace is in the Snapshot")
	}
}

func TestForbiddenClasses(t *testing.T) {
	byAnnotation := ingress("shop", "old")
	byAnnotation.Spec.IngressClassName = nil
	byAnnotation.Annotations[classAnnotation] = "nginx"
	api := newAPIServer(t, nginxClass(), byAnnotation, aService("shop", "old"), ingress("shop", "web"), aService("shop", "web"))
	api.set(func() { api.denied["ingressclasses"] = true })
	r := follow(t, api, Options{}).synced()
	if !r.Selection().ClassesUnreadable {
		t.Error("the Selection does not say that classes are unreadable")
	}
	if s := r.Snapshot(); s.Service("shop", "old") == nil || s.Service("shop", "web") != nil {
		t.Error("without classes, the annotation decides")
	}
	api.set(func() { delete(api.denied, "ingressclasses") })
	r.shows("classes count", func(s cluster.Snapshot) bool {
		return s.Service("shop", "old") != nil && s.Service("shop", "web") != nil
	})
	if r.Selection().ClassesUnreadable {
		t.Error("the Selection still says that classes are unreadable")
	}
	// If they become forbidden later, the last list stays.
	failed := r.failed("IngressClass")
	api.set(func() { api.denied["ingressclasses"], api.oldest = true, 1000 })
	r.until("the list is refused", func() bool { return r.failed("IngressClass") > failed })
	if s := r.Snapshot(); r.Selection().ClassesUnreadable || s.Classes.At("nginx") == nil {
		t.Error("the last list of classes was forgotten")
	}
}

func TestOneNamespace(t *testing.T) {
	api := newAPIServer(t,
		nginxClass(), ingress("shop", "web"), aService("shop", "web"), ingress("blog", "web"), aService("blog", "web"),
		aService("infra", "fallback"), aSlice("infra", "fallback-a", "fallback"), aSecret("infra", "default", "one"), aConfigMap("infra", "controller"),
	)
	r := follow(t, api, Options{
		Selection: cluster.Selection{WatchNamespace: "shop"}, ConfigMap: named("infra", "controller"),
		Secrets: []cluster.Name{named("infra", "default")}, Services: []cluster.Name{named("infra", "fallback")},
	}).synced()
	s := r.Snapshot()
	if got := names(s); !slices.Equal(got, []string{"shop/web"}) {
		t.Errorf("Ingresses %v", got)
	}
	if s.Service("infra", "fallback") == nil || len(s.Slices("infra", "fallback")) != 1 || s.Secret("infra", "default") == nil || s.ConfigMap("infra", "controller") == nil {
		t.Error("what flags name is missing")
	}
	api.remove(aService("infra", "fallback"))
	r.shows("the default backend is gone", func(s cluster.Snapshot) bool { return s.Service("infra", "fallback") == nil })
	if s := r.Snapshot(); s.Service("shop", "web") == nil {
		t.Error("a Service of another namespace is gone with it")
	}
}

func TestOutage(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web", withTLS("tls")), ingress("shop", "gone"), aService("shop", "web"),
		aSlice("shop", "web-a", "web", "10.0.0.1"), aSecret("shop", "tls", "one"))
	for _, forgetful := range []bool{false, true} {
		api.put(aSlice("shop", "web-a", "web", "10.0.0.1"), aSecret("shop", "tls", "one"), ingress("shop", "gone"))
		r := follow(t, api, Options{}).synced()
		before := r.Snapshot()
		api.set(func() { api.down = true })
		for _, kind := range []string{"Ingress", "IngressClass", "Service", "EndpointSlice", "Secret"} {
			r.until(kind+" fails", func() bool { return r.failed(kind) > 0 })
		}
		r.isQuiet("the API server is away")
		if during := r.Snapshot(); len(during.Ingresses) != 2 || during.Secret("shop", "tls") != before.Secret("shop", "tls") {
			t.Error("the last state was forgotten")
		}
		api.put(aSlice("shop", "web-a", "web", "10.0.0.2"), aSecret("shop", "tls", "two"))
		api.remove(ingress("shop", "gone"))
		api.set(func() {
			api.down = false
			if forgetful {
				api.oldest = api.version + 1
			}
		})
		after := r.shows("all is as it is now", func(s cluster.Snapshot) bool {
			return len(s.Ingresses) == 1 && s.Slices("shop", "web")[0].Endpoints[0].Addresses[0] == "10.0.0.2" && string(s.Secret("shop", "tls").Data[corev1.TLSCertKey]) == "two"
		})
		if !reflect.DeepEqual(after.Service("shop", "web"), before.Service("shop", "web")) || after.Service("shop", "web") != before.Service("shop", "web") {
			t.Error("an object that has not changed has another pointer")
		}
		api.set(func() { api.oldest = 0 })
	}
}

// A Source that never gets through ends when it is told to, and says what it waits for until then.
func TestEndWhileAway(t *testing.T) {
	api := newAPIServer(t, nginxClass())
	api.set(func() { api.denied["services"] = true })
	r := follow(t, api, Options{})
	r.until("all but Services is listed", r.locked(func() bool { return len(r.unlisted) == 1 }))
	if err := r.Ready(); err == nil || err.Error() != "the API server has not listed yet: Service" {
		t.Errorf("Ready: %v", err)
	}
	r.isQuiet("not synced")
	api.set(func() { api.down = true })
	api.Listener.Close()
	failed := r.failed("Service")
	r.until("connections are refused", func() bool { return r.failed("Service") > failed+1 })
}
