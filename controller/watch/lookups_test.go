package watch

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

func certificate(s cluster.Snapshot, name string) string {
	if secret := s.Secret("shop", name); secret != nil {
		return string(secret.Data[corev1.TLSCertKey])
	}
	return "none"
}

func TestSecretsAppearChangeAndDisappear(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web", withTLS("tls")), aSecret("shop", "secret", "?"), aConfigMap("shop", "headers"))
	r := follow(t, api, Options{}).synced()
	is := func(want string) func(cluster.Snapshot) bool {
		return func(s cluster.Snapshot) bool { return certificate(s, "tls") == want }
	}
	if !is("none")(r.Snapshot()) {
		t.Fatal("there is a Secret that does not exist")
	}
	for _, want := range []string{"one", "two", "three"} {
		api.put(aSecret("shop", "tls", want))
		r.shows("the Secret is "+want, is(want))
	}

	// What nothing refers to changes without news, and is never fetched.
	api.put(aSecret("shop", "secret", "!"), aSecret("shop", "new", "?"), aConfigMap("shop", "headers", "a", "b"))
	api.remove(aSecret("shop", "secret", "!"))
	r.hears(aSecret("shop", "tls", "three"))
	r.isQuiet("Secrets changed to which nothing refers")
	for _, name := range []string{"secret", "new"} {
		if r.requested("list", "shop", "secrets", name) > 0 || r.Snapshot().Secret("shop", name) != nil {
			t.Errorf("Secret %s was fetched", name)
		}
	}
	if r.requested("watch", "shop", "configmaps", "")+r.requested("list", "shop", "configmaps", "") > 0 {
		t.Error("ConfigMaps are watched where none is referred to")
	}

	api.remove(aSecret("shop", "tls", "three"))
	r.shows("the Secret is gone", is("none"))
	api.put(aSecret("shop", "tls", "four"))
	r.shows("the Secret is four", is("four"))
	api.put(ingress("shop", "web", withTLS("new")))
	r.shows("the other Secret is there", func(s cluster.Snapshot) bool {
		return certificate(s, "new") == "?" && certificate(s, "tls") == "none"
	})
	api.put(ingress("shop", "web"))
	r.shows("no Secret is there", func(s cluster.Snapshot) bool { return certificate(s, "new") == "none" })
	r.until("Secrets are not watched any more", func() bool {
		api.mu.Lock()
		defer api.mu.Unlock()
		return api.watching[request{"watch", "shop", "secrets", ""}] == 0
	})
	if len(r.secrets.wanted) > 0 {
		t.Error("a Secret is kept")
	}
}

func TestConfigMapsThatTheControllersOwnRefersTo(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web"), aConfigMap("infra", "controller"), aConfigMap("infra", "headers", "a", "b"), aSecret("infra", "dh", ""))
	r := follow(t, api, Options{ConfigMap: named("infra", "controller")}).synced()
	api.put(aConfigMap("infra", "controller", "proxy-set-headers", "infra/headers", "ssl-dh-param", "infra/dh"))
	s := r.shows("the ConfigMap has changed", func(s cluster.Snapshot) bool { return len(s.ConfigMap("infra", "controller").Data) == 2 })
	if s.ConfigMap("infra", "headers") == nil || s.Secret("infra", "dh") == nil {
		t.Error("the ConfigMap was shown before what it refers to")
	}
	api.put(aConfigMap("infra", "headers", "a", "c"))
	r.shows("a header has changed", func(s cluster.Snapshot) bool { return s.ConfigMap("infra", "headers").Data["a"] == "c" })
	api.remove(aConfigMap("infra", "controller"))
	r.shows("the ConfigMap is gone", func(s cluster.Snapshot) bool {
		return s.ConfigMap("infra", "controller") == nil && s.ConfigMap("infra", "headers") == nil && s.Secret("infra", "dh") == nil
	})
}

