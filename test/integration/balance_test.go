//go:build integration

package integration

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/test/pods"
)

// annotated is the Ingress of shop.test with annotations; keys lack the prefix.
func annotated(annotations string) string {
	text := regexp.MustCompile(`([a-z-]+): `).ReplaceAllString(annotations, "nginx.ingress.kubernetes.io/$1: ")
	return strings.Replace(shopIngress("shop.test", "/"), "namespace: shop}", "namespace: shop, annotations: {"+text+"}}", 1)
}

// endpointSlice has pods that are ready, and others that terminate and still serve.
func endpointSlice(ready []int, ending ...int) string {
	text := shopPods(ready...)
	for _, p := range ending {
		text += fmt.Sprintf("- {addresses: [%s], conditions: {ready: false, serving: true, terminating: true}}\n", podIP(p))
	}
	return text
}

// visit sends a request to shop.test with a cookie, and returns the pod that answered and the cookie that is set.
func (d *daemon) visit(path, cookie string) (pod, set string, err error) {
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", d.ports.http, path), nil)
	if err != nil {
		return "", "", err
	}
	req.Host = "shop.test"
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	found := regexp.MustCompile(`"pod":"([^"]*)"`).FindSubmatch(body)
	if err != nil || found == nil || resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("status %d, %v: %s", resp.StatusCode, err, body)
	}
	set, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return string(found[1]), set, nil
}

