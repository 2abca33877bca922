package controller_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/test/fleet"
)

// NGINX itself refuses things in test/integration; here rules stand for it, so that what it says can be of any kind.

// placed is a refusal that names a line.
type placed struct {
	message string
	line    int
}

func (p placed) Error() string { return p.message }

func (p placed) Verdict() (message, file string, line int) {
	if p.line == 0 {
		return p.message, "", 0
	}
	return p.message, "nginx.conf", p.line
}

// refuses makes a rule: NGINX refuses configurations that have all the texts. It names the line of the first of them, or none.
func refuses(naming bool, texts ...string) func(nginx.Files) error {
	return func(f nginx.Files) error {
		content, _ := f.Get("nginx.conf")
		for _, text := range texts {
			if !strings.Contains(string(content), text) {
				return nil
			}
		}
		if !naming {
			return placed{message: "something is wrong"}
		}
		before, _, _ := strings.Cut(string(content), texts[0])
		return placed{"something is wrong", 1 + strings.Count(before, "\n")}
	}
}

// plans are what the loop makes.
type plans struct{ observer }

var made = make(chan controller.Plan, 1000)

func (plans) Planned(p controller.Plan, _ time.Duration) { made <- p }

// keeper keeps in memory.
type keeper struct{ kept controller.Kept }

func (k *keeper) Kept() controller.Kept          { return k.kept }
func (k *keeper) Keep(now controller.Kept) error { k.kept = now; return nil }

// scene is a loop over a fleet with rules for NGINX. It must be in a bubble of synctest.
type scene struct {
	t      *testing.T
	lists  cluster.Lists
	source *source
	engine *engine
	keeper *keeper
	end    func()
}

func play(t *testing.T, o controller.Options, lists cluster.Lists, kept *keeper, rule func(nginx.Files) error) *scene {
	for len(made) > 0 {
		<-made
	}
	s := &scene{t: t, lists: lists, source: &source{changes: make(chan struct{}, 1), lists: lists}, engine: newEngine(), keeper: kept}
	s.engine.test = rule
	s.engine.applied = make(chan nginx.Files, 1000)
	s.engine.pushed, s.engine.settled = make(chan dynamic.State, 1000), make(chan struct{}, 1000)
	c := &controller.Controller{
		Source: s.source, Engine: s.engine, Observer: plans{observer{make(chan string, 1000)}}, Log: slog.New(slog.DiscardHandler), Keeper: kept,
		Options: func() controller.Options { return o },
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	s.end = func() { cancel(); <-done }
	return s
}

// settle waits until nothing happens any more, and returns the last plan and the configuration that was applied last.
func (s *scene) settle() (controller.Plan, string) {
	s.t.Helper()
	time.Sleep(20 * time.Second) // of the bubble's time
	synctest.Wait()
	var plan controller.Plan
	for len(made) > 0 {
		plan = <-made
	}
	content, _ := plan.Files.Get("nginx.conf")
	return plan, string(content)
}

// annotate gives the n-th Ingress of the fleet an annotation, in the source too.
func (s *scene) annotate(n int, key, value string) {
	s.lists = annotated(s.lists, n, key, value)
	s.source.set(s.lists)
}

func annotated(lists cluster.Lists, n int, key, value string) cluster.Lists {
	lists.Ingresses = append([]*networkingv1.Ingress(nil), lists.Ingresses...)
	changed := lists.Ingresses[n].DeepCopy()
	changed.Annotations = map[string]string{prefix + key: value}
	lists.Ingresses[n] = changed
	return lists
}

const prefix = "nginx.ingress.kubernetes.io/"

// told are the Problems about what NGINX refuses.
func told(p controller.Plan) string {
	var list []string
	for _, problem := range p.Problems {
		if problem.Reason == translate.RefusedByNGINX {
			list = append(list, fmt.Sprintf("%s %s: %s", problem.Object, strings.TrimPrefix(problem.Field, "metadata.annotations"), problem.Message))
		}
	}
	return strings.Join(list, "\n")
}

func inBothModes(t *testing.T, test func(t *testing.T, o func() controller.Options)) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, func() controller.Options { return options(t) }) })
		})
	}
}