// Nobody makes us fetch another namespace's Secret, unless the administrator says so.
func TestConfigMapsOfServicesShowTheServicesTheyName(t *testing.T) {
	api := newAPIServer(t, nginxClass(), aConfigMap("infra", "tcp", "9000", "shop/queue:amqp:PROXY"), aService("shop", "queue"), aService("shop", "lines"))
	r := follow(t, api, Options{StreamConfigMaps: []cluster.Name{named("infra", "tcp"), named("infra", "udp")}}).synced()
	has := func(names ...string) func(cluster.Snapshot) bool {
		return func(s cluster.Snapshot) bool {
			for _, name := range []string{"queue", "lines"} {
				if is := s.Service("shop", name) != nil; is != slices.Contains(names, name) {
					return false
				}
			}
			return true
		}
	}
	if !has("queue")(r.Snapshot()) {
		t.Error("the Service of the entry is not there, or another is")
	}
	api.put(aConfigMap("infra", "tcp", "9000", "shop/lines:1"))
	r.shows("that of the new entry is there", has("lines"))
	api.put(aConfigMap("infra", "udp", "9000", "shop/queue:1", "9001", "nonsense"))
	r.shows("those of both ConfigMaps are there", has("queue", "lines"))
	api.remove(aConfigMap("infra", "tcp"))
	r.shows("that of the ConfigMap that is gone is not", has("queue"))
}

func TestSecretsOfOtherNamespacesNeedLeave(t *testing.T) {
	api := newAPIServer(t, nginxClass(), aConfigMap("infra", "controller"), aSecret("blog", "users", "one"),
		ingress("shop", "web", annotated("auth-secret", "blog/users")))
	r := follow(t, api, Options{ConfigMap: named("infra", "controller")}).synced()
	if r.requested("list", "blog", "secrets", "users") > 0 {
		t.Error("the Secret was fetched")
	}
	api.put(aConfigMap("infra", "controller", "allow-cross-namespace-resources", "true"))
	r.shows("the Secret is there", func(s cluster.Snapshot) bool { return s.Secret("blog", "users") != nil })
	api.put(aConfigMap("infra", "controller", "allow-cross-namespace-resources", "false"))
	r.shows("the Secret is gone", func(s cluster.Snapshot) bool { return s.Secret("blog", "users") == nil })
}

func TestIngressesAreHeldBackUntilTheirSecretsAreKnown(t *testing.T) {
	api := newAPIServer(t, nginxClass(), ingress("shop", "web"), aSecret("shop", "tls", "one"), aService("shop", "web"), aSlice("shop", "web-a", "web"))
	r := follow(t, api, Options{}).synced()
	hold := make(chan struct{})
	api.mu.Lock()
	api.hold = hold
	api.mu.Unlock()
	api.put(ingress("shop", "web", withTLS("tls")), ingress("shop", "new", withTLS("tls")), ingress("shop", "plain"))
	r.shows("an Ingress that waits for nothing is there", func(s cluster.Snapshot) bool { return len(names(s)) == 2 })
	if s := r.Snapshot(); len(s.Ingresses[0].Spec.TLS)+len(s.Ingresses[1].Spec.TLS) > 0 || s.Service("shop", "web") == nil {
		t.Error("the version before is not there any more, or the one after is there already")
	}
	// What is there goes on meanwhile, and a later version takes the place of the one that waits.
	api.put(aSlice("shop", "web-a", "web", "10.0.0.1"))
	r.shows("endpoints change", func(s cluster.Snapshot) bool { return len(s.Slices("shop", "web")[0].Endpoints) == 1 })
	api.put(ingress("shop", "new", withTLS("tls"), annotated("ssl-redirect", "false")))
	r.until("the later version is heard of", r.locked(func() bool { return len(r.ingresses.objects[named("shop", "new")].Annotations) == 1 }))
	api.mu.Lock()
	api.hold = nil
	api.mu.Unlock()
	close(hold)
	s := r.shows("both are there", func(s cluster.Snapshot) bool {
		tls := 0
		for _, ing := range s.Ingresses {
			tls += len(ing.Spec.TLS)
		}
		return len(s.Ingresses) == 3 && tls == 2
	})
	if certificate(s, "tls") != "one" {
		t.Error("the Secret is missing")
	}
	for _, ing := range s.Ingresses {
		if ing.Name == "new" && ing.Annotations == nil {
			t.Error("the version between is there")
		}
	}
	if r.locked(func() bool { return r.uses[reference{secret, named("shop", "tls")}].count != 2 })() {
		t.Error("uses of the Secret are miscounted")
	}
}

