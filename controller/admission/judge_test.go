package admission_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/admission"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/fleet"
	"github.com/sluice-ingress/sluice/test/golden"
)

func options(t testing.TB) controller.Options {
	t.Helper()
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return controller.Options{
		Translate: translate.Options{Selection: cluster.Selection{WithoutClass: true}, SelfSigned: golden.SelfSigned},
		Render:    golden.Render, Templates: set,
	}
}

// judge asks for a change of the objects of lists.
func judge(o controller.Options, s cluster.Snapshot, old, changed *networkingv1.Ingress) admission.Verdict {
	var index admission.Index
	index.Follow(s, o.Translate.Prefix())
	versions := []*networkingv1.Ingress{changed}
	if old != nil {
		versions = append(versions, old)
	}
	return admission.Judge(o, s, admission.Review{New: changed, Old: old, Neighbours: index.Around(versions...)})
}

// TestVerdictIsThatOfThePlan creates each Ingress of each golden case as the last one. What is said of it has to be what
// the plan for all objects says.
func TestVerdictIsThatOfThePlan(t *testing.T) {
	for _, dir := range []string{"../translate/testdata", "../../annotations/testdata"} {
		for _, path := range golden.Files(t, dir) {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
				c := golden.Load(t, path)
				s := c.Snapshot()
				problems := map[translate.Object][]string{}
				for _, p := range c.Plan(t).Problems {
					if p.Severity != cluster.Info {
						problems[p.Object] = append(problems[p.Object], phrase(p))
					}
				}
				for _, ing := range s.Ingresses {
					object := translate.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}
					v := judge(c.Options, s, nil, ing)
					var said []string
					for _, p := range append(v.Refusals, v.Warnings...) {
						if p.Object == object {
							said = append(said, phrase(p))
						}
					}
					if diff := cmp.Diff(sorted(problems[object]), sorted(said)); diff != "" {
						t.Errorf("of %s is said (-plan +review):\n%s", object, diff)
					}
				}
			})
		}
	}
}

func phrase(p translate.Problem) string {
	return p.Severity.String() + " " + p.Field + " " + string(p.Reason) + " " + p.Message
}

// present is what is there before the changes of TestVerdicts.
const present = `
metadata: {namespace: shop, name: web, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  rules:
  - host: shop.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
metadata: {namespace: blog, name: young, creationTimestamp: "2026-03-01T00:00:00Z"}
spec:
  rules:
  - host: shop.example.com
    http: {paths: [{path: "/user/(.*", pathType: Prefix, backend: {service: {name: blog, port: {number: 80}}}}]}
---
metadata: {namespace: other, name: canary, annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "5"}}
spec:
  rules:
  - host: canary.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: next, port: {number: 80}}}}]}
---
metadata:
  namespace: shop
  name: bad
  annotations: {nginx.ingress.kubernetes.io/allowlist-source-range: office}
spec:
  rules:
  - host: bad.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: bad, port: {number: 80}}}}]}
`

// TestVerdicts has what refuses a change and what does not. A change is of the object of present that has its name, or
// makes one. The wanted texts are the beginnings of "Ingress NAME: FIELD: MESSAGE".
func TestVerdicts(t *testing.T) {
	for _, test := range verdicts {
		t.Run(test.name, func(t *testing.T) {
			var lists cluster.Lists
			var old *networkingv1.Ingress
			changed := ingress(t, test.change)
			for _, document := range strings.Split(present, "---\n") {
				ing := ingress(t, document)
				lists.Ingresses = append(lists.Ingresses, ing)
				if cluster.NameOf(ing) == cluster.NameOf(changed) {
					old = ing
				}
			}
			lists.ConfigMaps = append(lists.ConfigMaps, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "strict"}, Data: map[string]string{"strict-validate-path-type": "true"},
			})
			o := options(t)
			if test.options != nil {
				test.options(&o)
			}
			v := judge(o, cluster.New(lists), old, changed)
			wantTexts(t, "refusals", v.Refusals, test.refusals)
			wantTexts(t, "warnings", v.Warnings, test.warnings)
			if v.Claimed == test.foreign {
				t.Errorf("claimed is %t", v.Claimed)
			}
		})
	}
}

func wantTexts(t *testing.T, what string, got []translate.Problem, want []string) {
	t.Helper()
	matching := len(got) == len(want)
	var lines []string
	for i, p := range got {
		line := p.Object.String() + ": " + p.Field + ": " + p.Message
		matching = matching && strings.HasPrefix(line, want[i])
		lines = append(lines, line)
	}
	if !matching {
		t.Errorf("the %s are\n\t%s\nwant\n\t%s", what, strings.Join(lines, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func ingress(t testing.TB, text string) *networkingv1.Ingress {
	t.Helper()
	var ing networkingv1.Ingress
	if err := yaml.UnmarshalStrict([]byte(text), &ing); err != nil {
		t.Fatal(err)
	}
	return &ing
}

// TestCostDoesNotDependOnTheCluster compares how much is looked at.
func TestCostDoesNotDependOnTheCluster(t *testing.T) {
	for _, n := range []int{10, 5000} {
		lists := fleet.Lists(n, 8080, "10.0.0.1", "10.0.0.2")
		created := lists.Ingresses[3].DeepCopy()
		created.Name, created.Spec.Rules[0].HTTP.Paths[0].Path = "more", "/more"
		created.Spec.Rules[0].HTTP.Paths = created.Spec.Rules[0].HTTP.Paths[:1]
		v := judge(options(t), cluster.New(lists), nil, created)
		if !v.Claimed || v.Ingresses != 2 || len(v.Refusals) > 0 {
			t.Errorf("of %d Ingresses %d are looked at; refused: %v", n, v.Ingresses, v.Refusals)
		}
	}
}

// BenchmarkReview is one review, as the webhook makes it, with 5,000 Ingresses present of which one has just changed.
func BenchmarkReview(b *testing.B) {
	lists := fleet.Lists(5000, 8080, "10.0.0.1", "10.0.0.2")
	snapshot, o := cluster.New(lists), options(b)
	var index admission.Index
	index.Follow(snapshot, o.Translate.Prefix())
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		at := n * 7919 % len(lists.Ingresses)
		changed := lists.Ingresses[at].DeepCopy()
		changed.Annotations = map[string]string{"nginx.ingress.kubernetes.io/proxy-body-size": "8m"}
		snapshot = snapshot.With(cluster.Changes{Ingresses: map[cluster.Name]*networkingv1.Ingress{cluster.NameOf(changed): changed}})
		start := time.Now()
		index.Follow(snapshot, o.Translate.Prefix())
		created := changed.DeepCopy()
		created.Name, created.Spec.Rules[0].HTTP.Paths = "more", created.Spec.Rules[0].HTTP.Paths[:1]
		created.Spec.Rules[0].HTTP.Paths[0].Path = "/more"
		if v := admission.Judge(o, snapshot, admission.Review{New: created, Neighbours: index.Around(created)}); len(v.Refusals) > 0 || v.Ingresses != 2 {
			b.Fatalf("%+v", v)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
