//go:build e2e

package install_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// roles are the rules that a release has been given, by namespace; those for the whole cluster are at "".
func (s site) roles() map[string][]rbacv1.PolicyRule {
	s.Helper()
	all := map[string][]rbacv1.PolicyRule{}
	of := metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + s.Release}
	api := suite.Client(s).RbacV1()
	clusterRoles, err := api.ClusterRoles().List(s.Context(), of)
	if err != nil {
		s.Fatal(err)
	}
	for _, role := range clusterRoles.Items {
		all[""] = append(all[""], role.Rules...)
	}
	roles, err := api.Roles("").List(s.Context(), of)
	if err != nil {
		s.Fatal(err)
	}
	for _, role := range roles.Items {
		all[role.Namespace] = append(all[role.Namespace], role.Rules...)
	}
	return all
}

// wantExactRights wants the controller to have used each right that it was given, and to have been refused nothing, but what
// it does without: lines as "list ingressclasses".
func (s site) wantExactRights(without ...string) {
	s.Helper()
	roles := s.roles()
	account := strings.TrimSuffix(s.Controller(), "-controller")
	suite.Within(s, soon, func() error {
		accesses := suite.Accesses(s, s.Namespace, account)
		if len(roles) == 0 || len(accesses) == 0 {
			return fmt.Errorf("there are %d roles, and %d accesses", len(roles), len(accesses))
		}
		var wrong []error
		for _, a := range accesses {
			if a.Code == 403 && !slices.Contains(without, a.Verb+" "+a.Resource) {
				s.Fatalf("the controller may not %s %s/%s %s in namespace %q", a.Verb, a.Resource, a.Subresource, a.Name, a.Namespace)
			}
		}
		for namespace, rules := range roles {
			for _, unused := range suite.Unused(rules, neededFor(namespace, accesses, roles)) {
				wrong = append(wrong, fmt.Errorf("a right in namespace %q is not used: %s", namespace, unused))
			}
		}
		return errors.Join(wrong...)
	})
}

// neededFor are the accesses that the role of a namespace is needed for, or that of the whole cluster: what a role of a
// namespace allows needs no other.
func neededFor(namespace string, accesses []suite.Access, roles map[string][]rbacv1.PolicyRule) []suite.Access {
	return slices.DeleteFunc(slices.Clone(accesses), func(a suite.Access) bool {
		if namespace != "" {
			return a.Namespace != namespace
		}
		return a.Namespace != "" && slices.ContainsFunc(roles[a.Namespace], func(rule rbacv1.PolicyRule) bool { return allows(rule, a) })
	})
}

func allows(rule rbacv1.PolicyRule, a suite.Access) bool {
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return slices.Contains(rule.APIGroups, a.Group) && slices.Contains(rule.Resources, resource) && slices.Contains(rule.Verbs, a.Verb) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, a.Name))
}

// TestRights runs the controller with each set of rights through all that it does.
func TestRights(t *testing.T) {
	for _, test := range []struct {
		name      string
		values    string // of the controller
		addresses int    // in a status
		left      int    // of them, when all pods have ended
	}{
		{"service", `replicaCount: 2`, 1, 0},
		{"nodes", `publishService: {enabled: false}`, 1, 0},
		{"fixed", `publishService: {enabled: false}, extraArgs: {publish-status-address: 192.0.2.1}`, 1, 0},
		{"zones", `enableTopologyAwareRouting: true`, 1, 0},
		{"labels", `scope: {namespaceSelector: served=yes}`, 1, 0},
		{"stays", `extraArgs: {update-status-on-shutdown: false}`, 1, 1},
		{"no-status", `extraArgs: {update-status: false}`, 0, 0},
		{"no-leader", `disableLeaderElection: true`, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			suite.Control(t) // has the audit log
			s := site{TB: t, class: test.name, namespace: suite.Namespace(t)}
			s.label("served", "yes")
			s.install(test.values)
			s.work(test.addresses)
			s.wantStatusOf("web", test.left)
			s.wantExactRights()
			s.Uninstall(t)
		})
	}
}