// The answer of a look may be older than what the watch has told by then.
func TestSecretChangesDuringALook(t *testing.T) {
	for _, change := range []string{"two", "none"} {
		api := newAPIServer(t, nginxClass(), ingress("shop", "web", withTLS("other")), aSecret("shop", "tls", "one"), aSecret("shop", "other", ""))
		r := follow(t, api, Options{}).synced()
		hold := make(chan struct{})
		api.mu.Lock()
		api.hold = hold
		api.mu.Unlock()
		api.put(ingress("shop", "web", withTLS("tls"), withTLS("other")))
		r.until("the look is on its way", r.locked(func() bool {
			return r.secrets.wanted[named("shop", "tls")] != nil && r.requested("list", "shop", "secrets", "tls") == 1
		}))
		if change == "none" {
			api.remove(aSecret("shop", "tls", ""))
		} else {
			api.put(aSecret("shop", "tls", change))
		}
		r.until("the watch has told", r.locked(func() bool { return r.secrets.wanted[named("shop", "tls")].toldMeanwhile }))
		api.mu.Lock()
		api.hold = nil
		api.mu.Unlock()
		close(hold)
		r.shows("the Secret is "+change, func(s cluster.Snapshot) bool {
			return len(s.Ingresses[0].Spec.TLS) == 2 && certificate(s, "tls") == change
		})
	}
}

// Secrets that we may not read, or that cannot be read, cost nobody else anything.
func TestSecretsThatCannotBeRead(t *testing.T) {
	api := newAPIServer(t, nginxClass(),
		ingress("shop", "web", withTLS("broken"), withTLS("tls")), aSecret("shop", "broken", "one"), aSecret("shop", "tls", "two"),
		ingress("blog", "web", withTLS("tls")), aSecret("blog", "tls", "three"))
	api.set(func() { api.broken["shop/secrets/broken"], api.denied["blog/secrets"] = true, true })
	r := follow(t, api, Options{}).synced()
	s := r.Snapshot()
	if len(s.Ingresses) != 2 || certificate(s, "tls") != "two" || certificate(s, "broken") != "none" || s.Secret("blog", "tls") != nil {
		t.Error("not all that can be read is there, or more")
	}
	api.set(func() { clear(api.broken); clear(api.denied) })
	r.shows("all is there", func(s cluster.Snapshot) bool {
		return certificate(s, "broken") == "one" && s.Secret("blog", "tls") != nil
	})
	// What we had stays when we may not read it any more.
	failed := r.failed("Secret")
	api.mu.Lock()
	api.denied["blog/secrets/tls"] = true
	api.mu.Unlock()
	api.put(aSecret("blog", "tls", "four"))
	r.until("the look is refused", func() bool { return r.failed("Secret") > failed })
	if r.Snapshot().Secret("blog", "tls") == nil {
		t.Error("a Secret is forgotten that still exists")
	}
}

func TestOneWatchForManyNamespaces(t *testing.T) {
	objects := []metav1.Object{nginxClass()}
	for i := range manyNamespaces + 20 {
		namespace := fmt.Sprintf("team-%d", i)
		objects = append(objects, ingress(namespace, "web", withTLS("tls")), aSecret(namespace, "tls", "one"))
	}
	api := newAPIServer(t, objects...)
	r := follow(t, api, Options{}).synced()
	r.until("one watch is left", r.locked(func() bool { return r.secrets.wide && len(r.secrets.stop) == 1 }))
	for i := range 3 {
		namespace := fmt.Sprintf("team-%d", i*40)
		api.put(aSecret(namespace, "tls", "two"))
		r.shows("the Secret has changed", func(s cluster.Snapshot) bool {
			return string(s.Secret(namespace, "tls").Data[corev1.TLSCertKey]) == "two"
		})
	}
	api.put(ingress("new", "web", withTLS("tls")))
	r.shows("another Ingress is there", func(s cluster.Snapshot) bool { return len(s.Ingresses) == len(objects)/2+1 })
	api.put(aSecret("new", "tls", "one"))
	r.shows("its Secret appears", func(s cluster.Snapshot) bool { return s.Secret("new", "tls") != nil })
	if r.requested("watch", "new", "secrets", "") > 0 {
		t.Error("a namespace is watched beside all of them")
	}
	var ingresses []metav1.Object
	for _, ing := range r.Snapshot().Ingresses {
		ingresses = append(ingresses, ing)
	}
	for _, ing := range ingresses {
		api.remove(ing)
	}
	r.shows("no Ingress is there", func(s cluster.Snapshot) bool { return len(s.Ingresses) == 0 })
	if r.locked(func() bool { return r.secrets.wide || len(r.secrets.stop) > 0 || len(r.secrets.wanted) > 0 })() {
		t.Error("Secrets are watched that nothing refers to")
	}
}
