package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/events"
	"github.com/sluice-ingress/sluice/controller/health"
	"github.com/sluice-ingress/sluice/controller/maxmind"
	"github.com/sluice-ingress/sluice/controller/metrics"
	"github.com/sluice-ingress/sluice/controller/ocsp"
	"github.com/sluice-ingress/sluice/controller/statuspage"
	"github.com/sluice-ingress/sluice/nginx/dataplane"
	"github.com/sluice-ingress/sluice/nginx/spans"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// part is something that runs until its context ends.
type part = func(context.Context) error

// daemon is everything that runs.
type daemon struct {
	log      *slog.Logger
	metrics  *metrics.Metrics
	engine   engine
	arrived  <-chan struct{} // closed when the engine can be asked where NGINX runs; nil if it can at once
	loop     *controller.Controller
	recorder *events.Recorder // nil without a cluster
	page     *statuspage.Page // nil if there is none
	stapler  *ocsp.Stapler
	parts    []part

	databases *maxmind.Source

	grace      time.Duration         // between not ready and the stop of NGINX; 0 asks depart
	afterGrace time.Duration         // after NGINX has stopped
	depart     func(context.Context) // returns when nobody sends requests any more; nil if that is so at once
	synced     func() error          // what the source waits for; nil if it does not
	leads      func() bool           // whether this replica writes what only one shall; nil without a cluster
	leaving    atomic.Bool           // we have been told to stop
}

// engine runs NGINX: a supervisor of ours, or one in another container.
type engine interface {
	controller.Engine
	Run(context.Context) error
	Leave(context.Context) error
	Status() supervisor.Status
	Measure(ctx context.Context, q traffic.Question) (traffic.Report, error)
}

// startEngine chooses the engine, and returns where NGINX runs.
func (d *daemon) startEngine(f controllerFlags) (here func() dataplane.Surroundings) {
	observer := supervisor.Observer{Tested: d.tested, Reloaded: d.reloaded, Pushed: d.metrics.Pushed, Restarted: d.restarted}
	if f.socket != "" {
		client := dataplane.NewClient(dataplane.Options{Socket: f.socket, StateDir: f.StateDir, Log: d.log, Observer: observer})
		d.engine, d.arrived = client, client.Connected()
		return client.Surroundings
	}
	d.engine = supervisor.New(supervisor.Options{
		Binary: f.binary, Dir: f.StateDir, Log: d.log, ShutdownGrace: f.Shutdown, MaxOldGenerations: f.oldWorkers, Observer: observer,
	})
	d.parts = append(d.parts, spans.New(f.StateDir, d.log).Run)
	around := surroundingsOf(f.StateDir)
	return func() dataplane.Surroundings { return around }
}

// follow runs the loop as soon as it is known where NGINX runs, and what it needs is there.
func (d *daemon) follow(ctx context.Context) error {
	if d.arrived != nil {
		select {
		case <-d.arrived:
		case <-ctx.Done():
			return nil
		}
	}
	if d.databases.Await(ctx) {
		d.loop.Run(ctx)
	}
	return nil
}

// run runs all parts until the context ends or one of them fails. Then, in this order: probes fail, so that no
// new requests come; requests are served until none come; NGINX finishes those it has. Probes are answered
// until the very end.
func (d *daemon) run(ctx context.Context, listener net.Listener, healthPath string) error {
	background, stopHealth := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHealth()
	handler := health.Handler(health.Probes{Live: d.live, Ready: d.ready}, healthPath, d.metrics.Registry)
	var others errgroup.Group
	others.Go(func() error { return health.Serve(background, listener, handler) })

	serving, stopServing := context.WithCancel(background)
	group, serving := errgroup.WithContext(serving)
	for _, run := range d.parts {
		group.Go(func() error { return run(serving) })
	}
	group.Go(func() error {
		defer stopServing()
		select {
		case <-ctx.Done():
		case <-serving.Done():
			return nil
		}
		d.leaving.Store(true)
		if err := d.engine.Leave(serving); err != nil {
			d.log.Warn("clients are not told that their connections end", "error", err)
		}
		d.await(serving)
		return nil
	})
	err := group.Wait()
	pause(background, d.afterGrace)
	stopHealth()
	return errors.Join(err, others.Wait())
}

// pass hands on what comes from one of several channels. What has not been taken yet stands for what comes later, too.
func pass(from <-chan struct{}, to chan<- struct{}) part {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-from:
			}
			select {
			case to <- struct{}{}:
			default:
			}
		}
	}
}

// await returns when NGINX may stop.
func (d *daemon) await(ctx context.Context) {
	switch {
	case d.grace > 0:
		d.log.Info("serving on, not ready, before NGINX is stopped", "for", d.grace)
		pause(ctx, d.grace)
	case d.depart != nil:
		d.depart(ctx)
	}
}

// pause returns false if the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
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

// stuck is how long a plan may take before the controller counts as dead.
const stuck = 2 * time.Minute

func (d *daemon) live() error {
	if took := d.loop.Stalled(); took > stuck {
		return fmt.Errorf("making a plan takes since %s", took.Round(time.Second))
	}
	return nil
}

func (d *daemon) ready() error {
	if d.leaving.Load() {
		return errors.New("shutting down")
	}
	if d.synced != nil {
		if err := d.synced(); err != nil {
			return err
		}
	}
	if !d.engine.Status().Ready {
		return errors.New("NGINX does not serve a complete state yet")
	}
	return nil
}

// tested is told of every nginx -t, and reloaded of every configuration that became live, or failed to.
func (d *daemon) tested(took time.Duration, err error) {
	d.metrics.Tested(took, err)
	if d.recorder != nil {
		d.recorder.Tested(took, err)
	}
	if d.page != nil {
		d.page.Tested(took, err)
	}
}

func (d *daemon) reloaded(cause string, took time.Duration, err error) {
	d.metrics.Reloaded(cause, took, err)
	if d.recorder != nil {
		d.recorder.Reloaded(cause, took, err)
	}
	if d.page != nil {
		d.page.Reloaded(cause, took, err)
	}
}

// restarted is told when NGINX died and was started again.
func (d *daemon) restarted() {
	d.metrics.Restarted()
	if d.page != nil {
		d.page.Restarted()
	}
}

// observing are these observers, with those that there always are.
func (d *daemon) observing(more ...controller.Observer) observers {
	all := observers{d.metrics, d.stapler}
	if d.page != nil {
		all = append(all, d.page)
	}
	return append(all, more...)
}

// observers are told the same, one after the other.
type observers []controller.Observer

// Planned implements controller.Observer.
func (all observers) Planned(p controller.Plan, took time.Duration) {
	for _, o := range all {
		o.Planned(p, took)
	}
}

// Reloading implements controller.Observer.
func (all observers) Reloading(causes []controller.Cause) {
	for _, o := range all {
		o.Reloading(causes)
	}
}

// Failed implements controller.Observer.
func (all observers) Failed(step string) {
	for _, o := range all {
		o.Failed(step)
	}
}
