package watch

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Permissions are what a Source with these Options uses, no more and no less: rules for the whole cluster, and by
// namespace. Without those for Secrets or ConfigMaps in some namespace, what is referred to there counts as
// missing; without that for IngressClasses, classes are not looked at. Without any other, a Source never becomes
// ready.
func Permissions(o Options) (inCluster []rbacv1.PolicyRule, byNamespace map[string][]rbacv1.PolicyRule) {
	classes := grant{networkingv1.GroupName, "ingressclasses"}
	serve := []grant{{corev1.GroupName, "services"}, {discoveryv1.GroupName, "endpointslices"}}
	watched := o.Selection.WatchNamespace
	if watched == "" {
		grants := append(serve, classes, ingresses, secrets, configMaps)
		if selector := o.Selection.Namespaces; selector != nil && !selector.Empty() {
			grants = append(grants, grant{corev1.GroupName, "namespaces"})
		}
		return rules(grants), nil
	}
	grants := map[string][]grant{watched: {ingresses, secrets, configMaps}}
	for _, namespace := range o.serviceNamespaces() {
		grants[namespace] = append(grants[namespace], serve...)
	}
	for _, name := range o.Secrets {
		grants[name.Namespace] = append(grants[name.Namespace], secrets)
	}
	for _, name := range append([]cluster.Name{o.ConfigMap}, o.StreamConfigMaps...) {
		if name != (cluster.Name{}) {
			grants[name.Namespace] = append(grants[name.Namespace], configMaps)
		}
	}
	byNamespace = map[string][]rbacv1.PolicyRule{}
	for namespace, list := range grants {
		byNamespace[namespace] = rules(list)
	}
	return rules([]grant{classes}), byNamespace
}

// grant is one resource that may be listed and watched.
type grant struct{ group, resource string }

var (
	ingresses  = grant{networkingv1.GroupName, "ingresses"}
	secrets    = grant{corev1.GroupName, "secrets"}
	configMaps = grant{corev1.GroupName, "configmaps"}
)

// rules are grants by group.
func rules(grants []grant) []rbacv1.PolicyRule {
	slices.SortFunc(grants, func(a, b grant) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource))
	})
	var list []rbacv1.PolicyRule
	for _, g := range slices.Compact(grants) {
		if len(list) == 0 || list[len(list)-1].APIGroups[0] != g.group {
			list = append(list, rbacv1.PolicyRule{APIGroups: []string{g.group}, Verbs: []string{"list", "watch"}})
		}
		last := &list[len(list)-1]
		last.Resources = append(last.Resources, g.resource)
	}
	return list
}
