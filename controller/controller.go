package controller

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Source is where snapshots come from: manifests or a cluster.
type Source interface {
	// Changes gets a value when Snapshot may return something new.
	Changes() <-chan struct{}
	Snapshot() cluster.Snapshot
}

// Engine is a running NGINX.
type Engine interface {
	// Apply makes a configuration live and returns when every worker runs it.
	Apply(ctx context.Context, files nginx.Files, cause string) error
	// Test has NGINX check a configuration, and changes nothing.
	Test(ctx context.Context, files nginx.Files) error
	// Push makes additions and changes of the state live. It does not wait for Apply.
	Push(ctx context.Context, state dynamic.State) error
	// Settle removes what the last pushed state no longer has.
	Settle(ctx context.Context) error
	// Draining is how many generations of older workers still finish requests.
	Draining() int
}

// Observer is told what the loop does; package metrics has one.
type Observer interface {
	Planned(p Plan, took time.Duration)
	// Reloading is called before NGINX is made to read another configuration.
	Reloading(causes []Cause)
	Failed(step string)
}

// Controller is the loop.
type Controller struct {
	Source   Source
	Engine   Engine
	Options  func() Options  // asked for each plan: templates may have changed
	Replan   <-chan struct{} // gets a value when Options may return something new
	Stapled  <-chan struct{} // gets one when they may have other Staples; may be nil
	Log      *slog.Logger
	Observer Observer
	Pace     Pace
	Keeper   Keeper // of what outlives the process; may be nil

	latest   atomic.Pointer[Plan] // what should be live
	good     cluster.Fallback
	lastPlan time.Duration // how long it took
	pending  chan struct{} // the applier has something to do
	// live and liveConfig are what NGINX runs, written by the applier alone.
	live       string
	liveConfig atomic.Pointer[nginx.Config]
	// learned is what applying has shown, written by the applier alone; again asks for a plan with it.
	learned  atomic.Pointer[experience]
	again    chan struct{}
	incident incident                  // the applier's own
	retries  map[cluster.Refusal]retry // likewise
	kept     Kept                      // what Keeper has; the planning loop's own

	busy atomic.Int64 // when the loop began what it is doing, unix nanoseconds; 0 if idle
}

// Run follows the source until the context ends. The planning loop pushes state itself, so that endpoints
// never wait for a configuration; configurations are applied beside it, the newest only.
func (c *Controller) Run(ctx context.Context) {
	c.pending, c.again = make(chan struct{}, 1), make(chan struct{}, 1)
	c.remember()
	var applier sync.WaitGroup
	applier.Go(func() { c.applyLoop(ctx) })
	defer applier.Wait()

	c.plan(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Source.Changes():
			if !wait(ctx, c.gathering()) {
				return
			}
			select {
			case <-c.Source.Changes(): // the snapshot has those too
			default:
			}
			c.plan(ctx)
		case <-c.Replan:
			c.plan(ctx)
		case <-c.Stapled:
			c.plan(ctx)
		case <-c.again:
			c.plan(ctx)
		}
	}
}

// mostGathering bounds how long a change waits for others.
const mostGathering = 50 * time.Millisecond

// gathering is how long to wait for what may belong to a change: an Ingress, its Service and that one's endpoints arrive
// one by one. A plan of the same kind costs about as much again, so an eighth of the last one is less than a second plan.
func (c *Controller) gathering() time.Duration { return min(c.lastPlan/8, mostGathering) }

