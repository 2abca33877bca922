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

// throughput measures how much the servers take when clients send as much as they can. Servers have one processor, clients
// and pods the other. All servers run, and get short rounds in turns.
func throughput(style load.Style) func(context.Context, *bench, int) error {
	return func(ctx context.Context, b *bench, size int) error {
		type running struct {
			server.Server
			name string
			port int
		}
		var all []running
		for _, kind := range b.kinds {
			s, port, err := b.start(ctx, kind, size, b.cpus.server)
			if err != nil {
				return err
			}
			defer s.Stop()
			all = append(all, running{s, kind.Name, port})
		}
		generator := load.Generator{Dir: filepath.Join(b.dir, "load"), CPUs: b.cpus.load}
		result := func(quantity, unit string) *report.Result {
			return b.report.Result(report.Result{Row: style.Name, Ingresses: size, Quantity: quantity, Unit: unit, Paired: true})
		}
		for round := range b.rounds + 1 { // the first is to warm up
			for i := range all {
				s := all[(round+i)%len(all)]
				before := server.CPU(s.Processes())
				sent, err := generator.Send(ctx, load.Target{Port: s.port, Hosts: size}, style, b.round)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				used := server.CPU(s.Processes()) - before
				if round == 0 {
					continue
				}
				result("throughput", "requests/s").Add(s.name, sent.Rate())
				result("processor time", "µs/request").Add(s.name, float64(used)/float64(time.Microsecond)/float64(sent.Requests))
				result("latency at full load, p99", "ms").Add(s.name, milliseconds(sent.P99))
			}
		}
		return nil
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
