//go:build e2e

package charts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// cluster is that of KUBECONFIG.
func cluster(t *testing.T) dynamic.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("KUBECONFIG has to name a cluster: %v", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// helm runs the program that people use, in this module's version.
func helm(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	output, err := exec.Command("go", append([]string{"tool", "helm"}, arguments...)...).CombinedOutput()
	return string(output), err
}

// uninstall removes a release, and returns when its objects are gone.
func uninstall(t *testing.T, namespace, release string) {
	t.Helper()
	if output, err := helm(t, "uninstall", release, "--namespace", namespace, "--wait", "--ignore-not-found"); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	services   = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	workloads  = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	crds       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// makeNamespace makes one that is gone after the test, or leaves one that is there.
func makeNamespace(t *testing.T, client dynamic.Interface, name string) {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	if _, err := client.Resource(namespaces).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		if !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
		return
	}
	t.Cleanup(func() {
		if err := client.Resource(namespaces).Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// makeKind makes a kind whose operator is not there. Fields are checked by TestExamples, against the operator's own types.
func makeKind(t *testing.T, client dynamic.Interface, group, version, kind string) {
	t.Helper()
	plural := strings.ToLower(kind) + "s"
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(fmt.Appendf(nil, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[4]s.%[1]s}
spec:
  group: %[1]s
  scope: Namespaced
  names: {kind: %[3]s, plural: %[4]s}
  versions:
  - {name: %[2]s, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, group, version, kind, plural), &object.Object); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Resource(crds).Create(t.Context(), object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	resource := client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: plural})
	within(t, time.Minute, func() error {
		_, err := resource.List(t.Context(), metav1.ListOptions{})
		return err
	})
}

func within(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	for end := time.Now().Add(limit); ; {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still after %s: %v", limit, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestHelmInstallsAllExamples installs each example by Helm in a real API server.
func TestHelmInstallsAllExamples(t *testing.T) {
	client := cluster(t)
	for _, name := range []string{namespace, "shop", "certificates", "monitoring"} { // that examples name
		makeNamespace(t, client, name)
	}
	makeKind(t, client, "monitoring.coreos.com", "v1", "ServiceMonitor")
	makeKind(t, client, "monitoring.coreos.com", "v1", "PrometheusRule")
	makeKind(t, client, "keda.sh", "v1alpha1", "ScaledObject")
	makeKind(t, client, "cert-manager.io", "v1", "Certificate")
	makeKind(t, client, "cert-manager.io", "v1", "Issuer")
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			release := "sluice"
			if e.release != "" {
				release = e.release
			}
			where := []string{"--namespace", namespace}
			file := filepath.Join("testdata", e.name+".yaml")
			t.Cleanup(func() { uninstall(t, namespace, release) })
			output, err := helm(t, append(where, "install", release, chartDir, "--values", file)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if strings.Contains(output, "arning: unknown field") || strings.Contains(output, "duplicate") {
				t.Errorf("the API server knows better:\n%s", output)
			}
			if output, err := helm(t, append(where, "upgrade", release, chartDir, "--values", file)...); err != nil {
				t.Errorf("the same again: %v\n%s", err, output)
			}
		})
	}
}

// TestTakeOverOfARelease upgrades a release of a chart ingress-nginx. Here that is a copy of ours, which has the same rule
// for names.
func TestTakeOverOfARelease(t *testing.T) {
	client := cluster(t)
	makeNamespace(t, client, "take-over")
	theirs := t.TempDir()
	if err := os.CopyFS(theirs, os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	about := "apiVersion: v2\nname: ingress-nginx\nversion: 4.15.1\nappVersion: 1.15.1\n"
	if err := os.WriteFile(filepath.Join(theirs, "Chart.yaml"), []byte(about), 0o644); err != nil {
		t.Fatal(err)
	}
	where := []string{"--namespace", "take-over", "--set", "controller.ingressClassResource.name=take-over"}
	t.Cleanup(func() { uninstall(t, "take-over", "edge") })
	if output, err := helm(t, append(where, "install", "edge", theirs)...); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	before, err := client.Resource(services).Namespace("take-over").Get(t.Context(), "edge-ingress-nginx-controller", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}

	output, err := helm(t, append(where, "upgrade", "edge", chartDir)...)
	if err == nil || !strings.Contains(output, "Set nameOverride to ingress-nginx") {
		t.Errorf("an upgrade that changes names gives %v\n%s", err, output)
	}

	output, err = helm(t, append(where, "upgrade", "edge", chartDir, "--set", "nameOverride=ingress-nginx")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	after, err := client.Resource(services).Namespace("take-over").Get(t.Context(), "edge-ingress-nginx-controller", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if before.GetUID() != after.GetUID() {
		t.Error("the Service is another one")
	}
	workload, err := client.Resource(workloads).Namespace("take-over").Get(t.Context(), "edge-ingress-nginx-controller", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := workload.GetLabels()["helm.sh/chart"]; !strings.HasPrefix(got, "sluice-") {
		t.Errorf("the Deployment is that of %s", got)
	}

	// From now on the release is ours, whatever its names are.
	if output, err := helm(t, append(where, "upgrade", "edge", chartDir, "--set", "nameOverride=other")...); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
