package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// podOf is a pod of a Deployment called after the first part of its name.
func podOf(name, owner string, age time.Duration, containers ...corev1.Container) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ingress", Name: name, Labels: map[string]string{"pod-template-hash": "abc"},
			CreationTimestamp: metav1.NewTime(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Add(-age)),
			OwnerReferences:   []metav1.OwnerReference{{Kind: "ReplicaSet", Name: owner + "-abc", Controller: new(true)}},
		},
		Spec:   corev1.PodSpec{Containers: containers},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

var environment = []corev1.EnvVar{
	{Name: "POD_NAMESPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}},
	{Name: "ZONE", Value: "a"},
}

func TestControllersAreFound(t *testing.T) {
	pods := []corev1.Pod{
		podOf("sluice-2", "sluice", time.Minute,
			corev1.Container{Name: "controller", Args: []string{"controller", "--configmap=$(POD_NAMESPACE)/settings"}, Env: environment},
			corev1.Container{Name: "nginx", Args: []string{"dataplane"}}),
		podOf("sluice-1", "sluice", time.Hour,
			corev1.Container{Name: "controller", Args: []string{"controller"}}),
		podOf("static-1", "static", time.Hour,
			corev1.Container{Name: "controller", Image: "ghcr.io/sluice-ingress/sluice", Args: []string{"/nginx-ingress-controller"}}),
		podOf("old-1", "old", time.Hour,
			corev1.Container{Name: "controller", Image: "registry.example.com/ingress-nginx/controller:v1.15.1", Args: []string{"/nginx-ingress-controller"}}),
		podOf("cert-manager-1", "cert-manager", time.Hour, corev1.Container{Name: "cert-manager-controller", Args: []string{"--v=2"}}),
	}
	type seen struct {
		Name, Container, NGINX string
		Pods                   int
		IsForeign              bool
		Words                  []string
	}
	var got []seen
	for _, r := range group(pods) {
		got = append(got, seen{r.String(), r.container, r.nginx, len(r.pods), r.isForeign, r.words})
	}
	want := []seen{
		{"deployment ingress/old", "controller", "controller", 1, true, []string{"/nginx-ingress-controller"}},
		{"deployment ingress/sluice", "controller", "nginx", 2, false, []string{"controller", "--configmap=ingress/settings"}},
		{"deployment ingress/static", "controller", "controller", 1, false, []string{"/nginx-ingress-controller"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("controllers (-want +got):\n%s", diff)
	}
}

// TestFlagsOfAPodMakeThePlan reads those that plans depend on, and passes over all others.
func TestFlagsOfAPodMakeThePlan(t *testing.T) {
	c, err := read(&replicas{kind: "Deployment", name: cluster.Name{Namespace: "ingress", Name: "sluice"}, words: []string{
		"controller", "--configmap=ingress/settings", "--controller-class=example.com/a", "--ingress-class=a", "--watch-namespace=shop",
		"--annotations-prefix=example.com", "--routing=dynamic", "--https-port=8443", "--election-id=leader", "--publish-service=ingress/sluice",
		"--validating-webhook=:8443", "--validating-webhook-configuration=hook", "--a-flag-of-tomorrow=1", "--metrics-per-host", "-v=3",
	}})
	if err != nil {
		t.Fatal(err)
	}
	type values struct {
		ConfigMap, Lease, Service                           cluster.Name
		Class, IngressClass, Namespace, Prefix, Hook, State string
		Routing                                             controller.Routing
		Port, Health                                        int
	}
	got := values{
		c.translation.ConfigMap, c.flags.Lease, c.flags.Service, c.translation.Selection.ControllerClass, c.translation.Selection.IngressClass,
		c.translation.Selection.WatchNamespace, c.translation.Prefix(), c.flags.WebhookConfiguration, c.stateDir, c.routing, c.render.HTTPSPort, c.healthPort,
	}
	want := values{
		cluster.Name{Namespace: "ingress", Name: "settings"}, cluster.Name{Namespace: "ingress", Name: "leader"}, cluster.Name{Namespace: "ingress", Name: "sluice"},
		"example.com/a", "a", "shop", "example.com", "hook", "/run/sluice", controller.Dynamic, 8443, 10254,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if _, err := read(&replicas{words: []string{"--configmap=settings"}}); err == nil {
		t.Error("a name without a namespace is taken")
	}
}