func TestTheLastGoodVersionTakesThePlaceOfARefusedOne(t *testing.T) {
	for _, naming := range []bool{true, false} {
		inBothModes(t, func(t *testing.T, o func() controller.Options) {
			kept := &keeper{}
			rule := refuses(naming, "proxy_read_timeout 77s")
			s := play(t, o(), annotated(fleet.Lists(20, 80, "10.0.0.1"), 3, "proxy-read-timeout", "66"), kept, rule)
			s.settle()
			s.annotate(3, "proxy-read-timeout", "77")
			plan, text := s.settle()
			const want = "Ingress team-3/web-3 [nginx.ingress.kubernetes.io/proxy-read-timeout]: NGINX refuses what it comes to: something is wrong; its last good version stays in force"
			if got := told(plan); got != want {
				t.Errorf("told: %s", got)
			}
			if strings.Contains(text, "77s") || !strings.Contains(text, "66s") {
				t.Error("the last good version is not in force")
			}
			tests := s.engine.tests.Load()
			s.source.set(s.lists) // the same objects again cost no test of the bad one
			if plan, _ = s.settle(); told(plan) != want || s.engine.tests.Load() > tests+1 {
				t.Errorf("told: %s, after %d more tests", told(plan), s.engine.tests.Load()-tests)
			}

			// A restart knows.
			s.end()
			s = play(t, o(), s.lists, kept, rule)
			if plan, text = s.settle(); told(plan) != want || !strings.Contains(text, "66s") {
				t.Errorf("after a restart, told: %s", told(plan))
			}
			if got := s.engine.tests.Load(); got != 1 {
				t.Errorf("a restart took %d tests", got)
			}
			s.annotate(3, "proxy-read-timeout", "88")
			if plan, text = s.settle(); told(plan) != "" || !strings.Contains(text, "88s") || len(kept.kept.Quarantine.Refusals()) > 0 {
				t.Errorf("when it was mended, told: %s; kept %v", told(plan), kept.kept)
			}
			s.end()
		})
	}
}

func TestWithoutALastGoodVersionPathsAnswer503(t *testing.T) {
	for _, naming := range []bool{true, false} {
		inBothModes(t, func(t *testing.T, o func() controller.Options) {
			lists := annotated(annotated(fleet.Lists(40, 80, "10.0.0.1"), 3, "proxy-read-timeout", "77"), 31, "proxy-read-timeout", "77")
			s := play(t, o(), lists, &keeper{}, refuses(naming, "proxy_read_timeout 77s"))
			plan, text := s.settle()
			for _, n := range []string{"3", "31"} {
				field := map[bool]string{true: "[nginx.ingress.kubernetes.io/proxy-read-timeout]"}[naming] // the other message says nothing
				want := "/web-" + n + " " + field + ": NGINX refuses what it comes to: something is wrong; its paths answer 503"
				if got := told(plan); !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
					t.Errorf("told: %s", got)
				}
			}
			if strings.Contains(text, "77s") || plan.Ingresses != 40 {
				t.Errorf("%d Ingresses are served", plan.Ingresses)
			}
			if got := s.engine.tests.Load(); got > 18 { // 2 + 2·(2+log2(40))
				t.Errorf("it took %d tests", got)
			}
			s.end()
		})
	}
}

// Two that NGINX refuses only together: the older one stays.
func TestTheYoungerOfTwoIsToBlame(t *testing.T) {
	inBothModes(t, func(t *testing.T, o func() controller.Options) {
		lists := annotated(annotated(fleet.Lists(40, 80, "10.0.0.1"), 3, "proxy-read-timeout", "77"), 31, "proxy-send-timeout", "77")
		for n, ingress := range lists.Ingresses { // the last is the oldest
			ingress.CreationTimestamp = metav1.Unix(int64(100000-n), 0)
		}
		s := play(t, o(), lists, &keeper{}, refuses(false, "proxy_read_timeout 77s", "proxy_send_timeout 77s"))
		plan, text := s.settle()
		if got := told(plan); !strings.HasPrefix(got, "Ingress team-3/web-3 ") || strings.Contains(got, "\n") {
			t.Errorf("told: %s", got)
		}
		if !strings.Contains(text, "proxy_send_timeout 77s") {
			t.Error("the older one is not in force")
		}
		s.end()
	})
}

func TestPathsThatNGINXRefusesAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := fleet.Lists(20, 80, "10.0.0.1")
		lists.Ingresses[3] = lists.Ingresses[3].DeepCopy()
		lists.Ingresses[3].Spec.Rules[0].HTTP.Paths[1].Path = "/evil"
		s := play(t, options(t), lists, &keeper{}, refuses(true, "location = /evil"))
		plan, text := s.settle()
		const want = "Ingress team-3/web-3 spec.rules[0].http.paths[1].path: NGINX refuses what it comes to: something is wrong; the Ingress is not served"
		if got := told(plan); got != want || strings.Contains(text, "/evil") || plan.Ingresses != 19 {
			t.Errorf("%d are served, told: %s", plan.Ingresses, got)
		}
		s.end()
	})
}

