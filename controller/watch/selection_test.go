package watch

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

func classOf(name, controller string) *networkingv1.IngressClass {
	return &networkingv1.IngressClass{ObjectMeta: metaOf("", name), Spec: networkingv1.IngressClassSpec{Controller: controller}}
}

func withoutClass(ing *networkingv1.Ingress) { ing.Spec.IngressClassName = nil }

func byAnnotation(class string) func(*networkingv1.Ingress) {
	return func(ing *networkingv1.Ingress) { ing.Annotations[classAnnotation] = class }
}

func withDefaultBackend(ing *networkingv1.Ingress) {
	b := backend("fallback")
	ing.Spec.DefaultBackend = &b
}

// step is a change, and whether Ingress shop/web is served after it.
type step struct {
	what   string
	change func(*apiServer)
	served bool
}

// Whatever makes an Ingress ours or not shows in a Snapshot at once, without a restart.
func TestSelectionFollowsEveryChange(t *testing.T) {
	web := func(change ...func(*networkingv1.Ingress)) func(*apiServer) {
		return func(a *apiServer) { a.put(ingress("shop", "web", change...)) }
	}
	class := func(name, controller string) func(*apiServer) {
		return func(a *apiServer) { a.put(classOf(name, controller)) }
	}
	noClass := func(name string) func(*apiServer) {
		return func(a *apiServer) { a.remove(classOf(name, "")) }
	}
	for name, test := range map[string]struct {
		selection cluster.Selection
		steps     []step
	}{
		"by controller": {cluster.Selection{}, []step{
			{"the class comes after its Ingress", class("nginx", cluster.DefaultControllerClass), true},
			{"the class goes to another controller", class("nginx", "example.com/other"), false},
			{"the class comes back", class("nginx", cluster.DefaultControllerClass), true},
			{"the class is deleted", noClass("nginx"), false},
			{"the annotation takes the place of the class", web(withoutClass, byAnnotation("nginx")), true},
			{"the annotation changes", web(withoutClass, byAnnotation("other")), false},
			{"the annotation comes back", web(withoutClass, byAnnotation("nginx")), true},
			{"a missing class counts before the annotation", web(byAnnotation("nginx")), false},
			{"the class is made again", class("nginx", cluster.DefaultControllerClass), true},
			{"the Ingress names no class any more", web(withoutClass), false},
		}},
		"by name": {cluster.Selection{IngressClass: "edge", ByName: true}, []step{
			{"the class of that name comes", func(a *apiServer) { class("edge", "example.com/other")(a); web(ofClass("edge"))(a) }, true},
			{"the Ingress takes a class of another name", web(ofClass("nginx")), false},
			{"that class becomes ours", class("nginx", cluster.DefaultControllerClass), true},
		}},
		"without a class": {cluster.Selection{WithoutClass: true}, []step{
			{"the Ingress has none", web(withoutClass), true},
			{"it gets somebody else's annotation", web(withoutClass, byAnnotation("other")), false},
			{"it loses that", web(withoutClass), true},
			{"it gets a class that does not exist", web(ofClass("gone")), false},
		}},
		"no default backends": {cluster.Selection{DisableCatchAll: true, WithoutClass: true}, []step{
			{"the Ingress has none", web(withoutClass), true},
			{"it gets one", web(withoutClass, withDefaultBackend), false},
			{"it loses it", web(withoutClass), true},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPIServer(t, ingress("shop", "web"), aService("shop", "web"), aService("shop", "fallback"))
			r := follow(t, api, Options{Selection: test.selection}).synced()
			if r.Snapshot().Service("shop", "web") != nil {
				t.Fatal("the Ingress is served from the start")
			}
			for _, step := range test.steps {
				step.change(api)
				s := r.shows(step.what, func(s cluster.Snapshot) bool { return (s.Service("shop", "web") != nil) == step.served })
				if ours, why := r.Selection().Ours(s, s.Ingresses[0]); ours != step.served {
					t.Errorf("%s: the Selection says %v, %s", step.what, ours, why)
				}
			}
		})
	}
}

