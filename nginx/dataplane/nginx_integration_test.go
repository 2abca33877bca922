//go:build integration

package dataplane

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/test/bare"
	"github.com/sluice-ingress/sluice/test/logged"
)

const address = "127.0.0.1:18100"

var (
	mustGet = bare.Address(address).MustGet
	backend = bare.Backend
	within  = bare.Within
)

// pod is what both sides share: a directory, and a log that is shown if the test fails.
type pod struct {
	*testing.T
	dir string
	log *logged.Text
}

func newPod(t *testing.T) *pod {
	t.Helper()
	return &pod{t, bare.Dir(t), bare.Log(t)}
}

func (p *pod) logger(side string) *slog.Logger {
	return slog.New(slog.NewTextHandler(p.log, nil)).With("side", side)
}

func (p *pod) state() string  { return filepath.Join(p.dir, "state") }
func (p *pod) socket() string { return filepath.Join(p.dir, "socket", "dataplane.sock") }

// running is one life of the data plane.
type running struct {
	*Server
	stop     func() // ends it at once, as a container that is killed
	received *atomic.Int64
}

// counted counts what arrives.
type counted struct {
	net.Listener
	received *atomic.Int64
}

type countedConn struct {
	net.Conn
	received *atomic.Int64
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.received}, err
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

// dataPlane starts one.
func (p *pod) dataPlane(change ...func(*Server)) *running {
	p.Helper()
	bare.NeedNGINX(p)
	feed := &Feed{}
	engine := supervisor.New(supervisor.Options{
		Binary: bare.Binary, Dir: p.state(), Stderr: p.log, Log: p.logger("nginx"), Observer: feed.Observer(),
		ShutdownGrace: time.Second, ReloadTimeout: 20 * time.Second,
	})
	if err := engine.Recover(); err != nil {
		p.Fatal(err)
	}
	server := NewServer(engine, feed, Surroundings{StateDir: p.state(), CPUs: 3, OpenFiles: 4096}, p.logger("nginx"))
	for _, c := range change {
		c(server)
	}
	listener, err := Listen(p.socket())
	if err != nil {
		p.Fatal(err)
	}
	r := &running{Server: server, received: &atomic.Int64{}}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range []func() error{
		func() error { return engine.Run(ctx) },
		func() error { return engine.Resume(ctx) },
		func() error { return server.Serve(ctx, counted{listener, r.received}) },
	} {
		group.Go(func() {
			if err := run(); err != nil && ctx.Err() == nil {
				p.Errorf("the data plane: %v", err)
			}
		})
	}
	r.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	p.Cleanup(func() { r.stop() })
	return r
}

// controller is one life of a controller.
type controller struct {
	*Client
	p      *pod
	end    func()        // tells it to end
	ended  chan struct{} // closed when it has
	events chan string
}

func (p *pod) controller(change ...func(*Options)) *controller {
	p.Helper()
	c := &controller{p: p, events: make(chan string, 100), ended: make(chan struct{})}
	options := Options{Socket: p.socket(), StateDir: p.state(), Log: p.logger("controller"), Observer: supervisor.Observer{
		Tested:    func(_ time.Duration, err error) { c.events <- fmt.Sprint("tested ", err) },
		Reloaded:  func(cause string, _ time.Duration, err error) { c.events <- fmt.Sprint("reloaded ", cause, " ", err) },
		Pushed:    func(int, int, time.Duration, error) {},
		Restarted: func() { c.events <- "restarted" },
	}}
	for _, f := range change {
		f(&options)
	}
	c.Client = NewClient(options)
	ctx, cancel := context.WithCancel(context.Background())
	c.end = cancel
	go func() {
		defer close(c.ended)
		if err := c.Run(ctx); err != nil {
			p.Errorf("the controller: %v", err)
		}
	}()
	p.Cleanup(func() { c.kill() })
	return c
}

// kill ends it without a goodbye.
func (c *controller) kill() {
	if l := c.current(); l != nil {
		l.end(context.Canceled) // first, or it could say goodbye
	}
	c.end()
	<-c.ended
}

func (c *controller) mustPush(state dynamic.State) {
	c.p.Helper()
	if err := c.Push(context.Background(), state); err != nil {
		c.p.Fatal(err)
	}
}

func (c *controller) mustApply(f nginx.Files) {
	c.p.Helper()
	if err := c.Apply(context.Background(), f, "test"); err != nil {
		c.p.Fatal(err)
	}
}

func (c *controller) mustSettle() {
	c.p.Helper()
	if err := c.Settle(context.Background()); err != nil {
		c.p.Fatal(err)
	}
}

// told are the next things that were observed.
func (c *controller) told(n int) []string {
	c.p.Helper()
	var list []string
	for range n {
		select {
		case e := <-c.events:
			list = append(list, e)
		case <-time.After(10 * time.Second):
			c.p.Fatalf("only this was observed: %q", list)
		}
	}
	return list
}

func (p *pod) files(generation string, more ...string) nginx.Files {
	return bare.Address(address).Files(p, p.state(), generation, more...)
}
