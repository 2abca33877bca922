//go:build integration

package supervisor

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
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
)

const (
	binary  = "/usr/sbin/nginx"
	modules = "/usr/lib/nginx/modules"
	workers = 2
	address = "127.0.0.1:18000"
)

// site is a supervisor with a real NGINX.
type site struct {
	*Supervisor
	t    *testing.T
	dir  string
	stop func() // ends Run and waits for it
	log  *output
}

// output collects what NGINX writes and shows it if the test fails.
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

// newSite makes a supervisor that does not run yet, in dir or a directory of its own.
func newSite(t *testing.T, dir string, change ...func(*Options)) *site {
	t.Helper()
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("this test needs the Debian root, run it by rootfs/enter: %v", err)
	}
	if dir == "" {
		var err error
		dir, err = os.MkdirTemp("", "sluice") // short, since the name of a socket has to be
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	log := &output{}
	options := Options{
		Binary: binary, Dir: dir, Stderr: log,
		Log:           slog.New(slog.NewTextHandler(log, nil)),
		ShutdownGrace: 5 * time.Second,
		ReloadTimeout: 20 * time.Second,
	}
	for _, c := range change {
		c(&options)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	return &site{Supervisor: New(options), t: t, dir: dir, log: log, stop: func() {}}
}

// run has Run run until the end of the test.
func (s *site) run() *site {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("run: %v", err)
		}
		if left := s.left(); len(left) > 0 {
			s.t.Errorf("processes are left: %v", left)
		}
	})
	s.t.Cleanup(func() { s.stop() })
	return s
}

// left are the processes in the site's directory.
func (s *site) left() []string {
	home, err := os.Stat(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var titles []string
	for _, p := range processes(func(p process) bool {
		cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", p.pid))
		return err == nil && os.SameFile(cwd, home)
	}) {
		titles = append(titles, p.title())
	}
	return titles
}

// files is a configuration that answers / with its generation, and /app from the backend "app". more goes
// into its server block, after line 40.
func (s *site) files(generation string, more ...string) nginx.Files {
	lua, err := filepath.Abs("../../rootfs/etc/nginx/lua")
	if err != nil {
		s.t.Fatal(err)
	}
	text := strings.NewReplacer("DIR", s.dir, "MODULES", modules, "LUA", lua, "WORKERS", fmt.Sprint(workers),
		"GENERATION", generation, "ADDRESS", address).Replace(`
load_module MODULES/ndk_http_module.so;
load_module MODULES/ngx_http_lua_module.so;
pid DIR/nginx.pid;
daemon off;
user root;
worker_processes WORKERS;
worker_shutdown_timeout 60s;
error_log stderr notice;
events { worker_connections 1024; }
http {
    lua_package_path "LUA/?.lua;;";
    lua_shared_dict sluice_state 4m;
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
        location / { content_by_lua_block { require("ingress").control() } }
    }
    server {
        listen ADDRESS reuseport;
        location = / { return 200 "GENERATION"; }
        location = /slow { content_by_lua_block { ngx.say("here"); ngx.flush(true); ngx.sleep(50) } }
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
		},
	}
}

func (s *site) mustApply(f nginx.Files) {
	s.t.Helper()
	if err := s.Apply(context.Background(), f, "test"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) mustPush(state dynamic.State) {
	s.t.Helper()
	if err := s.Push(context.Background(), state); err != nil {
		s.t.Fatal(err)
	}
}

// fresh makes a connection for each request, so that none stays with an old worker.
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
func within(t *testing.T, limit time.Duration, what string, is func() bool) time.Duration {
	t.Helper()
	started := time.Now()
	for !is() {
		if time.Since(started) > limit {
			t.Fatalf("not after %s: %s", limit, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(started)
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

// load sends requests until it is stopped, some over connections that stay.
type load struct {
	stop func() (requests int, failures []string)
}

func startLoad(path string) load {
	var (
		mu       sync.Mutex
		requests int
		failures []string
		group    sync.WaitGroup
	)
	done := make(chan struct{})
	for i := range 6 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: 10 * time.Second}
		group.Go(func() {
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
				}
				err := once(client, path)
				mu.Lock()
				requests++
				if err != nil {
					failures = append(failures, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	return load{func() (int, []string) {
		close(done)
		group.Wait()
		return requests, failures
	}}
}

func once(client *http.Client, path string) error {
	response, err := client.Get("http://" + address + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return err
}
