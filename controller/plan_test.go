package controller_test

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

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

// cpu is the time that processors have spent on us, garbage collection included. It says more than the clock on a machine that
// does other things as well.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
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
				runtime.GC()
				spent := cpu(b)
				defer func() { b.ReportMetric(float64(cpu(b)-spent)/float64(b.N)/1e6, "cpu-ms/op") }()
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
