//go:build e2e

package e2e_test

import (
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestAServiceAccountMayDoWhatItsRoleSaysAndNothingElse(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
`)
	reader := c.account("reader")
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

// account is a client with a token of a service account.
func (c cluster) account(name string) *kubernetes.Clientset {
	c.Helper()
	accounts := suite.Client(c).CoreV1().ServiceAccounts(c.namespace)
	request, err := accounts.CreateToken(c.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		c.Fatal(err)
	}
	config := rest.AnonymousClientConfig(suite.Config(c))
	config.BearerToken = request.Status.Token
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		c.Fatal(err)
	}
	return client
}
