package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/sluice-ingress/sluice/bench/load"
	"github.com/sluice-ingress/sluice/bench/report"
	"github.com/sluice-ingress/sluice/bench/server"
)

// mostLatencies is how many latencies are kept of each server: of 60,000 requests they say as much as all.
const mostLatencies = 2000

// churn changes one Ingress each second while requests for the others come at a constant rate and sessions are open.
func churn(ctx context.Context, b *bench, size int) error {
	const sessions = 50
	return b.each(ctx, size, func(kind server.Kind, s server.Server, port int) error {
		talking := size // a host of its own
		if err := s.SetHost(ctx, talking, server.Echo); err != nil {
			return err
		}
		if _, err := untilLive(ctx, port, talking, time.Now()); err != nil {
			return err
		}
		open, err := load.OpenSessions(port, talking, sessions)
		if err != nil {
			return err
		}
		steady := &load.Steady{Target: load.Target{Port: port, Hosts: size}, Rate: 1000, Connections: 50}
		reloads, used := countReloads(ctx, s), controllerCPU(s)
		steady.Start()
		begun := time.Now()
		err = pause(ctx, b.quiet)
		var changes int
		var memory int64
		if err == nil {
			changes, memory, err = b.changeEachSecond(ctx, s, talking+1)
		}
		answers := steady.Stop()
		broken := open.Close()
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Err != nil {
				log.Print("  a request failed: ", a.Err)
				break
			}
		}
		q := b.quantities("one change a second", size, kind.Name)
		before, during, course := b.byTime(answers, begun)
		q.add(report.Result{Quantity: "latency before", Unit: "ms", Quantiles: spread}, report.Thin(before, mostLatencies)...)
		q.add(report.Result{Quantity: "latency with changes", Unit: "ms", Quantiles: spread}, report.Thin(during, mostLatencies)...)
		q.add(report.Result{Quantity: "p99 of each second", Unit: "ms", Course: true}, course...)
		q.add(report.Result{Quantity: "failed requests", Unit: "requests"}, float64(failures(answers)))
		q.add(report.Result{Quantity: "broken WebSockets", Unit: fmt.Sprintf("of %d", sessions)}, float64(broken))
		q.add(report.Result{Quantity: "memory of all processes at most", Unit: "MB"}, megabytes(memory))
		if used != nil {
			q.add(report.Result{Quantity: "processor time of the controller", Unit: "ms/change"}, milliseconds(used())/float64(changes))
		}
		return reloads.add(ctx, q, changes)
	})
}

// changeEachSecond adds a host or removes one, by turns. It returns how many changes there were, and the most memory that
// all processes had.
func (b *bench) changeEachSecond(ctx context.Context, s server.Server, first int) (changes int, memory int64, err error) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for begun := time.Now(); time.Since(begun) < b.change; changes++ {
		if changes%2 == 0 {
			err = s.SetHost(ctx, first+changes, server.Answerers...)
		} else {
			err = s.RemoveHost(ctx, first+changes-1)
		}
		if err != nil {
			return changes, memory, err
		}
		memory = max(memory, server.Proportional(s.Processes()))
		select {
		case <-ctx.Done():
			return changes, memory, ctx.Err()
		case <-second.C:
		}
	}
	return changes, memory, nil
}

// byTime are latencies in milliseconds: before the changes, with them, and the p99 of each second.
func (b *bench) byTime(answers []load.Answer, begun time.Time) (before, during, course []float64) {
	seconds := make([][]float64, int((b.quiet + b.change).Seconds()))
	for _, a := range answers {
		if a.Err != nil {
			continue
		}
		since, took := a.Due.Sub(begun), milliseconds(a.Took)
		if since < b.quiet {
			before = append(before, took)
		} else {
			during = append(during, took)
		}
		if n := int(since.Seconds()); n < len(seconds) {
			seconds[n] = append(seconds[n], took)
		}
	}
	for _, list := range seconds {
		course = append(course, load.Quantile(list, 0.99))
	}
	return before, during, course
}

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
