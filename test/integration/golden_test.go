//go:build integration

// Package integration holds the tests that need a real NGINX. They run inside the root that rootfs/prepare
// makes: see test/run.
package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
	"github.com/sluice-ingress/sluice/test/pods"
)

const httpPort, httpsPort = 18480, 18443

var target = golden.Target{HTTP: fmt.Sprintf("127.0.0.1:%d", httpPort), HTTPS: fmt.Sprintf("127.0.0.1:%d", httpsPort)}

// repository is the top of the source tree.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// renderOptions are those of a real NGINX of ours in the given directory.
func renderOptions(t testing.TB, dir string) templates.Options {
	o := golden.Render
	o.StateDir, o.LuaDir = dir, filepath.Join(repository(t), "rootfs/etc/nginx/lua")
	o.HTTPPort, o.HTTPSPort = httpPort, httpsPort
	o.AccessLog, o.ErrorLog = filepath.Join(dir, "access.log"), filepath.Join(dir, "error.log")
	return o
}

// stateDir makes a directory that NGINX's workers, who are another user, may enter.
func stateDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // sockets in it are reached by workers
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startNGINX runs a supervisor until the test ends.
func startNGINX(t testing.TB, dir string) *supervisor.Supervisor {
	t.Helper()
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	engine := supervisor.New(supervisor.Options{Binary: "/usr/sbin/nginx", Dir: dir, Log: log, ShutdownGrace: 5 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the supervisor ended with: %v", err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("error.log:\n%.4000s", log)
		}
	})
	return engine
}

type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.Logf("%s", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

func certificate(t testing.TB) (nginx.Certificate, tls.Certificate) {
	t.Helper()
	c, err := selfsigned.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(c.Chain), []byte(c.Key.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	return c, pair
}

// basePods plays the pods of test/golden/base.yaml.
func basePods(t testing.TB, pair tls.Certificate) {
	t.Helper()
	for address, service := range map[string]string{
		"127.0.20.1:9080": "echo", "127.0.20.2:9080": "echo", "127.0.20.1:9081": "echo-alt", "127.0.20.2:9081": "echo-alt",
		"127.0.20.11:9080": "echo-b", "127.0.20.21:9080": "echo-c", "127.0.20.41:9080": "mixed", "127.0.20.99:80": "echo-vip",
		"[::1]:9080": "echo-6",
	} {
		pods.Start(t, address, service, nil)
	}
	pods.Start(t, "127.0.20.31:9443", "tls", &pair)
	pods.StartFastCGI(t, "127.0.20.51:9900", "fcgi")
	pods.StartTLS(t, "127.0.20.32:9443", "vault", &tls.Config{ //nolint:gosec // what NGINX asks for is tested
		Certificates: []tls.Certificate{golden.PairOf("pods/vault.shop.svc")}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: golden.Authorities("proxies"),
	})
}

var modes = map[string]controller.Routing{"compiled": controller.Compiled, "dynamic": controller.Dynamic}

// TestGoldens puts every case into one NGINX after the other, in each mode, and sends its requests.
func TestGoldens(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	for name, routing := range modes {
		t.Run(name, func(t *testing.T) { tryGoldens(t, routing) })
	}
}

func tryGoldens(t *testing.T, routing controller.Routing) {
	fake, pair := certificate(t)
	basePods(t, pair)
	pods.Start(t, "10.244.9.1:9080", "auth", nil) // who is asked about requests must not be on loopback
	dir := stateDir(t)
	engine := startNGINX(t, dir)
	for _, cases := range []string{"../../controller/translate/testdata", "../../annotations/testdata", "../../controller/streams/testdata"} {
		for _, path := range golden.Files(t, cases) {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
				c := golden.Load(t, path)
				c.Options.Translate.SelfSigned = fake
				c.Options.Render, c.Options.Routing = renderOptions(t, dir), routing
				putDatabases(t, c.Options.Translate.Databases)
				serve(t, engine, c)
				for _, r := range c.Requests {
					r.Send(t, target)
				}
			})
		}
	}
}

// serve puts a case into a running NGINX.
func serve(t *testing.T, engine *supervisor.Supervisor, c golden.Case) {
	t.Helper()
	plan := c.Plan(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := engine.Push(ctx, plan.Dynamic); err != nil {
		t.Fatal(err)
	}
	if err := engine.Apply(ctx, plan.Files, "test"); err != nil {
		t.Fatal(err)
	}
	if err := engine.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}
