package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/leader"
)

// clusterFlags are the flags that only mean something in a cluster.
type clusterFlags struct {
	kubeconfig string
	apiServer  string
	authority  string

	noElection  bool
	electionID  string
	electionTTL time.Duration

	updateStatus    bool
	clearStatus     bool
	statusInterval  int
	publishService  string
	publishAddress  string
	internalAddress bool

	noSyncEvents bool
	topology     bool

	pod cluster.Name // our own, from the environment
}

func (f *clusterFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file; without it and --apiserver-host, the service account of the pod is used")
	flags.StringVar(&f.apiServer, "apiserver-host", "", "address of the API server")
	flags.StringVar(&f.authority, "certificate-authority", "", "file with the CA of the API server, with --apiserver-host")
	flags.BoolVar(&f.noElection, "disable-leader-election", false, "elect no leader; then nobody writes status, and every replica writes Events")
	flags.StringVar(&f.electionID, "election-id", "ingress-controller-leader", "name of the Lease by which replicas elect their leader")
	flags.DurationVar(&f.electionTTL, "election-ttl", leader.DefaultTTL, "how long a leader that is silent stays leader")
	flags.BoolVar(&f.updateStatus, "update-status", true, "write the addresses under which Ingresses are reached to their status")
	flags.BoolVar(&f.clearStatus, "update-status-on-shutdown", true, "clear the status when the last replica stops")
	flags.IntVar(&f.statusInterval, "status-update-interval", 60, "seconds between checks of all statuses, at least 5; changes are written at once")
	flags.StringVar(&f.publishService, "publish-service", "", "Service whose addresses go to the status of Ingresses, as namespace/name; excludes --publish-status-address")
	flags.StringVar(&f.publishAddress, "publish-status-address", "", "addresses or names that go to the status of Ingresses, separated by commas")
	flags.BoolVar(&f.internalAddress, "report-node-internal-ip-address", false, "of nodes, publish the internal addresses")
	flags.BoolVar(&f.noSyncEvents, "disable-sync-events", false, "write no Events that an Ingress or the ConfigMap was read; Problems are still told")
	flags.BoolVar(&f.topology, "enable-topology-aware-routing", false, "prefer endpoints of our zone, for Services that ask for it")
}

// check finds what no single flag shows, and reads the environment.
func (f *clusterFlags) check() error {
	f.pod = cluster.Name{Namespace: os.Getenv("POD_NAMESPACE"), Name: os.Getenv("POD_NAME")}
	switch {
	case f.pod.Namespace == "" || f.pod.Name == "":
		return errors.New("POD_NAMESPACE and POD_NAME must be set: leader election and Events need them. Without a cluster, use --manifests DIR")
	case f.publishService != "" && f.publishAddress != "":
		return errors.New("--publish-service and --publish-status-address exclude each other")
	case f.statusInterval < 5:
		return fmt.Errorf("--status-update-interval: %d is less than 5 seconds", f.statusInterval)
	}
	return nil
}

// publishedAddresses are those of --publish-status-address.
func (f *clusterFlags) publishedAddresses() []string {
	return strings.FieldsFunc(f.publishAddress, func(r rune) bool { return r == ',' || r == ' ' })
}

// config says how to reach the API server.
func (f *clusterFlags) config() (*rest.Config, error) {
	config, err := f.baseConfig()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	config.UserAgent = "sluice/" + release
	return config, nil
}

func (f *clusterFlags) baseConfig() (*rest.Config, error) {
	if f.apiServer == "" && f.kubeconfig == "" {
		return rest.InClusterConfig()
	}
	config, err := clientcmd.BuildConfigFromFlags(f.apiServer, f.kubeconfig)
	if err != nil {
		return nil, err
	}
	if f.apiServer != "" && f.authority != "" {
		config.TLSClientConfig.CAFile, config.TLSClientConfig.CAData = f.authority, nil
	}
	return config, nil
}