// If nobody is to blame, nobody is blamed: the last good configuration stays, and is tried again now and then.
func TestNobodyIsBlamedForWhatNobodyDid(t *testing.T) {
	for _, naming := range []bool{true, false} {
		inBothModes(t, func(t *testing.T, o func() controller.Options) {
			var broken atomic.Bool
			broken.Store(true)
			rule := func(f nginx.Files) error {
				if broken.Load() {
					return refuses(naming, "location / {")(f)
				}
				return nil
			}
			s := play(t, o(), fleet.Lists(20, 80, "10.0.0.1"), &keeper{}, rule)
			plan, _ := s.settle()
			if got := told(plan); got != "configuration : NGINX refuses it, and no object was found to be to blame: something is wrong; the last good one stays in force" {
				t.Errorf("told: %s", got)
			}
			if got := s.engine.tests.Load(); got > 6 {
				t.Errorf("it took %d tests", got)
			}
			broken.Store(false)
			time.Sleep(time.Minute)
			if plan, _ = s.settle(); told(plan) != "" || plan.Ingresses != 20 {
				t.Errorf("afterwards, told: %s", told(plan))
			}
			s.end()
		})
	}
}

// An incident is bounded: 30 bad ones at once while NGINX serves cost no more than 20 tests at a time.
func TestAnIncidentIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := fleet.Lists(100, 80, "10.0.0.1")
		s := play(t, options(t), lists, &keeper{}, refuses(false, "proxy_read_timeout 77s"))
		s.settle()
		before := s.engine.tests.Load()
		for n := range 30 {
			s.lists = annotated(s.lists, n, "proxy-read-timeout", "77")
		}
		s.source.set(s.lists)
		plan, _ := s.settle()
		if tests := s.engine.tests.Load() - before; tests > 21 || !strings.Contains(told(plan), "no object was found") {
			t.Errorf("it took %d tests, told: %s", tests, told(plan))
		}
		for range 30 { // what was found stays found, so it ends
			time.Sleep(time.Minute)
		}
		if plan, _ = s.settle(); strings.Count(told(plan), "its last good version stays in force") != 30 || strings.Contains(told(plan), "no object") {
			t.Errorf("in the end, told: %s", told(plan))
		}
		s.end()
	})
}

func TestTheLastGoodConfigMapTakesThePlaceOfARefusedOne(t *testing.T) {
	inBothModes(t, func(t *testing.T, o func() controller.Options) {
		configured := func(value string) []*corev1.ConfigMap {
			return []*corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "controller"}, Data: map[string]string{"proxy-read-timeout": value}}}
		}
		options := o()
		options.Translate.ConfigMap = cluster.Name{Namespace: "ingress", Name: "controller"}
		lists := fleet.Lists(20, 80, "10.0.0.1")
		lists.ConfigMaps = configured("66")
		kept := &keeper{}
		rule := refuses(true, "proxy_read_timeout 77s")
		s := play(t, options, lists, kept, rule)
		s.settle()
		s.lists.ConfigMaps = configured("77")
		s.annotate(3, "proxy-send-timeout", "44") // goes ahead
		plan, text := s.settle()
		const want = "ConfigMap ingress/controller data: NGINX refuses what it comes to: something is wrong; its last good version stays in force"
		if got := told(plan); got != want || !strings.Contains(text, "proxy_read_timeout 66s") || !strings.Contains(text, "proxy_send_timeout 44s") {
			t.Errorf("told: %s", got)
		}
		s.end()
		options = o()
		options.Translate.ConfigMap = cluster.Name{Namespace: "ingress", Name: "controller"}
		s = play(t, options, s.lists, kept, rule)
		if plan, text = s.settle(); told(plan) != want || !strings.Contains(text, "proxy_read_timeout 66s") || s.engine.tests.Load() != 1 {
			t.Errorf("after a restart and %d tests, told: %s", s.engine.tests.Load(), told(plan))
		}
		s.end()
	})
}

// NGINX may be unable to test anything for a while. That is nobody's fault either.
func TestNGINXThatCannotTestBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var unable atomic.Bool
		s := play(t, options(t), fleet.Lists(5, 80, "10.0.0.1"), &keeper{}, func(nginx.Files) error {
			if unable.Load() {
				return refused{errors.New("no space left on device")}
			}
			return nil
		})
		s.settle()
		unable.Store(true)
		s.annotate(3, "proxy-read-timeout", "77")
		if plan, _ := s.settle(); strings.Contains(told(plan), "Ingress") {
			t.Errorf("told: %s", told(plan))
		}
		unable.Store(false)
		time.Sleep(time.Minute)
		if plan, text := s.settle(); told(plan) != "" || !strings.Contains(text, "77s") {
			t.Errorf("told: %s", told(plan))
		}
		s.end()
	})
}
