package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// replicas are the pods of the controller: those in its namespace with the labels that ours has. They are asked for,
// not watched, so that a role with "get" and "list" in that namespace, and "get" for nodes, is enough.
type replicas struct {
	client kubernetes.Interface
	self   cluster.Name
}

// ofRevision are labels that tell apart pods of the same Deployment, DaemonSet or StatefulSet.
var ofRevision = []string{"pod-template-hash", "controller-revision-hash", "pod-template-generation"}

func (r replicas) list(ctx context.Context) ([]corev1.Pod, error) {
	pods := r.client.CoreV1().Pods(r.self.Namespace)
	own, err := pods.Get(ctx, r.self.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at our own pod: %w", err)
	}
	set := maps.Clone(own.Labels)
	for _, label := range ofRevision {
		delete(set, label)
	}
	if len(set) == 0 {
		return []corev1.Pod{*own}, nil // a selector without labels would select everybody
	}
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(set).String()})
	if err != nil {
		return nil, fmt.Errorf("list the pods of the controller: %w", err)
	}
	return list.Items, nil
}

// areAlone tells whether no other replica will run on. One that is stopping as we are, as when a Deployment is scaled to
// zero, does not.
func (r replicas) areAlone(ctx context.Context) (bool, error) {
	pods, err := r.list(ctx)
	if err != nil {
		return false, err
	}
	for _, pod := range pods {
		ends := pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Name != r.self.Name && !ends {
			return false, nil
		}
	}
	return true, nil
}

// errNoneReady keeps statuses as they are: nodes rarely go away for good, and a restart is no reason to leave the DNS.
var errNoneReady = errors.New("no pod of the controller is ready, so that there is no node to publish")

// nodes are addresses of the nodes on which replicas are ready.
func (r replicas) nodes(ctx context.Context, internal bool) ([]address, error) {
	pods, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, pod := range pods {
		if isServing(pod) {
			names[pod.Spec.NodeName] = true
		}
	}
	var all []address
	for name := range names {
		node, err := r.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue // its pods have yet to go
		case err != nil:
			return nil, fmt.Errorf("look at node %s: %w", name, err)
		}
		if a := ofNode(node, internal); !isEmpty(a) {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil, errNoneReady
	}
	return sorted(all), nil
}

func isServing(pod corev1.Pod) bool {
	if pod.Status.Phase != corev1.PodRunning {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// survey is what nodes last gave. Passes are many, and nodes change seldom.
type survey struct {
	addresses []address
	err       error
	due       time.Time // when to ask again
}

// ofNodes are the addresses of nodes, at most an interval old.
func (w *Writer) ofNodes(ctx context.Context, now time.Time) ([]address, error) {
	if s := &w.survey; !now.Before(s.due) {
		s.addresses, s.err = w.replicas.nodes(ctx, w.options.NodeInternalIP)
		if s.due = now.Add(w.options.Interval); s.err != nil {
			s.due = now.Add(LeastInterval)
		}
	}
	return w.survey.addresses, w.survey.err
}
