//go:build e2e

package e2e_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestAServiceAccountMayDoWhatItsRoleSaysAndNothingElse(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
`)
	reader, err := kubernetes.NewForConfig(suite.ConfigFor(t, c.namespace, "reader"))
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		_, err := reader.NetworkingV1().Ingresses(c.namespace).List(t.Context(), metav1.ListOptions{})
		return err
	}
	if err := list(); !apierrors.IsForbidden(err) {
		t.Fatalf("without a role: %v, want forbidden", err)
	}

	suite.Apply(t, c.namespace, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
`)
	suite.Within(t, soon, list)
	if _, err := reader.CoreV1().Secrets(c.namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a kind that is not in the role: %v, want forbidden", err)
	}
	if _, err := reader.NetworkingV1().Ingresses("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another namespace: %v, want forbidden", err)
	}
}
