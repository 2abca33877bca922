package controller_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx/routing"
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
		Translate: translate.Options{Selection: cluster.Selection{WithoutClass: true}, Memory: translate.NewMemory()},
		Render:    golden.Render, Templates: set, Memory: templates.NewMemory(),
	}
}

func dynamicOptions(t testing.TB) controller.Options {
	t.Helper()
	o := options(t)
	o.Routing, o.Routes = controller.Dynamic, routing.NewMemory()
	return o
}

var modes = map[string]func(testing.TB) controller.Options{"compiled": options, "dynamic": dynamicOptions}

func BenchmarkPlanCold10000(b *testing.B) {
	s := cluster.New(fleet.Lists(10000, 8080, "10.0.0.1", "10.0.0.2", "10.0.0.3"))
	for name, options := range modes {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := options(b).Plan(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPlanChanged10000 is a plan after one object changed, from a source that tells what has.
func BenchmarkPlanChanged10000(b *testing.B) {
	lists := fleet.Lists(10000, 8080, "10.0.0.1", "10.0.0.2", "10.0.0.3")
	for name, options := range modes {
		for what, change := range map[string]func(n int) cluster.Changes{
			"endpoint": func(n int) cluster.Changes {
				old := lists.Slices[17]
				slice := fleet.Slice(old.Namespace, old.Labels["kubernetes.io/service-name"], 8080, fmt.Sprintf("10.0.1.%d", n%250))
				service := cluster.Name{Namespace: old.Namespace, Name: old.Labels["kubernetes.io/service-name"]}
				return cluster.Changes{Slices: map[cluster.Name][]*discoveryv1.EndpointSlice{service: {slice}}}
			},
			"path": func(n int) cluster.Changes {
				ingress := lists.Ingresses[17].DeepCopy()
				ingress.Spec.Rules[0].HTTP.Paths[0].Path = fmt.Sprint("/", n)
				return cluster.Changes{Ingresses: map[cluster.Name]*networkingv1.Ingress{cluster.NameOf(ingress): ingress}}
			},
		} {
			b.Run(name+"/"+what, func(b *testing.B) {
				o, snapshot := options(b), cluster.New(lists)
				before, err := o.Plan(snapshot)
				if err != nil {
					b.Fatal(err)
				}
				o.Live = &before.Config
				for n := 0; b.Loop(); n++ {
					snapshot = snapshot.With(change(n))
					snapshot.Fallback = before.Good
					if before, err = o.Plan(snapshot); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A plan that remembers earlier ones equals one that remembers nothing.
func TestMemoryChangesNoPlan(t *testing.T) {
	for name, options := range modes {
		t.Run(name, func(t *testing.T) { compareMemory(t, options) })
	}
}

func compareMemory(t *testing.T, options func(testing.TB) controller.Options) {
	random := rand.New(rand.NewPCG(1, 2))
	o, lists := options(t), fleet.Lists(30, 8080, "10.0.0.1", "10.0.0.2")
	o.Translate.ConfigMap = cluster.Name{Namespace: "n", Name: "c"}
	for step := range 80 {
		change(random, &lists)
		remembering, fresh := o, options(t)
		fresh.Translate.ConfigMap = o.Translate.ConfigMap
		got, err := remembering.Plan(cluster.New(lists))
		if err != nil {
			t.Fatal(err)
		}
		want, err := fresh.Plan(cluster.New(lists))
		if err != nil {
			t.Fatal(err)
		}
		// In dynamic mode a configuration may have shapes that only former routes need.
		if o.Routing == controller.Compiled && !reflect.DeepEqual(got.Files, want.Files) || !reflect.DeepEqual(got.Dynamic, want.Dynamic) || !reflect.DeepEqual(got.Problems, want.Problems) {
			t.Fatalf("step %d: the plans differ:\n%v\n%v", step, got.Problems, want.Problems)
		}
	}
}

// change replaces one object of the lists by another version, as a source does: objects are never changed.
func change(random *rand.Rand, l *cluster.Lists) {
	i := random.IntN(len(l.Ingresses))
	switch random.IntN(6) {
	case 0:
		ingress := l.Ingresses[i].DeepCopy()
		ingress.Annotations = map[string]string{
			"nginx.ingress.kubernetes.io/" + []string{"rewrite-target", "app-root", "server-alias", "permanent-redirect", "denylist-source-range", "from-to-www-redirect"}[random.IntN(6)]: []string{"/x", "true", "bad value", "host-3.example.com", "10.0.0.0/8"}[random.IntN(5)],
		}
		l.Ingresses[i] = ingress
	case 1: // share a host with another
		ingress := l.Ingresses[i].DeepCopy()
		ingress.Spec.Rules[0].Host = fleet.Host(random.IntN(30))
		l.Ingresses[i] = ingress
	case 2:
		s := random.IntN(len(l.Slices))
		old := l.Slices[s]
		l.Slices[s] = fleet.Slice(old.Namespace, old.Labels["kubernetes.io/service-name"], 8080, fmt.Sprintf("10.1.0.%d", random.IntN(200)))
	case 3: // a Service loses its port
		s := random.IntN(len(l.Services))
		service := l.Services[s].DeepCopy()
		service.Spec.Ports[0].Port = int32(80 + random.IntN(2))
		l.Services[s] = service
	case 4:
		l.ConfigMaps = []*corev1.ConfigMap{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"},
			Data:       map[string]string{"proxy-read-timeout": fmt.Sprint(random.IntN(3) + 60), "nonsense": "x"},
		}}
	case 5:
		ingress := l.Ingresses[i].DeepCopy()
		ingress.Spec.DefaultBackend = ingress.Spec.Rules[0].HTTP.Paths[0].Backend.DeepCopy()
		l.Ingresses[i] = ingress
	}
}
