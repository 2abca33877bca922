//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/test/golden"
	"github.com/sluice-ingress/sluice/test/pods"
)

// service is somebody whom workers send questions or copies to. Services are not on loopback: that is refused.
type service struct {
	address            string
	server             *http.Server
	asked, connections atomic.Int64
}

func startService(t *testing.T, address string, handle http.HandlerFunc) *service {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{address: address}
	s.server = &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.asked.Add(1)
			handle(w, r)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.connections.Add(1)
			}
		},
	}
	go func() { _ = s.server.Serve(listener) }()
	t.Cleanup(func() { s.server.Close() })
	return s
}

// gate lets pass who has the password of alice or bob, or the cookie of alice.
func gate(w http.ResponseWriter, r *http.Request) {
	word, cookie := r.Header.Get("Authorization"), r.Header.Get("Cookie")
	if word != "alice" && word != "bob" && cookie != "session=alice" {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// ingress is one of the host NAME.test, with annotations.
func ingress(name string, annotations ...string) string {
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: shop, annotations: {%s}}
spec:
  rules:
  - host: %s.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}
`, name, "nginx.ingress.kubernetes.io/"+strings.Join(annotations, ", nginx.ingress.kubernetes.io/"), name)
}

// inEachMode serves the Ingresses with pods behind them. It runs in a network of its own.
func inEachMode(t *testing.T, try func(t *testing.T, engine *supervisor.Supervisor), ingresses ...string) {
	t.Helper()
	if !inNetwork(t) {
		return
	}
	for name, routing := range modes {
		t.Run(name, func(t *testing.T) {
			fake, _ := certificate(t)
			dir := stateDir(t)
			engine := startNGINX(t, dir)
			c := golden.New(t, t.Name(), &txtar.Archive{Files: []txtar.File{{Name: "ingress.yaml", Data: []byte(strings.Join(ingresses, ""))}}})
			c.Options.Translate.SelfSigned = fake
			c.Options.Render, c.Options.Routing = renderOptions(t, dir), routing
			serve(t, engine, c)
			try(t, engine)
		})
	}
}

// visitor sends requests over connections of its own.
type visitor struct{ http.Client }

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 100, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, target.HTTP)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{http.Client{Transport: transport, Timeout: 20 * time.Second}}
}

// send gives the status of the answer. Headers are lines of Name: value.
func (v *visitor) send(method, url, body string, headers ...string) (int, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	answer, err := v.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// expect sends a request and compares the status.
func (v *visitor) expect(t *testing.T, status int, method, url, body string, headers ...string) {
	t.Helper()
	if got, err := v.send(method, url, body, headers...); err != nil || got != status {
		t.Errorf("%s %s %q: got %d, %v, want %d", method, url, headers, got, err, status)
	}
}

// A remembered yes is for the same question of the same client only.
func TestAnswersAreRemembered(t *testing.T) {
	const address = "10.244.9.1:9080"
	annotations := []string{`auth-url: "http://` + address + `/"`, `auth-cache-key: "$http_x_key"`}
	inEachMode(t, func(t *testing.T, _ *supervisor.Supervisor) {
		pods.Start(t, "127.0.20.1:9080", "echo", nil)
		pods.Start(t, "127.0.20.2:9080", "echo", nil)
		asked := &startService(t, address, gate).asked
		v := newVisitor(t)
		for _, c := range []struct {
			why, method, url string
			headers          []string
			status           int
			again            bool // whether the service is asked
		}{
			{"the first", "GET", "http://one.test/", []string{"X-Key: k", "Authorization: alice"}, 200, true},
			{"the same", "GET", "http://one.test/", []string{"X-Key: k", "Authorization: alice"}, 200, false},
			{"another URI, which the key leaves out", "GET", "http://one.test/a?b", []string{"X-Key: k", "Authorization: alice"}, 200, false},
			{"another client", "GET", "http://one.test/", []string{"X-Key: k", "Authorization: bob"}, 200, true},
			{"somebody without leave", "GET", "http://one.test/", []string{"X-Key: k", "Authorization: mallory"}, 401, true},
			{"the same, as 401 is remembered too", "GET", "http://one.test/", []string{"X-Key: k", "Authorization: mallory"}, 401, false},
			{"somebody without a word", "GET", "http://one.test/", []string{"X-Key: k"}, 401, true},
			{"a cookie", "GET", "http://one.test/", []string{"X-Key: k", "Cookie: session=alice"}, 200, true},
			{"another cookie", "GET", "http://one.test/", []string{"X-Key: k", "Cookie: session=mallory"}, 401, true},
			{"parts that look like others", "GET", "http://one.test/", []string{"X-Key: k 5:alice"}, 401, true},
			{"another method", "DELETE", "http://one.test/", []string{"X-Key: k", "Authorization: alice"}, 200, true},
			{"another key", "GET", "http://one.test/", []string{"X-Key: l", "Authorization: alice"}, 200, true},
			{"another Ingress with the same settings", "GET", "http://two.test/", []string{"X-Key: k", "Authorization: alice"}, 200, true},
			{"no key", "GET", "http://one.test/", []string{"Authorization: alice"}, 200, true},
			{"no key again", "GET", "http://one.test/", []string{"Authorization: alice"}, 200, true},
		} {
			before := asked.Load()
			v.expect(t, c.status, c.method, c.url, "", c.headers...)
			if again := asked.Load() > before; again != c.again {
				t.Errorf("%s: the service was asked: %v, want %v", c.why, again, c.again)
			}
		}
	}, ingress("one", annotations...), ingress("two", annotations...))
}

// Connections to a service are kept where an Ingress asks for that, and one that the service has closed fails no request.
func TestConnectionsToServicesAreKept(t *testing.T) {
	const address = "10.244.9.1:9080"
	inEachMode(t, func(t *testing.T, _ *supervisor.Supervisor) {
		pods.Start(t, "127.0.20.1:9080", "echo", nil)
		pods.Start(t, "127.0.20.2:9080", "echo", nil)
		v := newVisitor(t)
		count := func(host string) int64 {
			s := startService(t, address, gate)
			for range 40 {
				v.expect(t, 200, "GET", "http://"+host+".test/", "", "Authorization: alice")
			}
			s.server.Close()
			return s.connections.Load()
		}
		if n := count("plain"); n != 40 {
			t.Errorf("40 questions took %d connections without auth-keepalive", n)
		}
		for range 2 { // the second service finds connections that the first has closed
			if n := count("kept"); n > 4 {
				t.Errorf("40 questions took %d connections, with two workers", n)
			}
		}
		if n := count("short"); n < 8 {
			t.Errorf("40 questions took %d connections of at most 5 each", n)
		}
	},
		ingress("plain", `auth-url: "http://`+address+`/"`),
		ingress("kept", `auth-url: "http://`+address+`/"`, `auth-keepalive: "10"`),
		ingress("short", `auth-url: "http://`+address+`/"`, `auth-keepalive: "10"`, `auth-keepalive-requests: "5"`))
}

// Ten thousand requests, during which the service dies: whatever a pod gets, the service has let pass.
func TestNobodyPassesWithoutTheService(t *testing.T) {
	const address, requests, clients = "10.244.9.1:9080", 10000, 20
	inEachMode(t, func(t *testing.T, _ *supervisor.Supervisor) {
		var served, passed, leaked, sent atomic.Int64
		startService(t, "127.0.20.11:9080", func(_ http.ResponseWriter, r *http.Request) {
			served.Add(1)
			if r.Header.Get("Authorization") != "alice" {
				leaked.Add(1)
			}
		})
		s := startService(t, address, func(w http.ResponseWriter, r *http.Request) {
			gate(w, r)
			if r.Header.Get("Authorization") == "alice" {
				passed.Add(1)
			}
		})
		v := newVisitor(t)
		dead := make(chan struct{})
		problems := make(chan error, clients)
		var wait sync.WaitGroup
		for range clients {
			wait.Go(func() {
				for n := sent.Add(1); n <= requests; n = sent.Add(1) {
					if n == requests/2 {
						s.server.Close()
						close(dead)
					}
					if err := v.tryGate(n%2 == 0, dead); err != nil {
						problems <- err
						return
					}
				}
			})
		}
		wait.Wait()
		close(problems)
		for err := range problems {
			t.Error(err)
		}
		if leaked.Load() > 0 || served.Load() > passed.Load() || served.Load() < requests/8 {
			t.Errorf("the pod served %d requests, %d of them without leave; the service let %d pass", served.Load(), leaked.Load(), passed.Load())
		}
	}, strings.ReplaceAll(ingress("guarded", `auth-url: "http://`+address+`/"`, `auth-keepalive: "10"`), "name: echo,", "name: echo-b,"))
}

// tryGate sends a request with or without leave.
func (v *visitor) tryGate(mayPass bool, dead <-chan struct{}) error {
	word := "mallory"
	if mayPass {
		word = "alice"
	}
	isDead := false
	select {
	case <-dead:
		isDead = true
	default:
	}
	status, err := v.send("GET", "http://guarded.test/", "", "Authorization: "+word)
	switch {
	case err != nil:
		return err
	case status == 200 && (!mayPass || isDead):
		return fmt.Errorf("%s got 200; the service was dead: %v", word, isDead)
	case status != 200 && status != 401 && status != 500:
		return fmt.Errorf("%s got %d", word, status)
	}
	return nil
}

// copied is what a service got a copy of.
type copied struct {
	method, uri, host string
	body              int
	header            http.Header
}

// A copy has what the client said, and nothing of it waits for the copy.
func TestCopiesAreSentApart(t *testing.T) {
	const address = "10.244.9.1:9080"
	inEachMode(t, func(t *testing.T, _ *supervisor.Supervisor) {
		pods.Start(t, "127.0.20.1:9080", "echo", nil)
		pods.Start(t, "127.0.20.2:9080", "echo", nil)
		copies, release := make(chan copied, 100), make(chan struct{})
		startService(t, address, func(_ http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			copies <- copied{r.Method, r.RequestURI, r.Host, int(n), r.Header}
			<-release
		})
		defer close(release)
		v := newVisitor(t)
		for _, c := range []struct {
			method, url, body string
			want              copied
		}{
			{"GET", "http://copied.test/a%20b?c=d", "", copied{method: "GET", uri: "/to/a%20b?c=d", host: "10.244.9.1"}},
			{"POST", "http://copied.test/", "hello", copied{method: "POST", uri: "/to/", host: "10.244.9.1", body: 5}},
			{"PUT", "http://copied.test/", strings.Repeat("x", 900000), copied{method: "PUT", uri: "/to/", host: "10.244.9.1", body: 900000}},
			{"POST", "http://bare.test/?x=y", "hello", copied{method: "POST", uri: "/?x=y", host: "shadow.test"}},
		} {
			// Each copy is held until the end: a request that waited for one would never be answered.
			v.expect(t, 200, c.method, c.url, c.body, "X-Mine: 1", "Authorization: secret", "X-Auth-User: mallory", "X-Forwarded-User: mallory",
				"ssl-client-verify: SUCCESS", "Connection: X-Hop", "X-Hop: 1", "Cookie: a=b")
			got, err := receive(copies)
			if err != nil {
				t.Fatalf("%s %s: %v", c.method, c.url, err)
			}
			checkHeaders(t, got.header)
			got.header = nil
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s %s: the copy is %+v, want %+v", c.method, c.url, got, c.want)
			}
		}
	},
		ingress("copied", `mirror-target: "http://`+address+`/to$request_uri"`),
		ingress("bare", `mirror-target: "http://`+address+`$request_uri"`, `mirror-request-body: "off"`, "mirror-host: shadow.test"))
}

func receive(copies <-chan copied) (copied, error) {
	select {
	case c := <-copies:
		return c, nil
	case <-time.After(10 * time.Second):
		return copied{}, errors.New("there is no copy")
	}
}

func checkHeaders(t *testing.T, header http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Mine": "1", "Authorization": "secret", "Cookie": "a=b", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"X-Forwarded-User": "", "Ssl-Client-Verify": "", "X-Hop": "", "Transfer-Encoding": "",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("the copy has %s: %q, want %q", name, got, want)
		}
	}
}
