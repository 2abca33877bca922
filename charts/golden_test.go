package charts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// TestExamples compares what each example renders to with testdata/golden. That of the default values is there in full;
// the others hold the objects that are not the same.
func TestExamples(t *testing.T) {
	byDefault := render(t, installation{values: map[string]any{}})
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			r := render(t, e.installation)
			checkTypes(t, r)
			got := golden(t, r, byDefault)
			if e.name == "default" {
				got = golden(t, r, rendering{})
			}
			compare(t, filepath.Join("testdata", "golden", e.name+".yaml"), got)
		})
	}
}

// golden is the objects of a rendering that another does not have, and the notes as a comment.
func golden(t testing.TB, r, other rendering) string {
	t.Helper()
	var b strings.Builder
	for _, gone := range other.objects {
		if !r.has(title(gone)) {
			fmt.Fprintf(&b, "# no %s\n", title(gone))
		}
	}
	for _, object := range r.objects {
		if slices.ContainsFunc(other.objects, func(o unstructured.Unstructured) bool { return cmp.Equal(o, object) }) {
			continue
		}
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "---\n%s", document)
	}
	if r.notes != other.notes {
		b.WriteString("---\n# " + strings.ReplaceAll(strings.TrimSpace(r.notes), "\n", "\n# ") + "\n")
	}
	return strings.ReplaceAll(b.String(), "# \n", "#\n")
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); difference != "" {
		t.Errorf("%s is not what is rendered; go test . -update writes it (-file +now):\n%s", file, difference)
	}
}

// TestGoldensBelongToExamples finds goldens that nobody compares with any more.
func TestGoldensBelongToExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no goldens: %v", err)
	}
	for _, file := range files {
		if _, err := os.Stat(filepath.Join("testdata", filepath.Base(file))); err != nil {
			t.Error(err)
		}
	}
}

// types are those of all objects that the chart makes.
var types = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	s.AddKnownTypeWithName(schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}, &scaledObject{})
	s.AddKnownTypeWithName(schema.GroupVersionKind{Group: "keda.k8s.io", Version: "v1alpha1", Kind: "ScaledObject"}, &scaledObject{})
	for kind, object := range map[string]runtime.Object{"Certificate": &certificate{}, "Issuer": &issuer{}} {
		s.AddKnownTypeWithName(schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: kind}, object)
	}
	return s
}()

// certificate and issuer have the fields of https://cert-manager.io/docs/reference/api-docs/ that the chart sets.
type certificate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SecretName           string   `json:"secretName"`
		Duration             string   `json:"duration"`
		RevisionHistoryLimit *int32   `json:"revisionHistoryLimit"`
		CommonName           string   `json:"commonName"`
		IsCA                 bool     `json:"isCA"`
		DNSNames             []string `json:"dnsNames"`
		IssuerRef            struct {
			Name  string `json:"name"`
			Kind  string `json:"kind"`
			Group string `json:"group"`
		} `json:"issuerRef"`
	} `json:"spec"`
}

// DeepCopyObject implements runtime.Object; nothing here copies one.
func (c *certificate) DeepCopyObject() runtime.Object { return c }

type issuer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SelfSigned *struct{} `json:"selfSigned"`
		CA         *struct {
			SecretName string `json:"secretName"`
		} `json:"ca"`
	} `json:"spec"`
}

// DeepCopyObject implements runtime.Object; nothing here copies one.
func (i *issuer) DeepCopyObject() runtime.Object { return i }

// scaledObject has the fields of https://keda.sh/docs/2.22/reference/scaledobject-spec/ that the chart sets. KEDA's own
// types would bring the clients of all its triggers.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name           string `json:"name"`
			DeploymentName string `json:"deploymentName"` // KEDA 1
		} `json:"scaleTargetRef"`
		PollingInterval int32 `json:"pollingInterval"`
		CooldownPeriod  int32 `json:"cooldownPeriod"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		Fallback        *struct {
			FailureThreshold int32 `json:"failureThreshold"`
			Replicas         int32 `json:"replicas"`
		} `json:"fallback"`
		Triggers []struct {
			Type     string            `json:"type"`
			Metadata map[string]string `json:"metadata"`
		} `json:"triggers"`
		Advanced struct {
			RestoreToOriginalReplicaCount bool `json:"restoreToOriginalReplicaCount"`
			HorizontalPodAutoscalerConfig *struct {
				Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
	} `json:"spec"`
}

// DeepCopyObject implements runtime.Object; nothing here copies one.
func (s *scaledObject) DeepCopyObject() runtime.Object { return s }

// checkTypes finds fields that do not exist, and values of the wrong type, as an API server would.
func checkTypes(t *testing.T, r rendering) {
	t.Helper()
	for _, object := range r.objects {
		typed, err := types.New(object.GroupVersionKind())
		if err != nil {
			t.Errorf("%s: %v", title(object), err)
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, typed); err != nil {
			t.Errorf("%s: %v", title(object), err)
		}
	}
}
