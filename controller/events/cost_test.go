package events

import (
	"fmt"
	"slices"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// leading is the Recorder of a leader that has seen a plan for n Ingresses with a Problem each.
func leading(t testing.TB, n int) (*Recorder, controller.Plan) {
	t.Helper()
	r, err := New(&rest.Config{Host: "http://nobody.invalid"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var lists cluster.Lists
	var p controller.Plan
	for i := range n {
		namespace, name := fmt.Sprintf("team-%d", i%50), fmt.Sprintf("web-%d", i)
		lists.Ingresses = append(lists.Ingresses, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name)}})
		p.Problems = append(p.Problems, translate.Problem{
			Object: translate.Object{Kind: "Ingress", Namespace: namespace, Name: name}, Field: "spec.rules[0].host", Reason: translate.NoEndpoints,
			Severity: cluster.Warning, Message: fmt.Sprintf("Service %s/%s has no ready endpoint for port 80; the path answers 503", namespace, name),
		})
	}
	p.Problems.Sort()
	p.Snapshot = cluster.New(lists)
	p.Claimed = p.Snapshot.Ingresses
	r.Lead(true)
	r.Planned(p, 0)
	r.look(time.Now())
	return r, p
}

// fresh is the same plan made again: the texts are equal, not the same.
func fresh(p controller.Plan) controller.Plan {
	p.Problems, p.Claimed = slices.Clone(p.Problems), slices.Clone(p.Claimed)
	for i := range p.Problems {
		p.Problems[i].Message = string([]byte(p.Problems[i].Message))
	}
	return p
}

// The loop pays the same for any plan, and the Recorder for what differs.
func TestTheCostIsThatOfTheChange(t *testing.T) {
	r, p := leading(t, 10_000)
	next := fresh(p)
	changed := fresh(p)
	changed.Problems[7000].Message = "another"
	for _, c := range []struct {
		what string
		most float64
		do   func()
	}{
		{"telling of a plan", 2, func() { r.Planned(next, 0) }},
		{"the same plan", 10, func() { r.Planned(next, 0); r.look(time.Now()) }},
		{"one Problem more and one less, twice", 60, func() {
			r.Planned(changed, 0)
			r.look(time.Now())
			r.Planned(next, 0)
			r.look(time.Now())
		}},
	} {
		if n := testing.AllocsPerRun(10, c.do); n > c.most {
			t.Errorf("%s takes %.0f allocations, at most %.0f would do", c.what, n, c.most)
		}
	}
}

func BenchmarkPlanned(b *testing.B) {
	r, p := leading(b, 10_000)
	for b.Loop() {
		r.Planned(p, 0)
	}
}

func BenchmarkUnchanged10000(b *testing.B) {
	r, p := leading(b, 10_000)
	p = fresh(p)
	now := time.Now()
	for b.Loop() {
		r.Planned(p, 0)
		r.look(now)
	}
}

func BenchmarkOneChange10000(b *testing.B) {
	r, p := leading(b, 10_000)
	other := fresh(p)
	other.Problems[7000].Message = "another"
	now := time.Now()
	for b.Loop() {
		r.Planned(other, 0)
		r.look(now)
		r.Planned(p, 0)
		r.look(now)
	}
}

func BenchmarkAllNew10000(b *testing.B) {
	r, p := leading(b, 10_000)
	now := time.Now()
	for b.Loop() {
		r.Planned(controller.Plan{Snapshot: p.Snapshot, Claimed: p.Claimed}, 0)
		r.look(now)
		r.Planned(p, 0)
		r.look(now)
	}
}