// An Ingress that is refused for its default backend is reported, so it is news; nothing of it is fetched.
func TestRefusedIngressesAreNews(t *testing.T) {
	refused := ingress("shop", "web", withDefaultBackend, withTLS("tls"))
	api := newAPIServer(t, nginxClass(), aService("shop", "web"), aService("shop", "fallback"), aSecret("shop", "tls", "one"))
	r := follow(t, api, Options{Selection: cluster.Selection{DisableCatchAll: true}}).synced()
	api.put(refused)
	s := r.shows("the Ingress is there", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 1 })
	if s.Service("shop", "web") != nil || s.Service("shop", "fallback") != nil || r.requested("list", "shop", "secrets", "tls") > 0 {
		t.Error("something was fetched for an Ingress that is not served")
	}
	api.remove(refused)
	r.shows("the Ingress is gone", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 0 })
	api.put(ingress("shop", "other", withDefaultBackend, ofClass("other")))
	r.until("the other is heard of", r.locked(func() bool { return r.ingresses.objects[named("shop", "other")] != nil }))
	r.isQuiet("an Ingress of others has a default backend")
}

// Two Sources with classes of their own follow the same objects and never serve the same Ingress.
func TestTwoControllersShareACluster(t *testing.T) {
	api := newAPIServer(t, nginxClass(), classOf("edge", "example.com/edge"), aService("shop", "web"), aService("shop", "old"),
		ingress("shop", "web"), ingress("shop", "old", withoutClass, byAnnotation("edge")))
	first := follow(t, api, Options{}).synced()
	second := follow(t, api, Options{Selection: cluster.Selection{ControllerClass: "example.com/edge", IngressClass: "edge"}}).synced()
	serves := func(web, old bool) func(cluster.Snapshot) bool {
		return func(s cluster.Snapshot) bool {
			return (s.Service("shop", "web") != nil) == web && (s.Service("shop", "old") != nil) == old
		}
	}
	if !serves(true, false)(first.Snapshot()) || !serves(false, true)(second.Snapshot()) {
		t.Fatal("an Ingress is served by the wrong one")
	}
	api.put(ingress("shop", "web", ofClass("edge")))
	first.shows("it has lost the Ingress", serves(false, false))
	second.shows("it has got the Ingress", serves(true, true))
	api.put(classOf("edge", cluster.DefaultControllerClass))
	first.shows("it has got the class", serves(true, false))
	second.shows("it has lost the class", serves(false, true))
	api.put(ingress("shop", "old", withoutClass, byAnnotation("nginx")))
	first.shows("it has got the annotation", serves(true, true))
	second.shows("it has lost the annotation", serves(false, false))
}

// Endpoints are chosen by what a Service prefers and by hints, so both are news.
func TestTopologyIsNews(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web"), aService("shop", "web"), aSlice("shop", "web-a", "web", "10.0.0.1"))
	r := follow(t, api, Options{}).synced()
	service := aService("shop", "web")
	preferred := corev1.ServiceTrafficDistributionPreferSameNode
	service.Spec.TrafficDistribution = &preferred
	api.put(service)
	r.shows("the Service prefers its node", func(s cluster.Snapshot) bool {
		d := s.Service("shop", "web").Spec.TrafficDistribution
		return d != nil && *d == preferred
	})
	service = aService("shop", "web")
	service.Annotations = map[string]string{corev1.AnnotationTopologyMode: "Auto"}
	api.put(service)
	r.shows("the Service prefers its zone", func(s cluster.Snapshot) bool {
		return s.Service("shop", "web").Annotations[corev1.AnnotationTopologyMode] == "Auto"
	})
	slice := aSlice("shop", "web-a", "web", "10.0.0.1")
	slice.Endpoints[0].Hints = &discoveryv1.EndpointHints{
		ForZones: []discoveryv1.ForZone{{Name: "a"}}, ForNodes: []discoveryv1.ForNode{{Name: "node-1"}},
	}
	api.put(slice)
	r.shows("there are hints", func(s cluster.Snapshot) bool {
		hints := s.Slices("shop", "web")[0].Endpoints[0].Hints
		return hints != nil && len(hints.ForZones) == 1 && len(hints.ForNodes) == 1
	})
}
