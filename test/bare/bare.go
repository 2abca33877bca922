// Package bare has what tests of whoever runs NGINX share: the least configuration that takes state, a backend for it, and requests
// that do not stay with old workers. It starts nothing.
package bare

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
	"github.com/sluice-ingress/sluice/test/logged"
)

// Binary is Debian's NGINX.
const Binary = "/usr/sbin/nginx"

const modules = "/usr/lib/nginx/modules"

// NeedNGINX ends the test if there is none.
func NeedNGINX(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(Binary); err != nil {
		t.Fatalf("this test needs the Debian root, run it by rootfs/enter: %v", err)
	}
}

// Dir is a directory of the test's own whose name is short, since those of sockets have to be.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Log is for what processes write. It is shown if the test fails.
func Log(t testing.TB) *logged.Text {
	log := &logged.Text{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	return log
}

// Address is a host and port that NGINX listens on.
type Address string

// Files is a configuration that answers / with its generation, and /app from the backend "app". more goes into its server block,
// after line 40. dir is where state is kept.
func (a Address) Files(t testing.TB, dir, generation string, more ...string) nginx.Files {
	t.Helper()
	lua, err := filepath.Abs("../../rootfs/etc/nginx/lua")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("DIR", dir, "MODULES", modules, "LUA", lua, "GENERATION", generation, "ADDRESS", string(a)).Replace(`
load_module MODULES/ndk_http_module.so;
load_module MODULES/ngx_http_lua_module.so;
pid DIR/nginx.pid;
daemon off;
user root;
worker_processes 2;
worker_shutdown_timeout 60s;
error_log stderr notice;
events { worker_connections 1024; }
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
        client_body_buffer_size 1m; client_max_body_size 100m;
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
			{Name: "default.key", Content: []byte("\x00\xff not text"), Secret: true},
		},
	}
}

// Backend answers with its name; the state says where it is.
func Backend(t *testing.T, name string) dynamic.State {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(server.Close)
	a := server.Listener.Addr().(*net.TCPAddr)
	return dynamic.State{Backends: persistent.Of(map[string]dynamic.Backend{
		"app": {Endpoints: []dynamic.Endpoint{{Address: a.IP.String(), Port: a.Port}}},
	})}
}

// Fresh makes a connection for each request, so that none stays with an old worker.
var Fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

// Get is the body that a path answers with; an error if the status is not 200.
func (a Address) Get(path string) (string, error) {
	response, err := Fresh.Get("http://" + string(a) + path)
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

// MustGet ends the test unless a path answers with that body.
func (a Address) MustGet(t *testing.T, path, want string) {
	t.Helper()
	if got, err := a.Get(path); err != nil || got != want {
		t.Fatalf("%s answers %q (%v), want %q", path, got, err, want)
	}
}

// Within waits for a condition, and says how long that took.
func Within(t *testing.T, limit time.Duration, what string, is func() bool) time.Duration {
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
