package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ingress/sluice/bench/load"
	"github.com/sluice-ingress/sluice/bench/report"
	"github.com/sluice-ingress/sluice/bench/server"
)

// lookEvery is how often is looked whether a change is live.
const lookEvery = 2 * time.Millisecond

// longestChange is when a change counts as lost.
const longestChange = 3 * time.Minute

// endpoints measures, under constant load, how long requests for a host go to a pod that has been replaced.
func endpoints(ctx context.Context, b *bench, size int) error {
	const row = "new endpoints"
	return b.each(ctx, size, func(kind server.Kind, s server.Server, port int) error {
		pods := server.Answerers
		if err := s.SetHost(ctx, 0, pods[0]); err != nil {
			return err
		}
		steady := &load.Steady{Target: load.Target{Port: port, Hosts: 1}, Rate: 1000, Connections: 20}
		steady.Start()
		reloads := countReloads(ctx, s)
		begun, samples := time.Now(), []float64(nil)
		_, err := lastFrom(ctx, steady, time.Now(), pods[0]) // before that, both pods have answered
		for n := 1; err == nil && n <= b.samples && time.Since(begun) < b.patience; n++ {
			var took time.Duration
			from := time.Now()
			if err = s.SetHost(ctx, 0, pods[n%2]); err == nil {
				took, err = lastFrom(ctx, steady, from, pods[n%2])
				samples = append(samples, milliseconds(took))
			}
		}
		answers := steady.Stop()
		if err != nil {
			return err
		}
		quantities := b.quantities(row, size, kind.Name)
		quantities.add(report.Result{Quantity: "from the change to the last request for an old pod", Unit: "ms", Quantiles: spread}, samples...)
		quantities.add(report.Result{Quantity: "failed requests", Unit: "requests"}, float64(failures(answers)))
		return reloads.add(ctx, quantities, len(samples))
	})
}

// spread are the quantiles that are shown of latencies.
var spread = []float64{0.5, 0.99}

// lastFrom waits until only the given pod has answered for a while, and returns when the last request was due that another
// one answered, counted from the change.
func lastFrom(ctx context.Context, steady *load.Steady, change time.Time, pod string) (time.Duration, error) {
	const while = 100 * time.Millisecond
	last, seen := change, 0
	for deadline := change.Add(longestChange); time.Now().Before(deadline); {
		newest := change
		for _, a := range steady.Since(seen) {
			seen++
			if a.Due.After(newest) {
				newest = a.Due
			}
			if a.Err == nil && a.Pod != pod && a.Due.After(last) {
				last = a.Due
			}
		}
		if newest.Sub(last) > while {
			return last.Sub(change), nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("other pods than %s answer %s after the change", pod, longestChange)
}

func failures(answers []load.Answer) int {
	n := 0
	for _, a := range answers {
		if a.Err != nil {
			n++
		}
	}
	return n
}

// live measures how long a new Ingress takes until requests for it are answered, one Ingress after the other.
func live(ctx context.Context, b *bench, size int) error {
	const row = "new Ingress"
	return b.each(ctx, size, func(kind server.Kind, s server.Server, port int) error {
		reloads, used := countReloads(ctx, s), controllerCPU(s)
		var samples []float64
		for begun := time.Now(); len(samples) < b.samples && time.Since(begun) < b.patience; {
			n, from := size+len(samples), time.Now()
			if err := s.SetHost(ctx, n, server.Answerers...); err != nil {
				return err
			}
			took, err := untilLive(ctx, port, n, from)
			if err != nil {
				return err
			}
			samples = append(samples, milliseconds(took))
		}
		quantities := b.quantities(row, size, kind.Name)
		quantities.add(report.Result{Quantity: "until it is live", Unit: "ms", Quantiles: spread, Curve: true}, samples...)
		if used != nil {
			quantities.add(report.Result{Quantity: "processor time of the controller", Unit: "ms/change", Curve: true}, milliseconds(used())/float64(len(samples)))
		}
		return reloads.add(ctx, quantities, len(samples))
	})
}

// untilLive returns when the first of ten requests in a row was answered, each on a new connection, counted from the change.
func untilLive(ctx context.Context, port, host int, change time.Time) (time.Duration, error) {
	var first time.Time
	var err error
	for good := 0; good < 10; {
		asked := time.Now()
		switch err = server.Ask(ctx, port, host); {
		case err != nil && asked.Sub(change) > longestChange:
			return 0, fmt.Errorf("a new Ingress is not live: %w", err)
		case err != nil:
			good = 0
		default:
			if good == 0 {
				first = time.Now()
			}
			good++
		}
		if err := pause(ctx, lookEvery); err != nil {
			return 0, err
		}
	}
	return first.Sub(change), nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// quantities are those of a row, at one size, of one server.
type quantities struct {
	b         *bench
	row, name string
	size      int
}

func (b *bench) quantities(row string, size int, name string) quantities {
	return quantities{b, row, name, size}
}

func (q quantities) add(like report.Result, samples ...float64) {
	like.Row, like.Ingresses = q.row, q.size
	q.b.report.Result(like).Add(q.name, samples...)
}

// reloads counts those of Sluice; of the others, everybody knows that each change is one.
type reloads struct {
	of     *server.Controller // nil for others
	before float64
	err    error
}

const liveConfigurations = "nginx_ingress_controller_success"

func countReloads(ctx context.Context, s server.Server) reloads {
	controller, is := s.(*server.Controller)
	if !is {
		return reloads{}
	}
	before, err := controller.Metric(ctx, liveConfigurations)
	return reloads{controller, before, err}
}

func (r reloads) add(ctx context.Context, q quantities, changes int) error {
	if r.of == nil || r.err != nil {
		return r.err
	}
	after, err := r.of.Metric(ctx, liveConfigurations)
	if err == nil {
		q.add(report.Result{Quantity: "reloads", Unit: "for each change"}, (after-r.before)/float64(changes))
	}
	return err
}

// controllerCPU returns a function that tells what processor time the controller has used since; nil if there is none.
func controllerCPU(s server.Server) func() time.Duration {
	controller, is := s.(*server.Controller)
	if !is {
		return nil
	}
	itself := []int{controller.Itself()}
	before := server.CPU(itself)
	return func() time.Duration { return server.CPU(itself) - before }
}
