package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/fleet"
)

const (
	podPort    = 18900
	plainPort  = 18901
	sluicePort = 18902
	binary     = "/usr/sbin/nginx"
	modulesDir = "/usr/lib/nginx/modules/"
)

var podAddresses = []string{"127.0.40.1", "127.0.40.2"}

// nginx is a running NGINX.
type nginx struct {
	port   int
	master int
	end    func()
}

func (n *nginx) stop() { n.end() }

// cpu is the time that the workers have used.
func (n *nginx) cpu() time.Duration {
	var ticks int64
	for _, pid := range children(n.master) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
		for _, f := range fields[11:13] {
			t, _ := strconv.ParseInt(f, 10, 64)
			ticks += t
		}
	}
	return time.Duration(ticks) * time.Second / 100
}

func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var list []int
	for _, f := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(f)
		if err == nil {
			list = append(list, child)
		}
	}
	return list
}

// startConf runs NGINX with a configuration of our own and waits until the port answers.
func startConf(ctx context.Context, dir, conf, address string, port int) (*nginx, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // workers are another user
		return nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "-c", file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n := &nginx{port: port, master: cmd.Process.Pid, end: func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}}
	return n, answers(net.JoinHostPort(address, strconv.Itoa(port)))
}

func answers(address string) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
	}
	return errors.New(address + " does not answer")
}

// startPods runs the NGINX that plays all pods.
func startPods(ctx context.Context, dir string) (*nginx, error) {
	return startConf(ctx, dir, fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000;
  server { listen 127.0.40.1:%[2]d backlog=4096; listen 127.0.40.2:%[2]d backlog=4096; location / { return 200 "ok\n"; } } }
`, dir, podPort), podAddresses[0], podPort)
}

// startPlain runs a hand-written configuration: what an engineer who knows NGINX writes for these hosts.
func startPlain(ctx context.Context, dir string, hosts int) (*nginx, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `load_module %[2]sngx_http_headers_more_filter_module.so;
daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1; worker_rlimit_nofile 18000;
events { worker_connections 16384; multi_accept on; }
http {
  log_format full '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_host] [] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $request_id';
  access_log %[1]s/access.log full;
  server_tokens off; more_clear_headers Server; keepalive_requests 1000;
  server_names_hash_max_size 32768; server_names_hash_bucket_size 128; proxy_headers_hash_bucket_size 128;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  proxy_http_version 1.1; proxy_buffering off; proxy_connect_timeout 5s; proxy_next_upstream error timeout; proxy_next_upstream_tries 3;
  proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
  proxy_set_header X-Request-ID $request_id; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Scheme $scheme; proxy_set_header X-Scheme $scheme;
  proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for; proxy_set_header X-Original-Forwarded-Host $http_x_forwarded_host;
  proxy_set_header Proxy "";
`, dir, modulesDir)
	for i := range hosts {
		for _, path := range []string{"a", "b"} {
			fmt.Fprintf(&b, "  upstream u%s%d { server %s:%d; server %s:%d; keepalive 32; }\n", path, i, podAddresses[0], podPort, podAddresses[1], podPort)
		}
		fmt.Fprintf(&b, "  server { listen %d reuseport; server_name %s; location / { proxy_pass http://ua%d; } location = /api { proxy_pass http://ub%d; } location /api/ { proxy_pass http://ub%d; } }\n",
			plainPort, fleet.Host(i), i, i, i)
	}
	b.WriteString("}\n")
	conf := strings.Replace(b.String(), "reuseport", "\x00", 1)
	conf = strings.ReplaceAll(strings.ReplaceAll(conf, " reuseport", ""), "\x00", "reuseport")
	return startConf(ctx, dir, conf, "127.0.0.1", plainPort)
}

// plan plans a fleet of hosts.
func plan(dir, lua string, hosts int) (controller.Plan, error) {
	set, err := templates.New(nil)
	if err != nil {
		return controller.Plan{}, err
	}
	fake, err := selfsigned.New(time.Now())
	if err != nil {
		return controller.Plan{}, err
	}
	o := controller.Options{
		Translate: translate.Options{Selection: cluster.Selection{WithoutClass: true}, SelfSigned: fake},
		Templates: set,
		Render: templates.Options{
			StateDir: dir, LuaDir: lua, Workers: 1, Connections: 16384, OpenFiles: 18000, ShutdownTimeout: 10 * time.Second,
			AccessLog: dir + "/access.log", ErrorLog: dir + "/error.log", HTTPPort: sluicePort, HTTPSPort: sluicePort + 1,
			Modules: []string{
				modulesDir + "ndk_http_module.so", modulesDir + "ngx_http_lua_module.so", modulesDir + "ngx_http_headers_more_filter_module.so",
			},
		},
	}
	return o.Plan(cluster.New(fleet.Lists(hosts, podPort, podAddresses...)))
}

// startSluice runs NGINX as the controller would.
func startSluice(ctx context.Context, dir, lua string, hosts int) (*nginx, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // workers are another user
		return nil, err
	}
	p, err := plan(dir, lua, hosts)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	engine := supervisor.New(supervisor.Options{Binary: binary, Dir: dir, Log: log, ShutdownGrace: 5 * time.Second})
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	n := &nginx{port: sluicePort, end: func() { cancel(); <-done }}
	if err := errors.Join(engine.Push(ctx, p.Dynamic), engine.Apply(ctx, p.Files, "bench")); err != nil {
		n.stop()
		return nil, err
	}
	n.master = engine.Status().PID
	return n, nil
}
