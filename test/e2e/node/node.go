// Package node plays the kubelet. It registers a Node, keeps it alive, and turns the pods bound to it into
// processes of this machine: each pod with an address and a network of its own, each container with a root of its
// own that stands for the image. Probes, hooks, grace and restarts are as the API documents them. It never pulls an
// image, limits no resources, and leaves no process, mount or network behind, even when it is killed.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-helpers/apimachinery/lease"
	"k8s.io/utils/clock"
)

// Agent is one node. Its fields are set before Run.
type Agent struct {
	Name      string
	IP        netip.Addr     // of the node; must be local
	Pods      netip.Prefix   // where pods get their addresses from
	API       netip.AddrPort // of the API server, for pods
	DNS       netip.Addr     // of the name server, for pods; nobody need be there
	Images    Images
	Container string // the program cmd/container
	Dir       string // where files of running pods are
	Logs      string // where output of pods is, NAMESPACE_POD_CONTAINER.log
	Client    kubernetes.Interface
	Log       *slog.Logger

	addresses *addresses
	thread    *thread
	mu        sync.Mutex
	pods      map[types.UID]*pod
}

// Run serves until the context ends. Pods end with the process, not before.
func (a *Agent) Run(ctx context.Context) error {
	a.addresses, a.thread, a.pods = newAddresses(a.Pods), newThread(), map[types.UID]*pod{}
	if err := os.RemoveAll(a.Dir); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(a.Dir, 0o700), os.MkdirAll(a.Logs, 0o755)); err != nil { // there are tokens in the first
		return err
	}
	if err := a.serveStreams(ctx); err != nil {
		return fmt.Errorf("serve logs and commands: %w", err)
	}
	node, err := a.register(ctx)
	if err != nil {
		return fmt.Errorf("register the node: %w", err)
	}
	owner := func(l *coordinationv1.Lease) error {
		l.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
		return nil
	}
	const lasts, renewed = 40, 10 * time.Second // as kubelets do
	go lease.NewController(clock.RealClock{}, a.Client, a.Name, lasts, nil, renewed, a.Name, corev1.NamespaceNodeLease, owner).Run(ctx)
	go wait.UntilWithContext(ctx, a.assert, renewed/2)

	mine := informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", a.Name).String()
	})
	factory := informers.NewSharedInformerFactoryWithOptions(a.Client, 0, mine)
	pods := factory.Core().V1().Pods().Informer()
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { a.see(ctx, o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { a.see(ctx, o.(*corev1.Pod)) },
		DeleteFunc: func(o any) {
			if last, is := o.(cache.DeletedFinalStateUnknown); is {
				o = last.Obj
			}
			a.lose(o.(*corev1.Pod))
		},
	}
	if _, err := pods.AddEventHandler(handler); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	return nil
}

// register makes the Node, or says that it is Ready again.
func (a *Agent) register(ctx context.Context) (*corev1.Node, error) {
	var registered *corev1.Node
	err := retry(ctx, a.Log, "register", func() error {
		version, err := a.Client.Discovery().ServerVersion()
		if err != nil {
			return err
		}
		wanted := a.node(version.GitVersion)
		made, err := a.Client.CoreV1().Nodes().Create(ctx, wanted, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			var found *corev1.Node
			if found, err = a.Client.CoreV1().Nodes().Get(ctx, a.Name, metav1.GetOptions{}); err != nil {
				return err
			}
			found.Status = wanted.Status
			made, err = a.Client.CoreV1().Nodes().UpdateStatus(ctx, found, metav1.UpdateOptions{})
		}
		registered = made
		return err
	})
	return registered, err
}

// assert contradicts the cluster's controllers, who say that a node is not ready when its Lease was not renewed for a
// while, as when the API server was away.
func (a *Agent) assert(ctx context.Context) {
	node, err := a.Client.CoreV1().Nodes().Get(ctx, a.Name, metav1.GetOptions{})
	if err != nil {
		return // there will be another time
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			_, _ = a.register(ctx) // it tells, and fails when the agent ends
		}
	}
}

func (a *Agent) node(version string) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("256"), // far more than there is: nothing is limited
		corev1.ResourceMemory:           resource.MustParse("1Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("250"),
	}
	now := metav1.Now()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: a.Name, Labels: map[string]string{
			corev1.LabelHostname: a.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: runtime.GOARCH,
		}},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: a.IP.String()}, {Type: corev1.NodeHostName, Address: a.Name}},
			Conditions: []corev1.NodeCondition{
				condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady"),
				condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory"),
				condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure"),
				condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID"),
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: kubeletPort}},
			NodeInfo:        corev1.NodeSystemInfo{KubeletVersion: version, OperatingSystem: "linux", Architecture: runtime.GOARCH},
		},
	}
}

// see takes in what the API says of a pod.
func (a *Agent) see(ctx context.Context, object *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.pods[object.UID]; known != nil {
		known.see(object)
		return
	}
	if object.DeletionTimestamp == nil && (object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed) {
		return
	}
	p := newPod(ctx, a, object)
	a.pods[object.UID] = p
	go func() {
		p.run()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.pods, object.UID)
	}()
}

// lose ends a pod that the API has forgotten: deleted by force.
func (a *Agent) lose(object *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.pods[object.UID]; known != nil {
		known.kill()
	}
}

func (a *Agent) podDir(p *corev1.Pod) string { return filepath.Join(a.Dir, string(p.UID)) }

// retry tries until it works or the context ends, from quickly to once a second. It tells when the reason why not changes.
func retry(ctx context.Context, log *slog.Logger, what string, try func() error) error {
	pause := wait.Backoff{Duration: 20 * time.Millisecond, Factor: 2, Steps: 7, Cap: time.Second}
	for last := ""; ; {
		err := try()
		if err == nil {
			return nil
		}
		if text := err.Error(); text != last && ctx.Err() == nil {
			log.Info("cannot "+what+" yet", "error", text)
			last = text
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause.Step()):
		}
	}
}
