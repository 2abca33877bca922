// Package controlplane turns an empty directory into a running Kubernetes without a container engine: etcd, the API
// server, the controller manager, the scheduler and node agents, all real but the last, which stand for kubelets. All of
// it is in one network namespace and is gone when the process that runs it goes. It never reaches beyond this machine.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is one control plane with its nodes. Its fields are set before Run.
type Cluster struct {
	Dir      string // its files, also after its end; only etcd's data and the pods' are removed
	Programs string // the directory that test/e2e/build prints
	Images   string // the table of the node agents
	Nodes    int
	Services bool                    // Services answer at their addresses, and load balancers get one
	Names    bool                    // there is a name server
	Port     int                     // of the API server
	Forward  map[string]net.Listener // from outside the namespace, by address within
	Log      *slog.Logger
}

// Kubeconfig is a file with all rights. It is good inside the namespace and, by a listener at Port, outside.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// Audit is the file of requests to the API server by service accounts.
func (c *Cluster) Audit() string { return c.path("logs", AuditLog) }

func (c *Cluster) path(names ...string) string {
	return filepath.Join(append([]string{c.Dir}, names...)...)
}

// Run starts all, calls use when it is ready, and ends all when that returns, the context ends or a component does. It
// must run in a network namespace that Enclose made.
func (c *Cluster) Run(ctx context.Context, use func(context.Context) error) error {
	lock, err := c.takeDirectory()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := layNetwork(); err != nil {
		return err
	}
	if err := c.writeSecrets(); err != nil {
		return err
	}
	for to, listener := range c.Forward {
		go forward(listener, to)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	parts := newParts(c, end)
	defer func() {
		parts.killAll()
		if err := errors.Join(os.RemoveAll(c.path("etcd")), os.RemoveAll(c.path("pods"))); err != nil {
			c.Log.Error("cannot remove data", "error", err)
		}
	}()
	control, err := parts.listen(c.path("control"))
	if err != nil {
		return err
	}
	defer control.Close()
	if err := c.startAll(ctx, parts); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	err = use(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return errors.Join(err, cause)
	}
	return err
}

// takeDirectory empties the directory of what an earlier run left, and keeps others out of it.
func (c *Cluster) takeDirectory() (*os.File, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.path("lock")); len(entries) > 0 && err != nil {
		return nil, fmt.Errorf("%s is neither empty nor of an earlier control plane", c.Dir)
	}
	lock, err := os.Create(c.path("lock"))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another control plane uses %s: %w", c.Dir, err), lock.Close())
	}
	for _, old := range []string{"etcd", "pods", "pki", "logs", "control", "kubeconfig"} {
		if err := os.RemoveAll(c.path(old)); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return lock, os.MkdirAll(c.path("logs", "pods"), 0o755)
}

// startAll starts all parts and waits until a pod made now would run.
func (c *Cluster) startAll(ctx context.Context, parts *parts) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	for _, part := range c.servers() {
		if err := parts.start(part.name); err != nil {
			return err
		}
	}
	if err := c.wait(ctx, client, served); err != nil {
		return err
	}
	for _, part := range c.clients() { // some give up if they may not ask anything yet
		if err := parts.start(part.name); err != nil {
			return err
		}
	}
	return c.wait(ctx, client, c.ready)
}

func (c *Cluster) wait(ctx context.Context, client kubernetes.Interface, until func(context.Context, kubernetes.Interface) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		last = until(ctx, client)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the control plane did not become ready, see %s: %w", c.path("logs"), last)
	}
	return nil
}

// served asks the API server whether it has made the rights of the others.
func served(ctx context.Context, client kubernetes.Interface) error {
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// ready asks for the nodes, and for the account that pods get.
func (c *Cluster) ready(ctx context.Context, client kubernetes.Interface) error {
	if _, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	ready := 0
	for _, n := range nodes.Items {
		for _, condition := range n.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue && len(n.Spec.Taints) == 0 {
				ready++
			}
		}
	}
	if ready < c.Nodes {
		return fmt.Errorf("%d of %d nodes are ready", ready, c.Nodes)
	}
	return nil
}
