package watch

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

func withStatus(ip string) func(*networkingv1.Ingress) {
	return func(ing *networkingv1.Ingress) {
		ing.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: ip}}
	}
}

// hasStatusChange takes a signal if there is one.
func (r *running) hasStatusChange() bool {
	select {
	case <-r.StatusChanges():
		return true
	default:
		return false
	}
}

// heard waits until the Source knows of a status.
func (r *running) heard(name cluster.Name, ip string) {
	r.t.Helper()
	r.until("the status "+ip, func() bool {
		published := r.Published(name)
		return len(published) == 1 && published[0].IP == ip
	})
}

func TestStatusOfOursIsNewsForWhoWritesIt(t *testing.T) {
	web, other := named("shop", "web"), named("shop", "other")
	api := newAPIServer(t, nginxClass(), ingress("shop", "web"), ingress("shop", "other", ofClass("other")))
	r := follow(t, api, Options{}).synced()
	<-r.StatusChanges() // all is known now
	api.put(ingress("shop", "other", ofClass("other"), withStatus("192.0.2.1")))
	r.heard(other, "192.0.2.1")
	if r.hasStatusChange() {
		t.Error("somebody else's status gave a signal")
	}
	api.put(ingress("shop", "web", withStatus("192.0.2.2")))
	r.heard(web, "192.0.2.2")
	if !r.hasStatusChange() {
		t.Error("a status of ours gave no signal")
	}
	api.put(ingress("shop", "web", withStatus("192.0.2.2"), annotated("ssl-redirect", "false")), ingress("shop", "other", ofClass("other"), withStatus("192.0.2.3")))
	r.heard(other, "192.0.2.3")
	r.hasStatusChange() // that it has changed may be news for its status
	r.shows("the annotation", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 2 })
	api.put(ingress("shop", "web", withStatus("192.0.2.4"), annotated("ssl-redirect", "false")))
	r.heard(web, "192.0.2.4")
	r.isQuiet("only a status changed")
}

func TestWhatBecomesOrCeasesToBeOursIsNewsForItsStatus(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web", ofClass("other")))
	r := follow(t, api, Options{}).synced()
	<-r.StatusChanges()
	other := nginxClass()
	other.Spec.Controller = "example.com/other"
	for _, step := range []struct {
		what   string
		change func()
		ours   int
	}{
		{"it gets our class", func() { api.put(ingress("shop", "web")) }, 1},
		{"the class goes away", func() { api.put(other) }, 0},
		{"the class comes back", func() { api.put(nginxClass()) }, 1},
		{"it is deleted", func() { api.remove(ingress("shop", "web")) }, 0},
		{"it is made again", func() { api.put(ingress("shop", "web")) }, 1},
	} {
		step.change()
		deadline := time.After(patience)
		for ours := -1; ours != step.ours; {
			select {
			case <-r.StatusChanges():
			case <-deadline:
				t.Fatalf("%s: no signal came", step.what)
			}
			ours = 0
			for _, ing := range r.Snapshot().Ingresses {
				if r.Ours(ing) {
					ours++
				}
			}
		}
	}
}

func TestAddressesOfNamedServicesAreNews(t *testing.T) {
	balanced := func(name, ip string) *corev1.Service {
		s := aService("infra", name)
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip}}
		return s
	}
	api := newAPIServer(t, nginxClass(), aService("infra", "self"), aService("infra", "other"), ingress("infra", "web"))
	r := follow(t, api, Options{Services: []cluster.Name{named("infra", "self")}}).synced()
	<-r.StatusChanges()
	api.put(balanced("other", "192.0.2.1"), balanced("self", "192.0.2.2"))
	select {
	case <-r.StatusChanges():
	case <-time.After(patience):
		t.Fatal("no signal came")
	}
	if got := r.Snapshot().Service("infra", "self").Status.LoadBalancer.Ingress; len(got) != 1 || got[0].IP != "192.0.2.2" {
		t.Errorf("status %v", got)
	}
	api.put(aService("infra", "new"))
	r.until("all that is heard of", r.locked(func() bool { return r.services.objects[named("infra", "new")] != nil }))
	if r.hasStatusChange() {
		t.Error("a Service that nobody names gave a signal")
	}
}

func TestOursIsAboutNamespacesToo(t *testing.T) {
	selector, err := labels.Parse("served=yes")
	if err != nil {
		t.Fatal(err)
	}
	api := newAPIServer(t, nginxClass(), aNamespace("shop", "served"), aNamespace("blog"), ingress("shop", "web"))
	r := follow(t, api, Options{Selection: cluster.Selection{Namespaces: selector}}).synced()
	for _, c := range []struct {
		ing  *networkingv1.Ingress
		want bool
	}{
		{ingress("shop", "web"), true}, {ingress("shop", "web", ofClass("other")), false}, {ingress("blog", "web"), false},
	} {
		if got := r.Ours(c.ing); got != c.want {
			t.Errorf("%s of class %s: %t", cluster.NameOf(c.ing), *c.ing.Spec.IngressClassName, got)
		}
	}
}
