package controlplane

import "fmt"

// What is where in the network namespace. Machines have addresses that no pod or Service can get.
const (
	podRange        = "10.244.0.0/16" // all of it is local, so that anybody may answer for an address of it
	serviceRange    = "10.96.0.0/12"  // so is this
	machineRange    = "10.0.0.0/24"
	balancerRange   = "10.0.1.0/24" // load balancers
	serverAddress   = "10.0.0.1"
	serverClusterIP = "10.96.0.1" // the Service default/kubernetes; the API server really listens there
	nameServer      = "10.96.0.10"
	etcd            = "http://127.0.0.1:2379"
)

func nodeName(n int) string { return fmt.Sprintf("node-%d", n+1) }

// component is a program with its arguments.
type component struct {
	name    string
	program string
	args    []string
	mounts  bool // it mounts what is gone with it
}

func (c *Cluster) etcd() component {
	return component{name: "etcd", program: "component", args: []string{"etcd", "-dir", c.path("etcd"), "-listen", etcd}}
}

func (c *Cluster) apiServer() component {
	return component{name: "kube-apiserver", program: "component", args: []string{
		"kube-apiserver",
		"--etcd-servers=" + etcd,
		"--bind-address=0.0.0.0",
		fmt.Sprintf("--secure-port=%d", c.Port),
		"--advertise-address=" + serverAddress, // not a loopback address: it becomes an endpoint
		"--tls-cert-file=" + c.path("pki", "server.crt"),
		"--tls-private-key-file=" + c.path("pki", "server.key"),
		"--client-ca-file=" + c.path("pki", "ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--kubelet-preferred-address-types=InternalIP", // no name server knows the nodes
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=" + c.path("pki", "accounts.key"),
		"--service-account-key-file=" + c.path("pki", "accounts.key"),
		"--audit-policy-file=" + c.path("pki", "audit.yaml"),
		"--audit-log-path=" + c.Audit(),
		"--audit-log-maxsize=100", "--audit-log-maxbackup=1", // megabytes
	}}
}

func (c *Cluster) controllerManager() component {
	config := c.path("pki", "kube-controller-manager.kubeconfig")
	return component{name: "kube-controller-manager", program: "component", args: []string{
		"kube-controller-manager",
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1",
		"--leader-elect=false", // there is one
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.path("pki", "accounts.key"),
		"--root-ca-file=" + c.path("pki", "ca.crt"),
		"--kube-api-qps=500", "--kube-api-burst=1000", // it shall not be what tests wait for
	}}
}

func (c *Cluster) scheduler() component {
	config := c.path("pki", "kube-scheduler.kubeconfig")
	return component{name: "kube-scheduler", program: "component", args: []string{
		"kube-scheduler",
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}}
}

// node is the agent of a node. Its pods have the addresses 10.244.N.0/24 for node-N.
func (c *Cluster) node(n int) component {
	name := nodeName(n)
	return component{name: name, program: "node", args: []string{
		"-name", name,
		"-kubeconfig", c.path("pki", name+".kubeconfig"),
		"-images", c.Images,
		"-dir", c.path("pods", name),
		"-logs", c.path("logs", "pods"),
		"-ip", fmt.Sprintf("10.0.0.%d", 11+n),
		"-pods", fmt.Sprintf("10.244.%d.0/24", 1+n),
		"-api", fmt.Sprintf("%s:%d", serverClusterIP, c.Port),
		"-dns", nameServer,
	}, mounts: true}
}

// services makes the addresses of Services answer, and names of them be found.
func (c *Cluster) services() component {
	args := []string{"-kubeconfig", c.Kubeconfig()}
	if c.Services {
		args = append(args, "-forward", "-balancers", balancerRange)
	}
	if c.Names {
		args = append(args, "-names", nameServer)
	}
	return component{name: "services", program: "services", args: args}
}

// servers are what all others need to start.
func (c *Cluster) servers() []component { return []component{c.etcd(), c.apiServer()} }

func (c *Cluster) clients() []component {
	all := []component{c.controllerManager(), c.scheduler()}
	for n := range c.Nodes {
		all = append(all, c.node(n))
	}
	if c.Services || c.Names {
		all = append(all, c.services())
	}
	return all
}