// clients sends requests of so many clients at once and returns what fails.
func clients(n int, visit func(client int) error) []error {
	var mu sync.Mutex
	var wait sync.WaitGroup
	var failed []error
	next := make(chan int)
	for range 8 {
		wait.Go(func() {
			for client := range next {
				if err := visit(client); err != nil {
					mu.Lock()
					failed = append(failed, fmt.Errorf("client %d: %w", client, err))
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
	return failed
}

// sessions are clients with a cookie and the pod that it names.
type sessions struct {
	cookies, pods []string
}

func (d *daemon) newSessions(t *testing.T, n int) *sessions {
	t.Helper()
	s := &sessions{make([]string, n), make([]string, n)}
	failed := clients(n, func(i int) (err error) {
		s.pods[i], s.cookies[i], err = d.visit("/", "")
		if err == nil && (s.cookies[i] == "" || strings.Contains(s.cookies[i], "127.0.30")) {
			err = fmt.Errorf("it is given the cookie %q", s.cookies[i])
		}
		return err
	})
	if len(failed) > 0 {
		t.Fatal(failed[0])
	}
	return s
}

// check sends each client again. All whose pod is among the living must come to that; others get another for good.
func (s *sessions) check(t *testing.T, d *daemon, when string, living ...int) {
	t.Helper()
	lives := map[string]bool{}
	for _, p := range living {
		lives[podAddress(p)] = true
	}
	kept := 0
	for _, p := range s.pods {
		if lives[p] {
			kept++
		}
	}
	failed := clients(len(s.pods), func(i int) error {
		pod, set, err := d.visit("/", s.cookies[i])
		switch {
		case err != nil:
			return err
		case lives[s.pods[i]] && (pod != s.pods[i] || set != ""):
			return fmt.Errorf("comes to %s and gets cookie %q; its pod %s lives", pod, set, s.pods[i])
		case !lives[s.pods[i]] && (!lives[pod] || set == ""):
			return fmt.Errorf("comes to %s and gets cookie %q; its pod %s is gone", pod, set, s.pods[i])
		case set != "":
			s.pods[i], s.cookies[i] = pod, set
		}
		return nil
	})
	if len(failed) > 0 {
		t.Errorf("%s: %d of %d clients fail, such as %v", when, len(failed), len(s.pods), failed[0])
	}
	t.Logf("%s: %d of %d sessions have a pod that lives", when, kept, len(s.pods))
}

// uses waits until the control socket says that NGINX has so many endpoints of the backend.
func (d *daemon) uses(t *testing.T, pods ...int) {
	t.Helper()
	d.eventually(10*time.Second, "the new endpoints are there", func() error {
		seen := map[string]bool{}
		for i := range 60 {
			pod, _, err := d.visit(fmt.Sprintf("/?n=%d", i), "")
			if err != nil {
				return err
			}
			seen[pod] = true
		}
		for _, p := range pods {
			if !seen[podAddress(p)] {
				return fmt.Errorf("pod %d gets no requests", p)
			}
		}
		if len(seen) != len(pods) {
			return fmt.Errorf("pods %v get requests", seen)
		}
		return nil
	})
}

// Sessions stay where they are while pods come and go, NGINX reloads, a worker or NGINX and the controller die.
func TestAffinity(t *testing.T) {
	for name := range modes {
		for _, affinity := range []string{"balanced", "persistent"} {
			t.Run(name+"/"+affinity, func(t *testing.T) {
				tryAffinity(t, "--routing="+name, "affinity: cookie, session-cookie-name: route, affinity-mode: "+affinity)
			})
		}
	}
}

func tryAffinity(t *testing.T, mode, affinity string) {
	startPods(t, 1, 2, 3, 4, 5)
	manifests := shop("shop.test", 1, 2, 3)
	manifests["ingress.yaml"] = annotated(affinity)
	d := startDaemon(t, ports{18581, 18582, 18583}, manifests, mode)
	s := d.newSessions(t, 300)
	s.check(t, d, "at first", 1, 2, 3)

	reloads := d.reloads()
	d.write("pods.yaml", endpointSlice([]int{1, 2, 3, 4, 5}))
	d.uses(t, 1, 2, 3, 4, 5)
	s.check(t, d, "with five pods", 1, 2, 3)
	more := d.newSessions(t, 300)
	d.write("pods.yaml", endpointSlice([]int{1, 2, 3}, 4, 5))
	d.uses(t, 1, 2, 3)
	s.check(t, d, "while two terminate", 1, 2, 3, 4, 5)
	more.check(t, d, "while their pods terminate", 1, 2, 3, 4, 5)
	d.write("pods.yaml", endpointSlice([]int{1, 2, 3}))
	d.eventually(10*time.Second, "those pods are gone", d.logs("endpoints changed, no reload", "backend=shop_web_80", "endpoints=3"))
	s.check(t, d, "with three pods again", 1, 2, 3)
	d.checkForeignCookies(t, strings.Contains(affinity, "balanced"))
	more.check(t, d, "after their pods have gone", 1, 2, 3)
	if now := d.reloads(); now != reloads {
		t.Errorf("%v reloads", now-reloads)
	}

	d.write("ingress.yaml", annotated(affinity+`, proxy-read-timeout: "61"`))
	d.eventually(5*time.Second, "a reload", func() error {
		if now := d.reloads(); now == reloads {
			return fmt.Errorf("%v reloads", now)
		}
		return nil
	})
	s.check(t, d, "after a reload", 1, 2, 3)

	before := processes(d.state)
	for _, worker := range before[1:] {
		if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	client.CloseIdleConnections()
	d.eventually(5*time.Second, "new workers serve", func() error {
		_, _, err := d.visit("/", s.cookies[0])
		return err
	})
	s.check(t, d, "after the death of all workers", 1, 2, 3)

	d.stop()
	d = startDaemon(t, ports{18581, 18582, 18583}, map[string]string{
		"ingress.yaml": annotated(affinity), "service.yaml": manifests["service.yaml"],
		"pods.yaml": endpointSlice([]int{3, 2, 1}),
	}, mode)
	s.check(t, d, "after a restart of everything", 1, 2, 3)
}

// What becomes of a cookie that somebody else made is the one difference between the modes.
func (d *daemon) checkForeignCookies(t *testing.T, areKept bool) {
	t.Helper()
	failed := clients(30, func(i int) error {
		cookie := fmt.Sprintf("route=1700000000.1.2.%d|0123", i)
		pod, set, err := d.visit("/", cookie)
		if err != nil {
			return err
		}
		if (set == "") != areKept {
			return fmt.Errorf("%s is answered with the cookie %q", cookie, set)
		}
		again, _, err := d.visit("/", cmp.Or(set, cookie))
		if err == nil && again != pod {
			err = fmt.Errorf("%s comes to %s, then to %s", cookie, pod, again)
		}
		return err
	})
	if len(failed) > 0 {
		t.Errorf("%d clients with cookies of others fail, such as %v", len(failed), failed[0])
	}
}

// While the controller is away, dies or comes back, NGINX goes on, and sessions stay, also where pods came meanwhile.
func TestAffinityOutlivesTheController(t *testing.T) {
	for name := range modes {
		t.Run(name, func(t *testing.T) { restartTheController(t, "--routing="+name) })
	}
}

func restartTheController(t *testing.T, mode string) {
	startPods(t, 1, 2, 3, 4, 5)
	state := stateDir(t)
	startDataplane(t, state)
	manifests := shop("shop.test", 1, 2, 3)
	manifests["ingress.yaml"] = annotated(`affinity: cookie, session-cookie-name: route`)
	d := startDaemon(t, ports{18581, 18582, 18583}, manifests, mode, "--state-dir", state, "--dataplane-socket", socketIn(state),
		"--access-log", filepath.Join(state, "access.log"), "--error-log", filepath.Join(state, "error.log"))
	s := d.newSessions(t, 300)
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.ended
	s.check(t, d, "without a controller", 1, 2, 3)
	d.write("pods.yaml", shopPods(1, 2, 3, 4, 5))
	d.start()
	d.uses(t, 1, 2, 3, 4, 5)
	s.check(t, d, "with another controller and two more pods", 1, 2, 3)

	workers := processes(state)
	if err := syscall.Kill(workers[len(workers)-1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	client.CloseIdleConnections()
	d.eventually(5*time.Second, "NGINX serves", d.serves("shop.test", "/", 200, ""))
	s.check(t, d, "after the death of a worker", 1, 2, 3)
}

// A client whose pod refuses connections is served by another, and comes back, unless its cookie is to change.
func TestAffinityWhenAPodFails(t *testing.T) {
	startPods(t, 1)
	manifests := shop("shop.test", 1, 2) // nobody is at 2
	manifests["ingress.yaml"] = annotated(`affinity: cookie, session-cookie-name: route`)
	d := startDaemon(t, ports{18581, 18582, 18583}, manifests)
	s := d.newSessions(t, 50)
	s.check(t, d, "with a pod that refuses connections", 1)
	for i, pod := range s.pods {
		if pod != podAddress(1) {
			t.Errorf("client %d has a session with %s", i, pod)
		}
	}
}

// Of two pods of which one takes ten times as long, ewma takes the other nearly always, and round robin takes turns. The first
// Service with ewma needs a reload, since workers have to look at answers from then on.
func TestEWMAPrefersTheFast(t *testing.T) {
	pods.StartSlow(t, podAddress(1), "web", 50*time.Millisecond)
	pods.StartSlow(t, podAddress(2), "web", 5*time.Millisecond)
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			manifests := shop("shop.test", 1, 2)
			manifests["ingress.yaml"] = annotated(`load-balance: round_robin`)
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+routing)
			reloads := d.reloads()
			fast := func() float64 {
				var mu sync.Mutex
				count := 0
				failed := clients(400, func(int) error {
					pod, _, err := d.visit("/", "")
					if pod == podAddress(2) {
						mu.Lock()
						count++
						mu.Unlock()
					}
					return err
				})
				if len(failed) > 0 {
					t.Fatal(failed[0])
				}
				return float64(count) / 400
			}
			if got := fast(); got < 0.4 || got > 0.6 {
				t.Errorf("round robin gives the fast pod %.2f of the requests", got)
			}
			d.write("ingress.yaml", annotated(`load-balance: ewma`))
			got := 0.0
			d.eventually(20*time.Second, "the fast pod gets most requests", func() error {
				if got = fast(); got < 0.8 {
					return fmt.Errorf("it gets %.2f", got)
				}
				return nil
			})
			t.Logf("ewma gives the fast pod %.2f of the requests", got)
			if now := d.reloads(); now != reloads+1 {
				t.Errorf("%v reloads", now-reloads)
			}
			d.eventually(5*time.Second, "the log says why", d.logs("needs another configuration", "load-balance", "cause=backends"))
		})
	}
}
