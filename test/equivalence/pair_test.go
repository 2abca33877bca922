//go:build integration

package equivalence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

// side is one NGINX with the mode its plans are made in.
type side struct {
	mode        string
	routing     controller.Routing
	live        *nginx.Config // what NGINX runs; nil before the first
	generation  string        // of that
	reloaded    bool          // for the last set
	engine      *supervisor.Supervisor
	render      templates.Options
	certificate nginx.Certificate
	bend        func(*networkingv1.Ingress) // changes the Ingresses of this side only; nil for none
}

// modes are what is compared.
var modes = [2]struct {
	name    string
	routing controller.Routing
}{{"compiled", controller.Compiled}, {"dynamic", controller.Dynamic}}

// pair are both modes before the same pods.
type pair struct {
	sides [2]*side
	wrong map[bool]int // sets that were found wrong, by whether they could not be served at all
}

// startPair starts pods and both NGINX until the test ends.
func startPair(t *testing.T) *pair {
	t.Helper()
	startPods(t)
	certificate, err := selfsigned.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{wrong: map[bool]int{}}
	// The numbers of the ports are of one length: lengths of answers that name them are compared, too.
	for n, mode := range modes {
		p.sides[n] = startSide(t, mode.name, 18681+n, 18691+n)
		p.sides[n].routing, p.sides[n].certificate = mode.routing, certificate
	}
	return p
}

func startSide(t *testing.T, mode string, httpPort, httpsPort int) *side {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // sockets in it are reached by workers
		t.Fatal(err)
	}
	lua, err := filepath.Abs("../../rootfs/etc/nginx/lua")
	if err != nil {
		t.Fatal(err)
	}
	s := &side{mode: mode, render: golden.Render}
	s.render.StateDir, s.render.LuaDir = dir, lua
	s.render.HTTPPort, s.render.HTTPSPort = httpPort, httpsPort
	s.render.AccessLog, s.render.ErrorLog = filepath.Join(dir, "access.log"), filepath.Join(dir, "error.log")
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s.engine = supervisor.New(supervisor.Options{Binary: "/usr/sbin/nginx", Dir: dir, Log: log, Stderr: t.Output(), ShutdownGrace: 5 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the supervisor of %s mode ended with: %v", mode, err)
		}
		os.RemoveAll(dir)
	})
	return s
}

// plan makes the plan of a set in the mode of the side.
func (s *side) plan(t testing.TB, set set) controller.Plan {
	t.Helper()
	if s.bend != nil {
		set = set.bent(s.bend)
	}
	c := golden.New(t, "set", set.archive())
	c.Options.Translate.SelfSigned = s.certificate
	c.Options.Render = s.render
	c.Options.Routing, c.Options.Live = s.routing, s.live
	return c.Plan(t)
}

// serve makes a plan live.
func (s *side) serve(plan controller.Plan) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.engine.Push(ctx, plan.Dynamic); err != nil {
		return fmt.Errorf("push the state in %s mode: %w", s.mode, err)
	}
	if err := s.engine.Apply(ctx, plan.Files, "test"); err != nil {
		return fmt.Errorf("apply the configuration in %s mode: %w", s.mode, err)
	}
	s.reloaded = plan.Files.Generation != s.generation
	s.live, s.generation = &plan.Config, plan.Files.Generation
	if err := s.engine.Settle(ctx); err != nil {
		return fmt.Errorf("remove old state in %s mode: %w", s.mode, err)
	}
	return nil
}

// serve makes a set live on both sides and returns the plan of the first.
func (p *pair) serve(t testing.TB, s set) (controller.Plan, error) {
	t.Helper()
	var plans [2]controller.Plan
	var errs [2]error
	for n, side := range p.sides {
		plans[n] = side.plan(t, s)
	}
	var both sync.WaitGroup
	for n, side := range p.sides {
		both.Go(func() { errs[n] = side.serve(plans[n]) })
	}
	both.Wait()
	return plans[0], errors.Join(errs[:]...)
}

// difference is a request with two answers.
type difference struct {
	request request
	answers [2]answer
}

const senders = 4

// ports puts words in place of the numbers of a side's ports.
func (p *pair) ports(n int) *strings.Replacer {
	render := p.sides[n].render
	return strings.NewReplacer(strconv.Itoa(render.HTTPPort), "HTTP", strconv.Itoa(render.HTTPSPort), "HTTPS")
}

// compare sends requests for a set to both sides and returns those that are answered differently, in their order.
// An error means that a side could not make the set live.
func (p *pair) compare(t *testing.T, s set, requests []request, seen *tally) ([]difference, error) {
	t.Helper()
	plan, err := p.serve(t, s)
	if err != nil {
		return nil, err
	}
	seen.plan(s, plan)
	for _, side := range p.sides {
		seen.add("%s mode, reload %t", side.mode, side.reloaded)
	}
	answers := make([][2]answer, len(requests))
	var all sync.WaitGroup
	for first := range senders {
		all.Go(func() {
			sender := newSender(p)
			defer sender.close()
			for n := first; n < len(requests); n += senders {
				answers[n] = sender.ask(requests[n])
			}
		})
	}
	all.Wait()
	var found []difference
	offers := offersOf(s, plan)
	oracle := newOracle(t, plan, p.ports(0))
	for n, a := range answers {
		seen.answer(offers, requests[n], a[0])
		oracle.check(t, p, requests[n], a[0], seen)
		if !cmp.Equal(a[0], a[1]) {
			found = append(found, difference{requests[n], a})
		}
	}
	return found, nil
}

// differs returns a function that tells whether a request is answered differently when a set is live.
func (p *pair) differs(t *testing.T, r request) func(set) bool {
	return func(s set) bool {
		_, err := p.serve(t, s)
		answers := p.ask(r)
		return err == nil && !cmp.Equal(answers[0], answers[1])
	}
}

// cannotServe tells whether a side cannot make a set live.
func (p *pair) cannotServe(t *testing.T) func(set) bool {
	return func(s set) bool {
		_, err := p.serve(t, s)
		return err != nil
	}
}

func (p *pair) ask(r request) [2]answer {
	sender := newSender(p)
	defer sender.close()
	return sender.ask(r)
}

// explain shows a request with both answers.
func (p *pair) explain(d difference) string {
	var b strings.Builder
	fmt.Fprintln(&b, d.request)
	for n, a := range d.answers {
		fmt.Fprintf(&b, "%s mode: %s\n", p.sides[n].mode, a)
	}
	return b.String()
}
