package metrics

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/controller/admission"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

func TestReviews(t *testing.T) {
	m := New(Identity{})
	a := m.Admission()
	name := cluster.Name{Namespace: "shop", Name: "web"}
	a.Reviewed(name, "allowed", admission.Verdict{Claimed: true, Ingresses: 3, Bytes: 100}, time.Second, 2*time.Second)
	a.Reviewed(name, "refused", admission.Verdict{Claimed: true, Ingresses: 2, Refusals: make([]translate.Problem, 1)}, time.Second, 2*time.Second)
	a.Reviewed(cluster.Name{}, "malformed", admission.Verdict{}, 0, 0)
	for metric, want := range map[string]map[string]float64{
		"sluice_admission_reviews_total":                      {"allowed": 1, "refused": 1, "malformed": 1},
		"nginx_ingress_controller_check_success":              {"web shop": 1},
		"nginx_ingress_controller_check_errors":               {"web shop": 1},
		"nginx_ingress_controller_admission_tested_ingresses": {"": 2},
	} {
		if got := series(t, m, metric); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", metric, got, want)
		}
	}
}

// TestNamesOfReviewsAreBounded: anybody who reaches the webhook can make them up.
func TestNamesOfReviewsAreBounded(t *testing.T) {
	m := New(Identity{})
	a := m.Admission()
	for n := range mostReviewed + 10 {
		a.Reviewed(cluster.Name{Namespace: "shop", Name: fmt.Sprint(n)}, "allowed", admission.Verdict{Claimed: true}, 0, 0)
	}
	got := series(t, m, "nginx_ingress_controller_check_success")
	if len(got) != mostReviewed+1 || got["others "] != 10 {
		t.Errorf("there are %d series; others count %v", len(got), got["others "])
	}
}
