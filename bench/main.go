// Command bench measures Sluice beside NGINX and HAProxy with configurations written by hand: same hosts, same log, same
// headers. All run in turns on the same two processors, so that ratios count, not the numbers themselves. It runs inside a
// Debian root that has all programs (make bench) and uses loopback only.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-ingress/sluice/bench/load"
	"github.com/sluice-ingress/sluice/bench/report"
	"github.com/sluice-ingress/sluice/bench/server"
)

func main() {
	log.SetFlags(log.Ltime)
	var o options
	flag.StringVar(&o.selected, "run", "", "measure only what matches this regular expression, as in live/1000$")
	flag.StringVar(&o.modes, "modes", "compiled,dynamic", "modes of routing, separated by commas")
	flag.StringVar(&o.peers, "peers", "plain,haproxy", "what to compare with: plain, haproxy")
	flag.BoolVar(&o.quick, "quick", false, "measure each row for some seconds only, to see that it works")
	flag.StringVar(&o.out, "out", "bin/benchmarks", "directory for table, JSON and curves")
	flag.BoolVar(&o.resume, "continue", false, "keep what is in -out already, if there is anything; it has to be of the same commit and machine")
	flag.StringVar(&o.program, "sluice", "bin/sluice", "Sluice's program")
	flag.StringVar(&o.lua, "lua", "rootfs/etc/nginx/lua", "directory of Sluice's Lua files")
	list := flag.Bool("list", false, "print what can be measured, and exit")
	flag.Parse()
	if *list {
		for _, r := range rows {
			for _, size := range r.sizes {
				fmt.Println(r.at(size))
			}
		}
		return
	}
	if err := enterNetwork(); err != nil {
		log.Fatal("bench: ", err)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil {
		log.Fatal("bench: ", err)
	}
}

type options struct {
	selected, modes, peers, out, program, lua string
	quick, resume                             bool
}

// row is something that is measured, at several sizes, which are numbers of Ingresses.
type row struct {
	name    string
	sizes   []int
	measure func(ctx context.Context, b *bench, size int) error
}

func (r row) at(size int) string { return fmt.Sprintf("%s/%d", r.name, size) }

// rows are in the order of the table.
var rows = slices.Concat([]row{
	{"http1", []int{1, 1000}, throughput(load.Style{Name: "HTTP/1.1, connections kept"})},
	{"tls", []int{1, 1000}, throughput(load.Style{Name: "HTTP/1.1, TLS, connections kept", TLS: true})},
	{"handshakes", []int{1, 1000}, throughput(load.Style{Name: "HTTP/1.1, TLS, a connection each", TLS: true, Connecting: true})},
	{"http2", []int{1, 1000}, throughput(load.Style{Name: "HTTP/2, TLS", TLS: true, HTTP2: true})},
	{"metrics", []int{1, 1000}, counting},
	{"endpoints", []int{1000}, endpoints},
	{"live", []int{1, 1000, 10000}, live},
	{"churn", []int{1000}, churn},
	{"size", []int{1000, 5000, 10000}, size},
}, familyRows())

// bench is one run.
type bench struct {
	options
	pace
	dir    string
	report *report.Report
	kinds  []server.Kind
	cpus   processors
}

// pace is how long and how often to measure. Rounds and turns are even, and somebody else begins each time, or those would win who have
// rested longer: with thousands of connections to pods a server that has just run is up to 15 % slower, plain NGINX too.
type pace struct {
	rounds        int           // of throughput
	round         time.Duration // of throughput
	turns         int           // of a family
	turn          time.Duration // of a family
	samples       int           // of latency, at most
	patience      time.Duration // for the samples of one server; no sample begins after it
	quiet, change time.Duration // of churn: before the changes, and with them
}

var (
	full  = pace{rounds: 8, round: 3 * time.Second, turns: 6, turn: 2 * time.Second, samples: 100, patience: time.Minute, quiet: 20 * time.Second, change: time.Minute}
	quick = pace{rounds: 2, round: time.Second, turns: 2, turn: time.Second, samples: 5, patience: 10 * time.Second, quiet: 3 * time.Second, change: 6 * time.Second}
)

func run(ctx context.Context, o options) error {
	b, err := prepare(o)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	selected, err := regexp.Compile(o.selected)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	pods, err := server.StartPods(ctx, filepath.Join(b.dir, "pods"), b.cpus.load)
	if err != nil {
		return err
	}
	defer pods.Stop()
	for _, r := range rows {
		for _, size := range r.sizes {
			if !selected.MatchString(r.at(size)) {
				continue
			}
			log.Print(r.at(size))
			if err := r.measure(ctx, b, size); err != nil {
				return fmt.Errorf("%s: %w", r.at(size), err)
			}
			if err := b.write(); err != nil { // now, as the next one may fail or be stopped
				return err
			}
		}
	}
	return b.report.WriteTable(os.Stdout)
}

func prepare(o options) (*bench, error) {
	b := &bench{options: o, pace: full}
	if o.quick {
		b.pace = quick
	}
	for name := range strings.SplitSeq(o.peers, ",") {
		switch name {
		case "plain":
			b.kinds = append(b.kinds, server.Plain)
		case "haproxy":
			b.kinds = append(b.kinds, server.HAProxy)
		case "":
		default:
			return nil, errors.New("-peers: nobody knows " + name)
		}
	}
	for mode := range strings.SplitSeq(o.modes, ",") {
		b.kinds = append(b.kinds, server.Sluice(mode))
	}
	var err error
	if b.lua, err = filepath.Abs(o.lua); err != nil {
		return nil, err
	}
	if b.cpus, err = ownProcessors(); err != nil {
		return nil, err
	}
	if b.report, err = describe(b.cpus); err != nil {
		return nil, err
	}
	b.report.Quick = o.quick
	for _, kind := range b.kinds {
		b.report.Subjects = append(b.report.Subjects, kind.Name)
	}
	if o.resume {
		if err := b.resumeReport(); err != nil {
			return nil, err
		}
	}
	if b.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	return b, os.Chmod(b.dir, 0o755) //nolint:gosec // workers are another user
}

// resumeReport begins with what a former run has written, if there was one.
func (b *bench) resumeReport() error {
	text, err := os.ReadFile(filepath.Join(b.out, "results.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("-continue: %w", err)
	}
	var former report.Report
	if err := json.Unmarshal(text, &former); err != nil {
		return fmt.Errorf("-continue: read what was measured: %w", err)
	}
	return b.report.Continue(&former)
}

// write prints the table and writes the files.
func (b *bench) write() error {
	if err := os.MkdirAll(b.out, 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	page, err := os.Create(filepath.Join(b.out, "results.md"))
	if err != nil {
		return err
	}
	raw, err := os.Create(filepath.Join(b.out, "results.json"))
	if err != nil {
		return err
	}
	err = errors.Join(b.report.WritePage(page), page.Close(), b.report.WriteJSON(raw), raw.Close())
	for name, drawing := range b.report.Curves() {
		err = errors.Join(err, os.WriteFile(filepath.Join(b.out, name), []byte(drawing), 0o644)) //nolint:gosec // for everybody to read
	}
	return err
}

// ports are four for each server, below those that the kernel gives to clients.
const ports = 18910

// start starts a server of each kind, one after the other, on the given processors. Stop has to be called in any case.
func (b *bench) start(ctx context.Context, kind server.Kind, size int, cpus string) (server.Server, int, error) {
	port := ports + 10*len(b.kinds) // of one that is only compared with one of them
	for i, k := range b.kinds {
		if k.Name == kind.Name {
			port = ports + 10*i
		}
	}
	s, err := b.startAt(ctx, port, kind, size, cpus, server.Feature{})
	return s, port, err
}

// startAt is start for a port, and with a feature.
func (b *bench) startAt(ctx context.Context, port int, kind server.Kind, size int, cpus string, feature server.Feature) (server.Server, error) {
	dir, err := os.MkdirTemp(b.dir, "server-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // workers are another user
		return nil, err
	}
	s, err := server.New(kind, server.Options{
		Dir: dir, CPUs: cpus, Port: port, Hosts: size, Pods: server.Answerers, Program: b.program, Lua: b.lua, Feature: feature,
	})
	if err != nil {
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s: %w", kind.Name, err)
	}
	return s, nil
}

// each measures one kind of server after the other.
func (b *bench) each(ctx context.Context, size int, measure func(kind server.Kind, s server.Server, port int) error) error {
	for _, kind := range b.kinds {
		log.Print("  ", kind.Name)
		s, port, err := b.start(ctx, kind, size, "")
		if err != nil {
			return err
		}
		err = measure(kind, s, port)
		s.Stop()
		if err != nil {
			return fmt.Errorf("%s: %w", kind.Name, err)
		}
	}
	return nil
}
