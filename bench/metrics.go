package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sluice-ingress/sluice/bench/load"
	"github.com/sluice-ingress/sluice/bench/report"
	"github.com/sluice-ingress/sluice/bench/server"
)

// counting measures what it costs Sluice to count requests: the same server runs with and without, and both get short rounds in
// turns. Ratios are of two rounds, one right after the other. Reading the metrics, as Prometheus does each half minute, is
// measured apart.
func counting(ctx context.Context, b *bench, size int) error {
	for _, kind := range b.kinds {
		if kind.Mode == "" {
			continue
		}
		if err := b.count(ctx, kind, size); err != nil {
			return fmt.Errorf("%s: %w", kind.Name, err)
		}
	}
	return nil
}

// round is what one server did in one round.
type round struct{ rate, cost float64 } // requests/s, µs/request

func (b *bench) count(ctx context.Context, kind server.Kind, size int) error {
	var both [2]*server.Controller // without, with
	var at [2]int
	for i, k := range []server.Kind{kind.Muted(), kind} {
		s, port, err := b.start(ctx, k, size, b.cpus.server)
		if err != nil {
			return err
		}
		defer s.Stop()
		both[i], at[i] = s.(*server.Controller), port
		if err := askAll(ctx, port, size); err != nil {
			return err
		}
	}
	q := b.quantities("metrics", size, kind.Name)
	if err := b.read(ctx, q, both); err != nil {
		return err
	}
	generator := load.Generator{Dir: filepath.Join(b.dir, "load"), CPUs: b.cpus.load}
	for n := range b.rounds + 1 { // the first is to warm up
		var did [2]round
		for turn := range both {
			i := (turn + n) % 2
			before := server.CPU(both[i].Processes())
			sent, err := generator.Send(ctx, load.Target{Port: at[i], Hosts: size}, load.Style{}, b.round)
			if err != nil {
				return err
			}
			used := server.CPU(both[i].Processes()) - before
			did[i] = round{sent.Rate(), float64(used) / float64(time.Microsecond) / float64(sent.Requests)}
		}
		if n == 0 {
			continue
		}
		q.add(report.Result{Quantity: "throughput, with metrics", Unit: "of that without"}, did[1].rate/did[0].rate)
		q.add(report.Result{Quantity: "processor time of a request, with metrics", Unit: "of that without"}, did[1].cost/did[0].cost)
	}
	return nil
}

// read reads the metrics when each host was asked.
func (b *bench) read(ctx context.Context, q quantities, both [2]*server.Controller) error {
	for range b.rounds {
		s, err := both[1].Scrape(ctx)
		if err != nil {
			return err
		}
		q.add(report.Result{Quantity: "reading the metrics", Unit: "ms"}, milliseconds(s.Took))
		q.add(report.Result{Quantity: "metrics, uncompressed", Unit: "KB"}, float64(s.Bytes)/1024)
		q.add(report.Result{Quantity: "series", Unit: ""}, float64(s.Series))
	}
	for i, name := range []string{"without", "with"} {
		q.add(report.Result{Quantity: "memory of the controller, " + name + " metrics", Unit: "MB"}, megabytes(server.Largest([]int{both[i].Itself()})))
		q.add(report.Result{Quantity: "memory of a worker, " + name + " metrics", Unit: "MB"}, megabytes(server.Largest(both[i].Workers())))
	}
	return nil
}