// plan makes a plan for the present snapshot, pushes its state and hands its configuration on.
func (c *Controller) plan(ctx context.Context) {
	start := time.Now()
	c.busy.Store(start.UnixNano())
	defer c.busy.Store(0)

	snapshot, learned := c.Source.Snapshot(), c.learned.Load()
	snapshot.Fallback, snapshot.Proven, snapshot.Quarantine = c.good, learned.proven, learned.quarantine
	options := c.Options()
	options.Live, options.Refused = c.liveConfig.Load(), learned.refused
	plan, err := options.Plan(snapshot)
	plan.lessons = learned.lessons
	took := time.Since(start)
	c.good, c.lastPlan = plan.Good, took
	// Endpoints are known even if the configuration cannot be written.
	if err := c.Engine.Push(ctx, plan.Dynamic); err != nil && ctx.Err() == nil {
		c.Log.Error("endpoints and certificates could not be pushed", "error", err)
		c.Observer.Failed("push")
	}
	if err != nil {
		c.Log.Error("the configuration cannot be written; the last one stays", "error", err)
		c.Observer.Failed("render")
		return
	}
	before := c.latest.Swap(&plan)
	c.Observer.Planned(plan, took)
	c.logChanges(before, &plan)
	signal(c.pending)
	c.keep(&plan)
}

// signal puts a value into a channel that holds one, unless there is one.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// Pace is how long to wait between two configurations. The first of a series of changes is applied at once, the
// next after First, each further one after twice the pause before, up to Longest. An idle while ends the series.
// Zero values stand for 0.1 s and 1.6 s.
type Pace struct{ First, Longest time.Duration }

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 1600 * time.Millisecond
	idleWhile    = 5 * time.Second

	// eagerPause is the longest while no older worker has requests to finish: reloads then cut nothing short. Work is all that
	// they cost, so that the pause is a share of what the last one took.
	eagerPause, eagerShare = 400 * time.Millisecond, 4
)

// next is the pause after one of last.
func (p Pace) next(last time.Duration) time.Duration {
	return min(max(2*last, cmp.Or(p.First, firstPause)), cmp.Or(p.Longest, longestPause))
}

// shortened is a pause when nobody drains, after a configuration that took so long.
func (p Pace) shortened(pause, took time.Duration) time.Duration {
	return min(pause, max(p.First, firstPause, min(took/eagerShare, eagerPause)))
}

func (c *Controller) applyLoop(ctx context.Context) {
	var pause, took time.Duration // took is of the last configuration
	last := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.pending:
		}
		if time.Since(last) > pause+idleWhile {
			pause = 0
		}
		if !c.await(ctx, last, pause, c.Pace.shortened(pause, took)) {
			return
		}
		begun := time.Now()
		c.reconsider(ctx)
		reloaded, retry := c.apply(ctx)
		c.schedule()
		if reloaded {
			pause = c.Pace.next(pause)
			last = time.Now()
			took = last.Sub(begun)
		}
		if retry && !c.later(ctx) {
			return
		}
	}
}

// await returns when a pause after the last configuration is over, or earlier if nobody drains, but not before the shortened one is:
// workers who have just been replaced need a moment to go even if they have nothing to finish. It returns false if the context
// ended first.
func (c *Controller) await(ctx context.Context, last time.Time, pause, shortened time.Duration) bool {
	end := last.Add(pause)
	for look := last.Add(shortened); wait(ctx, time.Until(look)); look = look.Add(firstPause) {
		if !look.Before(end) || c.Engine.Draining() == 0 {
			return true
		}
	}
	return false
}

// wait returns false if the context ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// retryAfter is when a configuration is tried again that failed for another reason than its content.
const retryAfter = 2 * time.Second

func (c *Controller) later(ctx context.Context) bool {
	if !wait(ctx, retryAfter) {
		return false
	}
	signal(c.pending)
	return true
}

// Good are the last versions of objects that were good, as of the last plan.
func (c *Controller) Good() cluster.Fallback {
	if plan := c.latest.Load(); plan != nil {
		return plan.Good
	}
	return cluster.Fallback{}
}

// Stalled returns for how long the planning loop has been busy with one plan, 0 if it is idle.
func (c *Controller) Stalled() time.Duration {
	since := c.busy.Load()
	if since == 0 {
		return 0
	}
	return time.Since(time.Unix(0, since))
}