// install makes a release with a class of its own. Its pods list before they watch, as they do where an API server cannot
// stream lists: Kubernetes can by default since 1.34.
func (s *site) install(controller string) {
	s.Helper()
	s.Sluice = suite.Install(s, s.class, fmt.Sprintf(`{controller: {
		ingressClass: %[1]s, ingressClassResource: {name: %[1]s, controllerValue: example.com/%[1]s},
		extraEnvs: [{name: KUBE_FEATURE_WatchListClient, value: "false"}], %[2]s}}`, s.class, controller))
}

// label sets one of the namespace.
func (s site) label(key, value string) {
	s.Helper()
	patch := fmt.Appendf(nil, `{"metadata": {"labels": {%q: %q}}}`, key, value)
	if _, err := suite.Client(s).CoreV1().Namespaces().Patch(s.Context(), s.namespace, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		s.Fatal(err)
	}
}

// work makes the controller do all that it does anywhere: serve an Ingress with its Secret and ConfigMap, write its status if
// that is to have addresses, lead and hand over, tell Events and that they happened again, and end.
func (s site) work(addresses int) {
	s.Helper()
	s.apply(`{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}`)
	s.apply(ingressFor("web"))
	s.patchIngress("web", `{"metadata": {"annotations": {"nginx.ingress.kubernetes.io/fastcgi-params-configmap": "headers"}},
		"spec": {"tls": [{"secretName": "certificate"}]}}`)
	s.wantServed(s.Address, "web.DOMAIN")
	s.wantStatusOf("web", addresses)
	if pods := s.Pods(s); len(pods) > 1 {
		s.handOver()
	}
	s.apply(ingressFor("second"))
	s.wantServed(s.Address, "second.DOMAIN")
	s.wantStatusOf("second", addresses)
	s.wantEventAgain("Ingress", s.namespace, "web", "Sync", func(turn int) {
		s.patchIngress("web", fmt.Sprintf(`{"metadata": {"annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": "%d"}}}`, 60+turn))
	})
	s.wantAuthority()
	s.scale(0)
}

// wantAuthority wants the Secret of the admission webhook to be filled, the last thing that the authority does; some sites
// have none.
func (s site) wantAuthority() {
	s.Helper()
	suite.Within(s, soon, func() error {
		secrets, err := suite.Client(s).CoreV1().Secrets(s.Namespace).List(s.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, secret := range secrets.Items {
			if strings.HasSuffix(secret.Name, "-admission-ca") && len(secret.Data) == 0 {
				return fmt.Errorf("the webhook's Secret %s is empty", secret.Name)
			}
		}
		return nil
	})
}

func (s site) wantStatusOf(ingress string, addresses int) {
	s.Helper()
	suite.Within(s, soon, func() error {
		if got := s.ingress(ingress).Status.LoadBalancer.Ingress; len(got) != addresses {
			return fmt.Errorf("the status of %s is %v, want %d addresses", ingress, got, addresses)
		}
		return nil
	})
}

// handOver ends the pod that leads, and waits for the other to lead.
func (s site) handOver() {
	s.Helper()
	leases := suite.Client(s).CoordinationV1().Leases(s.Namespace)
	name := strings.TrimSuffix(s.Controller(), "-controller") + "-leader"
	holder := func() (string, error) {
		lease, err := leases.Get(s.Context(), name, metav1.GetOptions{})
		if err != nil || lease.Spec.HolderIdentity == nil {
			return "", fmt.Errorf("the Lease has no holder; %w", err)
		}
		return *lease.Spec.HolderIdentity, nil
	}
	first, err := holder()
	if err != nil {
		s.Fatal(err)
	}
	if err := suite.Client(s).CoreV1().Pods(s.Namespace).Delete(s.Context(), first, metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	suite.Within(s, time.Minute, func() error {
		if second, err := holder(); err != nil || second == first || second == "" {
			return fmt.Errorf("%q leads; %w", second, err)
		}
		return nil
	})
}

// wantEventAgain changes something, by turns, until an Event has happened twice: then it is patched.
func (s site) wantEventAgain(kind, namespace, name, reason string, change func(turn int)) {
	s.Helper()
	turn := 0
	suite.Within(s, soon, func() error {
		for _, e := range suite.Events(s, namespace, kind, name) {
			if e.Reason == reason && e.Count > 1 {
				return nil
			}
		}
		change(turn)
		turn++
		return fmt.Errorf("no Event %s of %s %s/%s has happened twice", reason, kind, namespace, name)
	})
}
