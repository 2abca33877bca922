package charts_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// permissions are what the controller may do, one line for each verb: "list secrets in shop".
func (r rendering) permissions(t testing.TB) []string {
	t.Helper()
	var list []string
	for _, object := range r.objects {
		if kind := object.GetKind(); kind != "Role" && kind != "ClusterRole" {
			continue
		}
		var role rbacv1.Role // a ClusterRole has the same rules
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			t.Fatal(err)
		}
		if binding := strings.Replace(title(object), "Role", "RoleBinding", 1); !r.has(binding) {
			t.Errorf("there is no %s", binding)
		}
		for _, rule := range role.Rules {
			for _, verb := range rule.Verbs {
				line := fmt.Sprintf("%s %s in %s", verb, strings.Join(rule.Resources, ","), cmp.Or(role.Namespace, "all"))
				if len(rule.ResourceNames) > 0 {
					line += " named " + strings.Join(rule.ResourceNames, ",")
				}
				list = append(list, line)
			}
		}
	}
	slices.Sort(list)
	return list
}

// always is granted whatever the values are, when all namespaces are served.
var always = []string{
	"create events in all", "patch events in all",
	"get pods in ingress",
	"list configmaps in all", "watch configmaps in all",
	"list endpointslices in all", "watch endpointslices in all",
	"list ingressclasses in all", "watch ingressclasses in all",
	"list ingresses in all", "watch ingresses in all",
	"list secrets in all", "watch secrets in all",
	"list services in all", "watch services in all",
}

var (
	webhook = []string{
		"get secrets in ingress named sluice-admission-ca", "update secrets in ingress named sluice-admission-ca",
		"get validatingwebhookconfigurations in all named sluice-admission", "patch validatingwebhookconfigurations in all named sluice-admission",
	}
	election = []string{"create leases in ingress", "get leases in ingress named sluice-leader", "update leases in ingress named sluice-leader"}
	status   = []string{"get ingresses in all", "update ingresses/status in all"}
	replicas = []string{"list pods in ingress"}
	nodes    = []string{"get nodes in all"}
)

// TestPermissions wants exactly what the controller does under some values.
func TestPermissions(t *testing.T) {
	for _, test := range []struct {
		name   string
		values string // of the controller
		want   []string
	}{
		{"by default", `{}`, slices.Concat(always, election, status, replicas, webhook)},
		{"no webhook", `{admissionWebhooks: {enabled: false}}`, slices.Concat(always, election, status, replicas)},
		{"a certificate of cert-manager", `{admissionWebhooks: {certManager: {enabled: true}}}`, slices.Concat(always, election, status, replicas)},
		{"a certificate that is brought", `{admissionWebhooks: {patch: {enabled: false}}}`, slices.Concat(always, election, status, replicas)},
		{"addresses of nodes", `{publishService: {enabled: false}}`, slices.Concat(webhook, always, election, status, replicas, nodes)},
		{"no Service", `{service: {enabled: false}}`, slices.Concat(webhook, always, election, status, replicas, nodes)},
		{"fixed addresses", `{publishService: {enabled: false}, extraArgs: {publish-status-address: 192.0.2.1}}`, slices.Concat(webhook, always, election, status, replicas)},
		{"zones", `{enableTopologyAwareRouting: true}`, slices.Concat(webhook, always, election, status, replicas, nodes)},
		{"zones, by a flag", `{extraArgs: {enable-topology-aware-routing: ""}}`, slices.Concat(webhook, always, election, status, replicas, nodes)},
		{"status stays", `{extraArgs: {update-status-on-shutdown: false}}`, slices.Concat(webhook, always, election, status)},
		{"no status, as text", `{extraArgs: {update-status: "false"}}`, slices.Concat(webhook, always, election)},
		{"no status, as bool", `{extraArgs: {update-status: false}}`, slices.Concat(webhook, always, election)},
		{"status, as number", `{extraArgs: {update-status: 1}}`, slices.Concat(webhook, always, election, status, replicas)},
		{"no status of nodes", `{publishService: {enabled: false}, extraArgs: {update-status: "false"}}`, slices.Concat(webhook, always, election)},
		{"no leader", `{disableLeaderElection: true}`, slices.Concat(webhook, always)},
		{"no leader, by a flag", `{extraArgs: {disable-leader-election: "true"}}`, slices.Concat(webhook, always)},
		{"namespaces by label", `{scope: {namespaceSelector: a=b}}`, slices.Concat(webhook, always, election, status, replicas, []string{"list namespaces in all", "watch namespaces in all"})},
	} {
		t.Run(test.name, func(t *testing.T) {
			slices.Sort(test.want)
			got := render(t, installation{values: controllerValues(t, test.values)}).permissions(t)
			if difference := gocmp.Diff(test.want, got); difference != "" {
				t.Errorf("the permissions are others (-want +got):\n%s", difference)
			}
		})
	}
}

// TestPermissionsOfOneNamespace wants nothing elsewhere but what flags name.
func TestPermissionsOfOneNamespace(t *testing.T) {
	values := controllerValues(t, `{
		scope: {enabled: true, namespace: shop}, extraArgs: {default-ssl-certificate: certificates/wildcard, publish-service: edge/balancer}}`)
	values["defaultBackend"] = map[string]any{"enabled": true}
	want := []string{
		"list ingressclasses in all", "watch ingressclasses in all",
		"list secrets in certificates", "watch secrets in certificates",
		"list services in edge", "watch services in edge", "list endpointslices in edge", "watch endpointslices in edge",
		"list configmaps in ingress", "watch configmaps in ingress", "get pods in ingress", "list pods in ingress",
		"list services in ingress", "watch services in ingress", "list endpointslices in ingress", "watch endpointslices in ingress",
		"get ingresses in shop", "list ingresses in shop", "watch ingresses in shop", "update ingresses/status in shop",
		"list secrets in shop", "watch secrets in shop", "list configmaps in shop", "watch configmaps in shop",
		"list services in shop", "watch services in shop", "list endpointslices in shop", "watch endpointslices in shop",
	}
	for _, place := range []string{"certificates", "ingress", "shop"} { // Events are where the objects are that they are about
		want = append(want, "create events in "+place, "patch events in "+place)
	}
	slices.Sort(want)
	withElection := slices.Concat(want, election, webhook)
	slices.Sort(withElection)
	if difference := gocmp.Diff(withElection, render(t, installation{values: values}).permissions(t)); difference != "" {
		t.Errorf("the permissions are others (-want +got):\n%s", difference)
	}

	values["rbac"] = map[string]any{"scope": true}
	// What is granted in the whole cluster is gone, and with it the webhook, whose certificate nobody could be told to trust.
	inNamespaces := slices.Concat(want, election)
	inNamespaces = slices.DeleteFunc(inNamespaces, func(line string) bool { return strings.HasSuffix(line, " in all") })
	slices.Sort(inNamespaces)
	r := render(t, installation{values: values})
	if difference := gocmp.Diff(inNamespaces, r.permissions(t)); difference != "" {
		t.Errorf("with rbac.scope, the permissions are others (-want +got):\n%s", difference)
	}
	for _, object := range r.objects {
		if strings.HasPrefix(object.GetKind(), "ClusterRole") {
			t.Errorf("with rbac.scope, there is a %s", title(object))
		}
	}
}

// TestNobodyIsGrantedAnything without rbac.create.
func TestNobodyIsGrantedAnything(t *testing.T) {
	r := render(t, installation{values: map[string]any{"rbac": map[string]any{"create": false}}})
	if got := r.permissions(t); len(got) > 0 {
		t.Errorf("granted is %v", got)
	}
}
