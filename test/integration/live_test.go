//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/test/pods"
)

const podPort = 9180

// shop is a Service with the given pods behind an Ingress.
func shop(host string, pods ...int) map[string]string {
	return map[string]string{"ingress.yaml": shopIngress(host, "/"), "service.yaml": `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
`, "pods.yaml": shopPods(pods...)}
}

func shopIngress(host string, paths ...string) string {
	text := fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  rules:
  - host: %q
    http:
      paths:
`, host)
	for _, p := range paths {
		text += fmt.Sprintf("      - {path: %q, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}\n", p)
	}
	return text
}

func shopPods(pods ...int) string {
	text := fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints:
`, podPort)
	for _, p := range pods {
		text += fmt.Sprintf("- {addresses: [%s]}\n", podIP(p))
	}
	return text
}

func podIP(n int) string      { return fmt.Sprintf("127.0.30.%d", n) }
func podAddress(n int) string { return fmt.Sprintf("%s:%d", podIP(n), podPort) }

func startPods(t testing.TB, numbers ...int) {
	for _, n := range numbers {
		pods.Start(t, podAddress(n), "web", nil)
	}
}

// A user edits files; what they say is live within a second, and mistakes cost nobody anything.
func TestEditingManifests(t *testing.T) {
	startPods(t, 1, 2)
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1))
	if err := d.serves("shop.test", "/", 200, podAddress(1))(); err != nil {
		t.Fatal(err)
	}
	d.eventually(time.Second, "the access log names the backend as ingress-nginx does", func() error {
		log, err := os.ReadFile(filepath.Join(d.state, "access.log"))
		if err == nil && !strings.Contains(string(log), "[shop-web-80] [] "+podAddress(1)) {
			err = fmt.Errorf("it is %q", log)
		}
		return err
	})
	reloads := d.reloads()

	d.write("pods.yaml", shopPods(2))
	d.eventually(time.Second, "the new pod answers", d.serves("shop.test", "/", 200, podAddress(2)))
	d.eventually(time.Second, "the log says so", d.logs("endpoints changed, no reload", "backend=shop_web_80"))
	if now := d.reloads(); now != reloads {
		t.Errorf("a change of endpoints reloaded NGINX %v times", now-reloads)
	}

	d.write("pods.yaml", shopPods())
	d.eventually(time.Second, "without pods the answer is 503", d.serves("shop.test", "/", 503, ""))
	d.write("pods.yaml", shopPods(1))
	d.eventually(time.Second, "the pod answers again", d.serves("shop.test", "/", 200, podAddress(1)))

	d.write("ingress.yaml", shopIngress("other.test", "/"))
	d.eventually(time.Second, "the new host is live", d.serves("other.test", "/", 200, ""))
	d.eventually(time.Second, "the old host is gone", d.serves("shop.test", "/", 404, ""))

	d.write("ingress.yaml", "kind: [Ingress")
	d.eventually(time.Second, "the mistake is reported", d.logs("ingress.yaml", "UnreadableManifest"))
	if err := d.serves("other.test", "/", 200, "")(); err != nil {
		t.Error(err)
	}
}

// load sends requests at a steady rate until stopped.
type load struct {
	stop   chan struct{}
	wait   sync.WaitGroup
	sent   atomic.Int64
	mu     sync.Mutex
	errors []string
}

func startLoad(d *daemon, host string, perSecond int) *load {
	l := &load{stop: make(chan struct{})}
	const senders = 20
	for range senders {
		l.wait.Go(func() {
			tick := time.NewTicker(senders * time.Second / time.Duration(perSecond))
			defer tick.Stop()
			for {
				select {
				case <-l.stop:
					return
				case <-tick.C:
				}
				l.sent.Add(1)
				if err := d.serves(host, "/", 200, "")(); err != nil {
					l.mu.Lock()
					l.errors = append(l.errors, time.Now().Format("15:04:05.000 ")+err.Error())
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

// end stops the load and fails the test if a request failed.
func (l *load) end(t *testing.T, what string) {
	t.Helper()
	close(l.stop)
	l.wait.Wait()
	t.Logf("%s: %d requests, %d failed", what, l.sent.Load(), len(l.errors))
	if len(l.errors) > 0 {
		t.Errorf("%s: %d of %d requests failed:\n%s", what, len(l.errors), l.sent.Load(), strings.Join(l.errors[:min(10, len(l.errors))], "\n"))
	}
}

func TestEndpointChangesUnderLoad(t *testing.T) {
	startPods(t, 1, 2, 3, 4, 5, 6)
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1))
	reloads := d.reloads()
	l := startLoad(d, "shop.test", 1000)
	for n := range 50 {
		pod := n%6 + 1
		d.write("pods.yaml", shopPods(pod))
		d.eventually(2*time.Second, "only the new pod answers", func() error {
			for range 8 {
				if err := d.serves("shop.test", "/", 200, podAddress(pod))(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	l.end(t, "50 endpoint changes")
	if now := d.reloads(); now != reloads {
		t.Errorf("%v reloads", now-reloads)
	}
}

func TestReloadsUnderLoad(t *testing.T) {
	startPods(t, 1, 2)
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1, 2))
	reloads := d.reloads()
	l := startLoad(d, "shop.test", 1000)
	for n := range 20 {
		extra := fmt.Sprintf("/extra-%d", n)
		d.write("ingress.yaml", shopIngress("shop.test", "/", extra))
		d.eventually(10*time.Second, "a reload", func() error {
			if now := d.reloads(); now < reloads+float64(n)+1 {
				return fmt.Errorf("%v reloads so far", now-reloads)
			}
			return nil
		})
	}
	l.end(t, "20 reloads")
}

func TestMasterKilled(t *testing.T) {
	startPods(t, 1)
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1))
	for range 3 {
		before := processes(d.state)
		if len(before) < 3 {
			t.Fatalf("NGINX has only processes %v", before)
		}
		if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		took := d.eventually(2*time.Second, "NGINX serves again with a new master", func() error {
			now := processes(d.state)
			if len(now) < 3 || now[0] == before[0] {
				return fmt.Errorf("processes are %v", now)
			}
			if err := d.probe("/readyz"); err != nil {
				return err
			}
			return d.serves("shop.test", "/", 200, podAddress(1))()
		})
		t.Logf("serving again after %s", took)
	}
}

// A custom template is used as soon as it is written; a bad one changes nothing.
func TestCustomTemplate(t *testing.T) {
	startPods(t, 1)
	templates := t.TempDir()
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1), "--template-dir", templates)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(templates, "upstream.tmpl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("upstream {{.Name}} {\n  {{range .Endpoints}}server {{.}} max_fails=7;\n{{end}}  balancer_by_lua_block { ingress.balance() }\n}\n")
	d.eventually(5*time.Second, "NGINX was reloaded because of the template", d.logs("configuration is live", "cause=template"))
	conf, err := os.ReadFile(filepath.Join(d.state, "conf/current/upstreams.conf"))
	if err != nil || !strings.Contains(string(conf), "max_fails=7") {
		t.Errorf("upstreams.conf is %q, %v", conf, err)
	}
	reloads := d.reloads()
	write("upstream x{{.Name}}\" {\n")
	d.eventually(5*time.Second, "the mistake is reported", d.logs("the templates cannot be used", "upstream.tmpl"))
	if err := d.serves("shop.test", "/", 200, podAddress(1))(); err != nil || d.reloads() != reloads {
		t.Errorf("a bad template changed something: %v", err)
	}
}
