// Package charts_test renders the chart with Helm's own library and looks at what comes out.
package charts_test

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write goldens and the generated part of README.md")

const (
	chartDir  = "sluice"
	namespace = "ingress" // of all releases
)

// ours is the chart as it is in chartDir.
var ours = sync.OnceValues(func() (*chart.Chart, error) { return loader.Load(chartDir) })

func ourChart(t testing.TB) *chart.Chart {
	t.Helper()
	c, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// named is a copy of the chart that says something else of itself.
func named(t testing.TB, change func(*chart.Metadata)) *chart.Chart {
	t.Helper()
	c := *ourChart(t)
	metadata := *c.Metadata
	change(&metadata)
	c.Metadata = &metadata
	return &c
}

// installation is one `helm install`.
type installation struct {
	chart      *chart.Chart // ours if nil
	release    string       // "sluice" if empty
	kubernetes string       // its version; "v1.36.3" if empty
	values     map[string]any
}

// rendering is what an installation comes to.
type rendering struct {
	objects []unstructured.Unstructured // by kind, namespace and name
	notes   string
}

// render does what Helm does before it talks to an API server: values are completed and checked by the schema, and
// templates executed. Documents that are not good YAML are errors.
func (i installation) render() (rendering, error) {
	own, err := ours()
	if err != nil {
		return rendering{}, err
	}
	i.chart = cmp.Or(i.chart, own)
	capabilities := common.DefaultCapabilities.Copy()
	version, err := common.ParseKubeVersion(cmp.Or(i.kubernetes, "v1.36.3"))
	if err != nil {
		return rendering{}, err
	}
	capabilities.KubeVersion = *version
	options := common.ReleaseOptions{Name: cmp.Or(i.release, "sluice"), Namespace: namespace, Revision: 1, IsInstall: true}
	values, err := util.ToRenderValues(i.chart, runtime.DeepCopyJSON(i.values), options, capabilities)
	if err != nil {
		return rendering{}, err
	}
	files, err := engine.Render(i.chart, values)
	if err != nil {
		return rendering{}, err
	}
	return parse(files)
}

func parse(files map[string]string) (rendering, error) {
	var r rendering
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) == "NOTES.txt" {
			r.notes = files[name]
			continue
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(files[name])))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return r, fmt.Errorf("%s: %w", name, err)
			}
			var object unstructured.Unstructured
			if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
				return r, fmt.Errorf("%s: %w in\n%s", name, err, document)
			}
			if len(object.Object) > 0 {
				r.objects = append(r.objects, object)
			}
		}
	}
	slices.SortFunc(r.objects, func(a, b unstructured.Unstructured) int { return strings.Compare(title(a), title(b)) })
	return r, nil
}

// title names an object for people: "Role shop/sluice".
func title(object unstructured.Unstructured) string {
	name := object.GetName()
	if of := object.GetNamespace(); of != "" {
		name = of + "/" + name
	}
	return object.GetKind() + " " + name
}

// text is a rendering as one text, notes included.
func (r rendering) text(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, object := range r.objects {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "---\n%s", document)
	}
	return b.String() + "---\n" + r.notes
}

// has tells whether there is an object.
func (r rendering) has(wanted string) bool {
	return slices.ContainsFunc(r.objects, func(o unstructured.Unstructured) bool { return title(o) == wanted })
}

// workload is the controller's Deployment or DaemonSet.
func (r rendering) workload(t testing.TB) unstructured.Unstructured {
	t.Helper()
	for _, object := range r.objects {
		if k := object.GetKind(); (k == "Deployment" || k == "DaemonSet") && object.GetLabels()["app.kubernetes.io/component"] == "controller" {
			return object
		}
	}
	t.Fatal("nothing runs the controller")
	return unstructured.Unstructured{}
}

// arguments are those of the controller.
func (r rendering) arguments(t testing.TB) []string {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(r.workload(t).Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) == 0 {
		t.Fatalf("the pod has no containers: %v", err)
	}
	list, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// example is a file of values as people have it, out of testdata.
type example struct {
	name string
	installation
}

// releases are the names of releases that are not "sluice".
var releases = map[string]string{"take-over": "ingress-nginx"}

func examples(t testing.TB) []example {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	var list []example
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		list = append(list, example{name, installation{release: releases[name], values: readYAML(t, file)}})
	}
	return list
}

func readYAML(t testing.TB, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return values
}

// render is installation.render for what has to go well.
func render(t testing.TB, i installation) rendering {
	t.Helper()
	r, err := i.render()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
