package suite

import (
	"path/filepath"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ConfigFor is of a service account, by a token that is good for an hour.
func ConfigFor(t testing.TB, namespace, account string) *rest.Config {
	t.Helper()
	accounts := Client(t).CoreV1().ServiceAccounts(namespace)
	request, err := accounts.CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("ask for a token of %s/%s: %v", namespace, account, err)
	}
	config := rest.AnonymousClientConfig(Config(t))
	config.BearerToken = request.Status.Token
	return config
}

// KubeconfigFor writes a kubeconfig of a service account, for programs that are started beside the cluster. The file is
// removed after the test.
func KubeconfigFor(t testing.TB, namespace, account string) string {
	t.Helper()
	config := ConfigFor(t, namespace, account)
	if err := rest.LoadTLSFiles(config); err != nil {
		t.Fatal(err)
	}
	const name = "e2e"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{
		Server: config.Host, CertificateAuthorityData: config.CAData, InsecureSkipTLSVerify: config.Insecure, TLSServerName: config.ServerName,
	}
	file.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: account, Namespace: namespace}
	file.CurrentContext = name
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		t.Fatalf("write a kubeconfig: %v", err)
	}
	return path
}
