package watch

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// What is asked for is what Permissions lists: no more and no less.
func TestPermissionsAreThoseUsed(t *testing.T) {
	selector, err := labels.Parse("served=yes")
	if err != nil {
		t.Fatal(err)
	}
	flags := Options{
		ConfigMap: named("infra", "controller"), Secrets: []cluster.Name{named("certs", "default")}, Services: []cluster.Name{named("fallback", "web"), named("infra", "self")},
	}
	one, selected := flags, flags
	one.Selection.WatchNamespace = "shop"
	selected.Selection.Namespaces = selector
	for name, o := range map[string]Options{"all": {}, "flags": flags, "one namespace": one, "selector": selected} {
		t.Run(name, func(t *testing.T) {
			used := map[request]bool{}
			// An old API server is asked for lists, a new one for watches.
			for _, old := range []bool{false, true} {
				api := newAPIServer(t, nginxClass(), aNamespace("shop", "served"), aSecret("shop", "tls", "one"), aConfigMap("shop", "headers"),
					ingress("shop", "web", withTLS("tls"), annotated("custom-headers", "headers")))
				api.set(func() { api.old = old })
				r := follow(t, api, o).synced()
				api.put(aSecret("shop", "tls", "two"))
				r.shows("the Secret has changed", func(s cluster.Snapshot) bool { return certificate(s, "tls") == "two" })
				// Watches for what is looked up begin in their own time.
				r.until("all watches are there", func() bool {
					api.mu.Lock()
					defer api.mu.Unlock()
					return reflect.DeepEqual(watched(api.watching), watched(api.requests)) && len(watched(api.requests)) >= 6
				})
				api.mu.Lock()
				for asked := range api.requests {
					asked.name = ""
					used[asked] = true
				}
				api.mu.Unlock()
			}
			inCluster, byNamespace := Permissions(o)
			allowed := map[request]bool{}
			allow(allowed, "", inCluster)
			for namespace, rules := range byNamespace {
				allow(allowed, namespace, rules)
			}
			if o.Selection.WatchNamespace == "" {
				used = everywhere(used)
			}
			for asked := range used {
				if !allowed[asked] {
					t.Errorf("used and not permitted: %v", asked)
				}
			}
			for permitted := range allowed {
				if !used[permitted] {
					t.Errorf("permitted and not used: %v", permitted)
				}
			}
		})
	}
}

func watched(requests map[request]int) []string {
	var list []string
	for asked, n := range requests {
		if asked.verb == "watch" && n > 0 {
			list = append(list, asked.namespace+"/"+asked.resource)
		}
	}
	slices.Sort(list)
	return list
}

func allow(allowed map[request]bool, namespace string, rules []rbacv1.PolicyRule) {
	for _, rule := range rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				allowed[request{verb, namespace, resource, ""}] = true
			}
		}
	}
}

// everywhere is what a role for the whole cluster has to allow for the requests.
func everywhere(used map[request]bool) map[request]bool {
	all := map[request]bool{}
	for asked := range maps.Keys(used) {
		all[request{asked.verb, "", asked.resource, ""}] = true
	}
	return all
}

func TestRulesAreSortedByGroup(t *testing.T) {
	got, byNamespace := Permissions(Options{})
	verbs := []string{"list", "watch"}
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps", "secrets", "services"}, Verbs: verbs},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: verbs},
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingressclasses", "ingresses"}, Verbs: verbs},
	}
	if !reflect.DeepEqual(got, want) || byNamespace != nil {
		t.Errorf("got %v and %v", got, byNamespace)
	}
}
