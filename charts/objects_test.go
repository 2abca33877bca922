package charts_test

import (
	"cmp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// selectors are, by object, the labels by which it finds pods.
func (r rendering) selectors(t testing.TB) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	for _, object := range r.objects {
		for _, path := range [][]string{{"spec", "selector", "matchLabels"}, {"spec", "podSelector", "matchLabels"}, {"spec", "selector"}} {
			if labels, is, err := unstructured.NestedStringMap(object.Object, path...); is && err == nil {
				found[title(object)] = labels
				break
			}
		}
	}
	return found
}

// podLabels are those of the pods of a workload.
func podLabels(t testing.TB, workload unstructured.Unstructured) map[string]string {
	t.Helper()
	labels, is, err := unstructured.NestedStringMap(workload.Object, "spec", "template", "metadata", "labels")
	if !is || err != nil {
		t.Fatalf("%s: its pods have no labels: %v", title(workload), err)
	}
	return labels
}

// TestSelectorsFindPods wants each selector of each example to find the pods of exactly one workload.
func TestSelectorsFindPods(t *testing.T) {
	for _, e := range examples(t) {
		r := render(t, e.installation)
		for name, selector := range r.selectors(t) {
			if strings.HasPrefix(name, "ServiceMonitor ") {
				continue // it finds Services
			}
			var of []string
			for _, object := range r.objects {
				if kind := object.GetKind(); (kind == "Deployment" || kind == "DaemonSet") && holdsAll(podLabels(t, object), selector) {
					of = append(of, title(object))
				}
			}
			if len(of) != 1 {
				t.Errorf("%s: %s finds the pods of %v", e.name, name, of)
			}
		}
	}
}

func holdsAll(labels, some map[string]string) bool {
	for key, value := range some {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// TestSelectorsAreMadeOfNames only: the API does not let a Deployment change its own, so one with the version of the chart
// or a label of the user's would not let a release be upgraded.
func TestSelectorsAreMadeOfNames(t *testing.T) {
	newer := named(t, func(m *chart.Metadata) { m.Version, m.AppVersion = "9.9.9", "9.9.9" })
	all := append(examples(t), example{"everything", installation{values: everything}}, example{"a newer chart", installation{chart: newer, values: everything}})
	for _, e := range all {
		name := cmp.Or(e.release, "sluice")
		for object, selector := range render(t, e.installation).selectors(t) {
			component := "controller"
			if strings.HasSuffix(object, "-defaultbackend") {
				component = "default-backend"
			}
			want := map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/component": component}
			if !gocmp.Equal(want, selector) {
				t.Errorf("%s: the selector of %s is %v", e.name, object, selector)
			}
		}
	}
}

// TestNames has the rule of ingress-nginx's chart, and who takes over from it.
func TestNames(t *testing.T) {
	long := strings.Repeat("x", 53)
	for _, test := range []struct {
		release  string
		values   map[string]any
		chart    string // another name, as an alias in a parent chart gives it
		workload string
		fullname string
		label    string
	}{
		{release: "sluice", workload: "sluice-controller", fullname: "sluice", label: "sluice"},
		{release: "edge", workload: "edge-sluice-controller", fullname: "edge-sluice", label: "sluice"},
		{release: "my-sluice", workload: "my-sluice-controller", fullname: "my-sluice", label: "sluice"},
		{release: "ingress-nginx", workload: "ingress-nginx-controller", fullname: "ingress-nginx", label: "ingress-nginx"},
		{release: "my-ingress-nginx", workload: "my-ingress-nginx-controller", fullname: "my-ingress-nginx", label: "ingress-nginx"},
		{release: "edge", values: map[string]any{"nameOverride": "ingress-nginx"}, workload: "edge-ingress-nginx-controller", fullname: "edge-ingress-nginx", label: "ingress-nginx"},
		{release: "ingress-nginx", values: map[string]any{"nameOverride": "sluice"}, workload: "ingress-nginx-sluice-controller", fullname: "ingress-nginx-sluice", label: "sluice"},
		{release: "edge", values: map[string]any{"fullnameOverride": "front"}, workload: "front-controller", fullname: "front", label: "sluice"},
		{release: "edge", chart: "ingress-nginx", workload: "edge-ingress-nginx-controller", fullname: "edge-ingress-nginx", label: "ingress-nginx"},
		{release: long, workload: long + "-sluice-co", fullname: long + "-sluice", label: "sluice"},
		{release: "edge", values: map[string]any{"controller": map[string]any{"name": ""}}, workload: "edge-sluice", fullname: "edge-sluice", label: "sluice"},
	} {
		aliased := named(t, func(m *chart.Metadata) {
			if test.chart != "" {
				m.Name = test.chart
			}
		})
		r := render(t, installation{chart: aliased, release: test.release, values: test.values})
		workload := r.workload(t)
		if got := workload.GetName(); got != test.workload {
			t.Errorf("release %s, %v: the workload is %s, not %s", test.release, test.values, got, test.workload)
		}
		if !r.has("ClusterRole " + test.fullname) {
			t.Errorf("release %s, %v: there is no ClusterRole %s", test.release, test.values, test.fullname)
		}
		if got := podLabels(t, workload)["app.kubernetes.io/name"]; got != test.label {
			t.Errorf("release %s, %v: pods have the name %s, not %s", test.release, test.values, got, test.label)
		}
	}
}

// TestNamespaceOverride moves everything that has a namespace, and tells the bindings.
func TestNamespaceOverride(t *testing.T) {
	r := render(t, installation{values: with(everything, []string{"namespaceOverride"}, "edge")})
	for _, object := range r.objects {
		if object.GetNamespace() != "edge" && object.GetNamespace() != "" {
			t.Errorf("%s is elsewhere", title(object))
		}
		subjects, _, err := unstructured.NestedSlice(object.Object, "subjects")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range subjects {
			if got := s.(map[string]any)["namespace"]; got != "edge" {
				t.Errorf("%s is about a service account of namespace %v", title(object), got)
			}
		}
	}
}

// TestOlderKubernetes leaves out what the oldest supported version does not have.
func TestOlderKubernetes(t *testing.T) {
	resizing := with(nil, []string{"controller", "resizePolicy"}, []any{map[string]any{"resourceName": "cpu", "restartPolicy": "NotRequired"}})
	for version, want := range map[string]bool{"v1.31.0": false, "v1.32.9-eks-1234": false, "v1.33.0": true, "v1.36.3+k3s1": true} {
		r := render(t, installation{kubernetes: version, values: resizing})
		if got := strings.Contains(r.text(t), "resizePolicy"); got != want {
			t.Errorf("%s: resizePolicy is there: %t", version, got)
		}
	}
}
