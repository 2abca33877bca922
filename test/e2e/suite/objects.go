package suite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/sluice-ingress/sluice/test/e2e/controlplane"
)

// WaitRollout waits until a Deployment has only pods of its latest template and all are available, as `kubectl rollout
// status` does.
func WaitRollout(t testing.TB, namespace, deployment string, longest time.Duration) {
	t.Helper()
	deployments := Client(t).AppsV1().Deployments(namespace)
	Within(t, longest, func() error {
		d, err := deployments.Get(context.WithoutCancel(t.Context()), deployment, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" {
				t.Fatalf("deployment %s/%s: %s", namespace, deployment, c.Message)
			}
		}
		want := int32(1)
		if d.Spec.Replicas != nil {
			want = *d.Spec.Replicas
		}
		if s := d.Status; s.ObservedGeneration < d.Generation || s.UpdatedReplicas != want || s.Replicas != want || s.AvailableReplicas != want {
			return fmt.Errorf("deployment %s/%s: %d of %d pods are up to date, %d are available, %d exist",
				namespace, deployment, s.UpdatedReplicas, want, s.AvailableReplicas, s.Replicas)
		}
		return nil
	})
}

// WaitIngress waits until the status of an Ingress has an address and returns all of them, IPs or hostnames.
func WaitIngress(t testing.TB, namespace, ingress string, longest time.Duration) []string {
	t.Helper()
	var addresses []string
	Within(t, longest, func() error {
		found, err := Client(t).NetworkingV1().Ingresses(namespace).Get(t.Context(), ingress, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, balancer := range found.Status.LoadBalancer.Ingress {
			addresses = append(addresses, balancer.IP+balancer.Hostname) // it has one of them
		}
		if len(addresses) == 0 {
			return fmt.Errorf("ingress %s/%s has no address", namespace, ingress)
		}
		return nil
	})
	return addresses
}

// WaitLoadBalancer waits until a Service of type LoadBalancer has an address and returns the first.
func WaitLoadBalancer(t testing.TB, namespace, service string, longest time.Duration) string {
	t.Helper()
	var address string
	Within(t, longest, func() error {
		found, err := Client(t).CoreV1().Services(namespace).Get(t.Context(), service, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, balancer := range found.Status.LoadBalancer.Ingress {
			address = balancer.IP + balancer.Hostname
			return nil
		}
		return fmt.Errorf("service %s/%s has no address", namespace, service)
	})
	return address
}

// Events are those of an object, oldest first. Two of the same reason and message are one with a count.
func Events(t testing.TB, namespace, kind, name string) []corev1.Event {
	t.Helper()
	of := fields.Set{"involvedObject.kind": kind, "involvedObject.name": name}.AsSelector().String()
	list, err := Client(t).CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: of})
	if err != nil {
		t.Fatalf("list the Events of %s %s/%s: %v", kind, namespace, name, err)
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Event) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return list.Items
}

// Logs is what a container has printed so far, over all its restarts if the cluster is ours.
func Logs(t testing.TB, namespace, pod, container string) string {
	t.Helper()
	dir := os.Getenv(controlplane.DirVariable)
	if dir == "" {
		options := &corev1.PodLogOptions{Container: container}
		text, err := Client(t).CoreV1().Pods(namespace).GetLogs(pod, options).DoRaw(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatalf("read the log of %s/%s: %v", namespace, pod, err)
		}
		return string(text)
	}
	text, err := os.ReadFile(filepath.Join(dir, "logs", "pods", fmt.Sprintf("%s_%s_%s.log", namespace, pod, container)))
	if err != nil && !os.IsNotExist(err) { // it may not have started yet
		t.Fatal(err)
	}
	return string(text)
}
