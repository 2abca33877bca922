package translate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

const canaryKey = "nginx.ingress.kubernetes.io/canary"

// Canaries are data: whether they are there makes no difference to the configuration.
func TestCanariesChangeNoConfiguration(t *testing.T) {
	tried := 0
	forAllCases(t, func(t *testing.T, c golden.Case) {
		lists := c.Objects.Lists()
		count := len(lists.Ingresses)
		lists.Ingresses = slices.DeleteFunc(lists.Ingresses, func(i *networkingv1.Ingress) bool { return i.Annotations[canaryKey] == "true" })
		if len(lists.Ingresses) == count {
			return
		}
		tried++
		with, without := c.Plan(t), planOf(t, c, lists)
		if with.Files.Generation != without.Files.Generation {
			t.Errorf("there is another configuration:\n%s", cmp.Diff(conf(without), conf(with)))
		}
	})
	if tried < 10 {
		t.Errorf("only %d cases have canaries", tried)
	}
}

// canaryOf is a canary of shop/web, which is for host web.example.com.
func canaryOf(name, annotations, service string) string {
	text := strings.Replace(ingress(canaryKey+`: "true", `+annotations, service), "name: web,", "name: "+name+",", 1)
	return "---\n" + text
}

// alternatives are those of path / of web.example.com to the Service shop/echo.
func alternatives(s dynamic.State) []dynamic.Alternative {
	return s.Backends.At("shop_echo_80").Routes["web.example.com"]["/"]
}

const byWeight = `nginx.ingress.kubernetes.io/canary-weight: "`

// A canary follows its Ingress, whatever is remembered of the main one, and is kept as it was while it is refused.
func TestCanaryFollowsItsIngress(t *testing.T) {
	const refused = `nginx.ingress.kubernetes.io/temporal-redirect: "https://x.example.com/$bad;{}", `
	steps := []struct {
		canary string
		want   []dynamic.Alternative
	}{
		{"", nil},
		{canaryOf("next", byWeight+`10"`, "echo-c"), []dynamic.Alternative{{Backend: "shop_echo-c_80", Weight: 10, WeightTotal: 100, Owner: "Ingress shop/next"}}},
		{canaryOf("next", byWeight+`50"`, "echo-c"), []dynamic.Alternative{{Backend: "shop_echo-c_80", Weight: 50, WeightTotal: 100, Owner: "Ingress shop/next"}}},
		{canaryOf("next", refused+byWeight+`90"`, "echo-b"), []dynamic.Alternative{{Backend: "shop_echo-c_80", Weight: 50, WeightTotal: 100, Owner: "Ingress shop/next"}}},
		{canaryOf("next", byWeight+`90"`, "echo-b"), []dynamic.Alternative{{Backend: "shop_echo-b_80", Weight: 90, WeightTotal: 100, Owner: "Ingress shop/next"}}},
		{canaryOf("next", refused+byWeight+`90"`, "echo-b") + canaryOf("another", byWeight+`1"`, "echo-c"),
			[]dynamic.Alternative{{Backend: "shop_echo-b_80", Weight: 90, WeightTotal: 100, Owner: "Ingress shop/next"}}},
		{canaryOf("another", byWeight+`1"`, "echo-c"), []dynamic.Alternative{{Backend: "shop_echo-c_80", Weight: 1, WeightTotal: 100, Owner: "Ingress shop/another"}}},
		{"", nil},
	}
	remembering, forgetful := manifests{c: golden.Load(t, "testdata/prefix.txtar")}, manifests{c: golden.Load(t, "testdata/prefix.txtar")}
	remembering.c.Options.Translate.Memory, remembering.c.Options.Memory = translate.NewMemory(), templates.NewMemory()
	generation := ""
	for n, step := range steps {
		yaml := ingress("", "echo") + step.canary
		plan := forgetful.next(t, yaml)
		mustBeEqual(t, remembering.next(t, yaml), plan)
		if diff := cmp.Diff(step.want, alternatives(plan.Dynamic)); diff != "" {
			t.Errorf("step %d: alternatives differ (-want +got):\n%s", n, diff)
		}
		for _, a := range alternatives(plan.Dynamic) {
			if len(plan.Dynamic.Backends.At(a.Backend).Endpoints) == 0 {
				t.Errorf("step %d: workers do not know the endpoints of %s", n, a.Backend)
			}
		}
		if n > 0 && plan.Files.Generation != generation {
			t.Errorf("step %d: there is another configuration", n)
		}
		generation = plan.Files.Generation
	}
}

// What was good as a canary is no main Ingress, and the other way round.
func TestCanaryBecomesTheMainIngress(t *testing.T) {
	m := manifests{c: golden.Load(t, "testdata/prefix.txtar")}
	m.next(t, ingress("", "echo")+canaryOf("next", byWeight+`100"`, "echo-c"))
	plan := m.next(t, strings.Replace(ingress("", "echo-c"), "name: web,", "name: next,", 1))
	if len(alternatives(plan.Dynamic)) > 0 || !strings.Contains(conf(plan), "\tshop\tnext\t") {
		t.Error("the former canary is not the main Ingress")
	}
	plan = m.next(t, canaryOf("next", byWeight+`100"`, "echo-c"))
	if strings.Contains(conf(plan), "web.example.com") || !strings.Contains(reasons(plan), "Ingress shop/next UnusedCanary") {
		t.Errorf("a canary alone serves a host, or there is no Problem: %s", reasons(plan))
	}
}
