package controller_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/fleet"
)

// source hands out the snapshots it is given.
type source struct {
	changes chan struct{}
	mu      sync.Mutex
	lists   cluster.Lists
}

func (s *source) Changes() <-chan struct{} { return s.changes }

func (s *source) Snapshot() cluster.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cluster.New(s.lists)
}

func (s *source) set(l cluster.Lists) {
	s.mu.Lock()
	s.lists = l
	s.mu.Unlock()
	s.changes <- struct{}{}
}

// engine stands for NGINX, whose real one is in the tests of package supervisor: it can be made to hang or to
// refuse, which is what the loop has to cope with.
type engine struct {
	pushed  chan dynamic.State
	applied chan nginx.Files
	settled chan struct{}
	result  chan error              // Apply waits for one
	test    func(nginx.Files) error // what NGINX says of a configuration; nil asks result in Apply, and takes all in Test
	tests   atomic.Int32

	draining atomic.Int32
}

func newEngine() *engine {
	return &engine{
		pushed: make(chan dynamic.State, 100), applied: make(chan nginx.Files, 100), settled: make(chan struct{}, 100), result: make(chan error, 100),
	}
}

func (e *engine) Push(_ context.Context, s dynamic.State) error { e.pushed <- s; return nil }
func (e *engine) Settle(context.Context) error                  { e.settled <- struct{}{}; return nil }

func (e *engine) Draining() int { return int(e.draining.Load()) }

