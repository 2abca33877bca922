//go:build e2e

package e2e_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestWhatAServiceAccountDidIsKnown(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
`)
	config, err := clientcmd.BuildConfigFromFlags("", suite.KubeconfigFor(t, c.namespace, "reader"))
	if err != nil {
		t.Fatal(err)
	}
	askAsReader(t, kubernetes.NewForConfigOrDie(config), c.namespace)

	user := "system:serviceaccount:" + c.namespace + ":reader"
	ingresses := suite.Access{User: user, Group: "networking.k8s.io", Resource: "ingresses", Namespace: c.namespace}
	with := func(a suite.Access, verb, name string, code int32) suite.Access {
		a.Verb, a.Name, a.Code = verb, name, code
		return a
	}
	want := []suite.Access{
		with(suite.Access{User: user, Resource: "secrets", Namespace: c.namespace}, "list", "", 403),
		with(ingresses, "get", "one", 404), with(ingresses, "list", "", 200), with(ingresses, "watch", "", 200),
		with(suite.Access{User: user, Path: "/version"}, "get", "", 200),
	}
	suite.Within(t, 5*time.Second, func() error {
		var got []suite.Access
		for _, access := range suite.Accesses(t, c.namespace, "reader") {
			if access != with(ingresses, "list", "", 403) { // before the role was known
				got = append(got, access)
			}
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("these are known: %+v\nwant %+v", got, want)
		}
		return nil
	})
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses", "ingresses/status"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}},
	}
	unused := []string{"get networking.k8s.io/ingresses/status", "list /secrets", "list networking.k8s.io/ingresses/status"}
	if got := suite.Unused(rules, suite.Accesses(t, c.namespace, "reader")); !reflect.DeepEqual(got, unused) {
		t.Errorf("unused are %q, want %q", got, unused)
	}
}

// askAsReader does what the role lets it do, and more.
func askAsReader(t *testing.T, client *kubernetes.Clientset, namespace string) {
	t.Helper()
	all := client.NetworkingV1().Ingresses(namespace)
	suite.Within(t, soon, func() error {
		_, err := all.List(t.Context(), metav1.ListOptions{})
		return err
	})
	watch, err := all.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	_, notFound := all.Get(t.Context(), "one", metav1.GetOptions{})
	_, forbidden := client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
	_, version := client.Discovery().ServerVersion()
	if !apierrors.IsNotFound(notFound) || !apierrors.IsForbidden(forbidden) || version != nil {
		t.Fatal(notFound, forbidden, version)
	}
}
