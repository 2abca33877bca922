//go:build integration

package dataplane

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/persistent"
)

const (
	binary  = "/usr/sbin/nginx"
	modules = "/usr/lib/nginx/modules"
	address = "127.0.0.1:18100"
)

// pod is what both sides share: a directory, and a log that is shown if the test fails.
type pod struct {
	*testing.T
	dir string
	log *output
}

// output collects what both sides and NGINX write.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func newPod(t *testing.T) *pod {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice") // short, since the name of a socket has to be
	if err != nil {
		t.Fatal(err)
	}
	p := &pod{t, dir, &output{}}
	t.Cleanup(func() {
		os.RemoveAll(dir)
		if t.Failed() {
			t.Logf("log:\n%s", p.log)
		}
	})
	return p
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
	if _, err := os.Stat(binary); err != nil {
		p.Fatalf("this test needs the Debian root, run it by rootfs/enter: %v", err)
	}
	feed := &Feed{}
	engine := supervisor.New(supervisor.Options{
		Binary: binary, Dir: p.state(), Stderr: p.log, Log: p.logger("nginx"), Observer: feed.Observer(),
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

// files is a configuration that answers / with its generation, and /app from the backend "app".
func (p *pod) files(generation string, more ...string) nginx.Files {
	lua, err := filepath.Abs("../../rootfs/etc/nginx/lua")
	if err != nil {
		p.Fatal(err)
	}
	text := strings.NewReplacer("DIR", p.state(), "MODULES", modules, "LUA", lua, "GENERATION", generation, "ADDRESS", address).Replace(`
load_module MODULES/ndk_http_module.so;
load_module MODULES/ngx_http_lua_module.so;
pid DIR/nginx.pid;
daemon off;
user root;
worker_processes 2;
error_log stderr notice;
events { worker_connections 256; }
http {
    lua_package_path "LUA/?.lua;;";
    lua_shared_dict sluice_state 16m;
    lua_shared_dict sluice_certificates 4m;
    init_by_lua_block { require("ingress").init("DIR/state.jsonl") }
    init_worker_by_lua_block { require("ingress").init_worker("GENERATION") }
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    include upstreams.conf;
    server {
        listen unix:DIR/state.sock;
        client_body_buffer_size 1m;
        client_max_body_size 100m;
        location / { content_by_lua_block { require("ingress").control() } }
    }
    server {
        listen ADDRESS reuseport;
        location = / { return 200 "GENERATION"; }
        location = /app {
            set $backend app;
            rewrite_by_lua_block { require("ingress").rewrite() }
            proxy_pass http://app;
        }
`)
	text += "location /more { set $namespace shop; set $ingress_name web;\n" + strings.Join(more, "\n") + "\n}\n    }\n}\n"
	return nginx.Files{
		Generation: generation,
		List: []nginx.File{
			{Name: "nginx.conf", Content: []byte(text)},
			{Name: "upstreams.conf", Content: []byte(
				`upstream app { server 0.0.0.1:1; balancer_by_lua_block { require("ingress").balance() } }`)},
			{Name: "default.key", Content: []byte("\x00\xff not text"), Secret: true},
		},
	}
}

// backend answers with its name; the state says where it is.
func backend(t *testing.T, name string) dynamic.State {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(server.Close)
	a := server.Listener.Addr().(*net.TCPAddr)
	return dynamic.State{Backends: persistent.Of(map[string]dynamic.Backend{
		"app": {Endpoints: []dynamic.Endpoint{{Address: a.IP.String(), Port: a.Port}}},
	})}
}

var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func get(path string) (string, error) {
	response, err := fresh.Get("http://" + address + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, response.Status)
	}
	return string(body), err
}

func mustGet(t *testing.T, path, want string) {
	t.Helper()
	if got, err := get(path); err != nil || got != want {
		t.Fatalf("%s answers %q (%v), want %q", path, got, err, want)
	}
}

// within waits for a condition.
func within(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for started := time.Now(); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Since(started) > limit {
			t.Fatalf("not after %s: %s", limit, what)
		}
	}
}