func (e *engine) Apply(ctx context.Context, f nginx.Files, _ string) error {
	e.applied <- f
	if e.test != nil {
		return e.Test(ctx, f)
	}
	select {
	case err := <-e.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *engine) Test(_ context.Context, f nginx.Files) error {
	if e.test == nil {
		return nil
	}
	e.tests.Add(1)
	return e.test(f)
}

type observer struct{ failed chan string }

func (o observer) Planned(controller.Plan, time.Duration) {}
func (o observer) Reloading([]controller.Cause)           {}
func (o observer) Failed(step string)                     { o.failed <- step }

func start(t *testing.T, l cluster.Lists) (*source, *engine, observer) {
	t.Helper()
	return startWith(t, l, options(t))
}

func startWith(t *testing.T, l cluster.Lists, o controller.Options) (*source, *engine, observer) {
	t.Helper()
	s, e, ob := &source{changes: make(chan struct{}, 1), lists: l}, newEngine(), observer{make(chan string, 100)}
	c := &controller.Controller{
		Source: s, Engine: e, Observer: ob, Log: slog.New(slog.DiscardHandler),
		Options: func() controller.Options { return o },
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return s, e, ob
}

func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func TestEndpointsDoNotWaitForAConfiguration(t *testing.T) {
	lists := fleet.Lists(2, 80, "10.0.0.1")
	s, e, _ := start(t, lists)
	receive(t, "the first push", e.pushed)
	receive(t, "the first configuration", e.applied)

	// NGINX hangs; new endpoints get through all the same.
	lists.Slices = append(lists.Slices[:0:0], lists.Slices...)
	lists.Slices[0] = fleet.Slice("team-0", "svc-0-1", 80, "10.0.0.7")
	s.set(lists)
	state := receive(t, "the second push", e.pushed)
	if got := state.Backends.At("team-0_svc-0-1_80").Endpoints[0].Address; got != "10.0.0.7" {
		t.Errorf("the endpoint pushed is %s", got)
	}
	e.result <- nil
}

func TestOnlyTheNewestConfigurationIsApplied(t *testing.T) {
	s, e, _ := start(t, fleet.Lists(1, 80, "10.0.0.1"))
	first := receive(t, "the first configuration", e.applied)
	receive(t, "the first push", e.pushed)
	for n := 2; n <= 5; n++ { // while NGINX is busy with the first
		s.set(fleet.Lists(n, 80, "10.0.0.1"))
		receive(t, "a push", e.pushed)
	}
	if len(e.settled) > 0 {
		t.Error("entries were removed while the configuration that needs them may be live")
	}
	e.result <- nil
	second := receive(t, "the next configuration", e.applied)
	e.result <- nil
	receive(t, "removals", e.settled)
	if first.Generation == second.Generation || len(e.applied) > 0 {
		t.Errorf("%d more configurations were applied", len(e.applied))
	}
	text, _ := second.Get("nginx.conf")
	if list, err := nginx.Parse(string(text)); err != nil || len(list) == 0 {
		t.Errorf("the configuration cannot be read: %v", err)
	}
}

func TestEndpointsDoNotWaitForTemplates(t *testing.T) {
	broken, err := templates.New(map[string]string{"upstream.tmpl": "upstream {{.Nonsense}} {\n}\n"})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Templates = broken
	_, e, ob := startWith(t, fleet.Lists(1, 80, "10.0.0.1"), o)
	if state := receive(t, "a push", e.pushed); state.Backends.Len() != 2 {
		t.Errorf("the state pushed is %v", state.Backends)
	}
	if step := receive(t, "the failure", ob.failed); step != "render" {
		t.Errorf("the failed step is %s", step)
	}
	if len(e.applied) > 0 {
		t.Error("a configuration was applied")
	}
}

type refused struct{ error }

func (r refused) Verdict() (message, file string, line int) { return r.Error(), "", 0 }

func TestRefusedConfigurationIsNotTriedAgain(t *testing.T) {
	s, e, ob := start(t, fleet.Lists(1, 80, "10.0.0.1"))
	receive(t, "the first configuration", e.applied)
	e.result <- refused{errors.New("unknown directive")}
	if step := receive(t, "the failure", ob.failed); step != "test" {
		t.Errorf("the failed step is %s", step)
	}
	s.set(fleet.Lists(2, 80, "10.0.0.1"))
	receive(t, "the next configuration", e.applied)
	e.result <- nil
	receive(t, "removals", e.settled)
}

func TestFailedReloadIsTriedAgain(t *testing.T) {
	_, e, ob := start(t, fleet.Lists(1, 80, "10.0.0.1"))
	first := receive(t, "the first configuration", e.applied)
	e.result <- errors.New("no worker reported")
	if step := receive(t, "the failure", ob.failed); step != "reload" {
		t.Errorf("the failed step is %s", step)
	}
	if again := receive(t, "the configuration again", e.applied); again.Generation != first.Generation {
		t.Error("another configuration was applied")
	}
	e.result <- nil
}

// Pauses grow far only while older workers have requests to finish, which too many reloads would cut short. Else they are a share of
// what a reload takes.
func TestPauses(t *testing.T) {
	for name, of := range map[string]struct {
		draining      int32
		took, longest time.Duration
	}{
		"quick":              {0, 40 * time.Millisecond, 100 * time.Millisecond},
		"middling":           {0, 800 * time.Millisecond, 200 * time.Millisecond},
		"slow":               {0, 8 * time.Second, 400 * time.Millisecond},
		"quick and draining": {1, 40 * time.Millisecond, 1600 * time.Millisecond},
		"slow and draining":  {1, 8 * time.Second, 1600 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, e, _ := start(t, fleet.Lists(1, 80, "10.0.0.1"))
				e.draining.Store(of.draining)
				var before time.Time
				var pauses []time.Duration
				for n := 2; n < 10; n++ {
					receive(t, "a configuration", e.applied)
					if !before.IsZero() {
						pauses = append(pauses, time.Since(before).Round(time.Millisecond))
					}
					time.Sleep(of.took) // of the bubble
					before = time.Now()
					e.result <- nil
					s.set(fleet.Lists(n, 80, "10.0.0.1"))
				}
				if pauses[0] != 100*time.Millisecond || slices.Max(pauses) != of.longest {
					t.Errorf("pauses are %v; want 100ms first and %v at most", pauses, of.longest)
				}
			})
		})
	}
}

// A pause ends early when the last older worker goes.
func TestAPauseEndsWithTheLastOlderWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, _ := start(t, fleet.Lists(1, 80, "10.0.0.1"))
		e.draining.Store(1)
		n := 2
		next := func() {
			receive(t, "a configuration", e.applied)
			e.result <- nil
			s.set(fleet.Lists(n, 80, "10.0.0.1"))
			n++
		}
		for range 6 { // as long as pauses grow
			next()
		}
		before := time.Now()
		time.AfterFunc(500*time.Millisecond, func() { e.draining.Store(0) })
		receive(t, "a configuration", e.applied)
		if pause := time.Since(before).Round(time.Millisecond); pause > 600*time.Millisecond {
			t.Errorf("the pause was %v", pause)
		}
		e.result <- nil
	})
}
