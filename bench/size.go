package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-ingress/sluice/bench/load"
	"github.com/sluice-ingress/sluice/bench/report"
	"github.com/sluice-ingress/sluice/bench/server"
)

// size measures what so many Ingresses cost: to start, to keep, and to change one of them.
func size(ctx context.Context, b *bench, size int) error {
	begun := time.Now()
	return b.each(ctx, size, func(kind server.Kind, s server.Server, port int) error {
		q := b.quantities("size", size, kind.Name)
		q.add(report.Result{Quantity: "cold start until ready", Unit: "s", Curve: true}, time.Since(begun).Seconds())
		defer func() { begun = time.Now() }()
		configuration, err := s.Configuration()
		if err != nil {
			return err
		}
		q.add(report.Result{Quantity: "configuration", Unit: "KB", Curve: true}, float64(configuration)/1024)
		if controller, is := s.(*server.Controller); is {
			err = stages(ctx, q, controller, port)
		} else {
			err = check(ctx, q, s)
		}
		if err != nil {
			return err
		}
		if err := askAll(ctx, port, size); err != nil {
			return err
		}
		q.add(report.Result{Quantity: "memory of the largest process that serves", Unit: "MB", Curve: true}, megabytes(server.Largest(s.Workers())))
		q.add(report.Result{Quantity: "memory of all processes", Unit: "MB", Curve: true}, megabytes(server.Proportional(s.Processes())))
		return nil
	})
}

// askAll asks each host once: Lua and NGINX take memory for a host when the first request for it comes. More would
// leave more idle connections with pods than NGINX may have.
func askAll(ctx context.Context, port, size int) error {
	steady := &load.Steady{Target: load.Target{Port: port, Hosts: size}, Rate: 2000, Connections: 50}
	steady.Start()
	var err error
	for err == nil && len(steady.Since(0)) < size {
		err = pause(ctx, lookEvery)
	}
	answers := steady.Stop()
	if failed := failures(answers); err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d requests failed", failed, len(answers))
	}
	return err
}

// check measures how long a server takes to check a configuration written by hand.
func check(ctx context.Context, q quantities, s server.Server) error {
	checker, is := s.(interface {
		Check(ctx context.Context) error
	})
	if !is {
		return errors.New("its configuration cannot be checked")
	}
	begun := time.Now()
	if err := checker.Check(ctx); err != nil {
		return err
	}
	q.add(report.Result{Quantity: "check of the configuration", Unit: "s", Curve: true}, time.Since(begun).Seconds())
	return nil
}

// stages takes from Sluice's own metrics what each of them took: at the start, and for a new Ingress.
func stages(ctx context.Context, q quantities, c *server.Controller, port int) error {
	start, err := readStages(ctx, c)
	if err != nil {
		return err
	}
	q.add(report.Result{Quantity: "plan", Unit: "s", Curve: true}, start.mean("plan"))
	q.add(report.Result{Quantity: "push of the state", Unit: "s", Curve: true}, start.mean("push"))
	q.add(report.Result{Quantity: "check of the configuration", Unit: "s", Curve: true}, start.mean("test"))
	used := controllerCPU(c)
	if err := c.SetHost(ctx, q.size, server.Answerers...); err != nil {
		return err
	}
	if _, err := untilLive(ctx, port, q.size, time.Now()); err != nil {
		return err
	}
	q.add(report.Result{Quantity: "one change: processor time of the controller", Unit: "ms", Curve: true}, milliseconds(used()))
	after, err := readStages(ctx, c)
	if err != nil {
		return err
	}
	change := after.minus(start)
	q.add(report.Result{Quantity: "one change: plan", Unit: "s", Curve: true}, change.mean("plan"))
	q.add(report.Result{Quantity: "one change: reload", Unit: "s", Curve: true}, change.mean("reload"))
	q.add(report.Result{Quantity: "memory of the controller", Unit: "MB", Curve: true}, megabytes(server.Largest([]int{c.Itself()})))
	return nil
}

// times are the sum in seconds and the count of each stage.
type times map[string][2]float64

func readStages(ctx context.Context, c *server.Controller) (times, error) {
	t := times{}
	for _, stage := range []string{"plan", "push", "test", "reload"} {
		sum, err := c.Metric(ctx, "sluice_"+stage+"_duration_seconds_sum")
		if err != nil {
			return nil, err
		}
		count, err := c.Metric(ctx, "sluice_"+stage+"_duration_seconds_count")
		if err != nil {
			return nil, err
		}
		t[stage] = [2]float64{sum, count}
	}
	return t, nil
}

func (t times) minus(other times) times {
	difference := times{}
	for stage, v := range t {
		difference[stage] = [2]float64{v[0] - other[stage][0], v[1] - other[stage][1]}
	}
	return difference
}

// mean is 0 for a stage that was not needed.
func (t times) mean(stage string) float64 { return t[stage][0] / max(1, t[stage][1]) }
