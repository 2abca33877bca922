package controlplane

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfigs writes one for whoever uses the cluster, with all rights, and one for each component.
func (c *Cluster) writeKubeconfigs(a *authority) error {
	type user struct {
		name   string
		groups []string
	}
	files := map[string]user{
		c.Kubeconfig(): {"admin", []string{"system:masters"}},
		c.path("pki", "kube-controller-manager.kubeconfig"): {"system:kube-controller-manager", nil},
		c.path("pki", "kube-scheduler.kubeconfig"):          {"system:kube-scheduler", nil},
	}
	for n := range c.Nodes {
		files[c.path("pki", nodeName(n)+".kubeconfig")] = user{"system:node:" + nodeName(n), []string{"system:nodes"}}
	}
	for file, user := range files {
		who, err := a.client(user.name, user.groups...)
		if err != nil {
			return err
		}
		config := clientcmdapi.NewConfig()
		config.Clusters["sluice-e2e"] = &clientcmdapi.Cluster{
			Server: fmt.Sprintf("https://127.0.0.1:%d", c.Port), CertificateAuthorityData: a.pem(),
		}
		config.AuthInfos[user.name] = &clientcmdapi.AuthInfo{ClientCertificateData: who.certificate, ClientKeyData: who.key}
		config.Contexts["sluice-e2e"] = &clientcmdapi.Context{Cluster: "sluice-e2e", AuthInfo: user.name}
		config.CurrentContext = "sluice-e2e"
		if err := clientcmd.WriteToFile(*config, file); err != nil {
			return err
		}
	}
	return nil
}
