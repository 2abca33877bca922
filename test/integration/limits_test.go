//go:build integration

package integration

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// startHeldPod plays a pod that answers when it is released. Each request is told when it has arrived.
func startHeldPod(t *testing.T, n int) (arrived <-chan struct{}, release func()) {
	t.Helper()
	listener, err := net.Listen("tcp", podAddress(n))
	if err != nil {
		t.Fatal(err)
	}
	came, may := make(chan struct{}, 16), make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		came <- struct{}{}
		<-may
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return came, func() { close(may) }
}

// Requests of a client that are under way count, for all hosts of the Ingress together, and no longer.
func TestLimitOfConnections(t *testing.T) {
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			arrived, release := startHeldPod(t, 1)
			manifests := shop("other.test", 1)
			manifests["limited.yaml"] = shops([]string{"limited.test"}, `nginx.ingress.kubernetes.io/limit-connections: "2"`)
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+routing)
			statuses := make(chan int, 3)
			send := func(host string) {
				status, _, err := d.get(host, "/")
				if err != nil {
					t.Error(err)
				}
				statuses <- status
			}
			for _, host := range []string{"limited.test", "limited.test", "other.test"} {
				go send(host)
				<-arrived
			}
			if err := d.serves("limited.test", "/", 503, "")(); err != nil {
				t.Error(err)
			}
			release()
			for range cap(statuses) {
				if status := <-statuses; status != 200 {
					t.Errorf("a request within the limit got %d", status)
				}
			}
			d.eventually(time.Second, "requests that have ended count no more", d.serves("limited.test", "/", 200, ""))
		})
	}
}

// A limit that is new leaves alone what others have counted, though NGINX is reloaded for it.
func TestLimitsOutliveReloads(t *testing.T) {
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			startPods(t, 1)
			manifests := shop("other.test", 1)
			manifests["limited.yaml"] = shops([]string{"limited.test"}, `nginx.ingress.kubernetes.io/limit-rpm: "1"`)
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+routing)
			for n := range 7 {
				want := 200
				if n == 6 {
					want = 503
				}
				if err := d.serves("limited.test", "/", want, "")(); err != nil {
					t.Fatalf("request %d: %v", n+1, err)
				}
			}
			reloads := d.reloads()
			d.write("more.yaml", strings.ReplaceAll(shops([]string{"new.test"}, `nginx.ingress.kubernetes.io/limit-rpm: "2"`), "web-0", "new"))
			d.eventually(2*time.Second, "the new limit is live", d.serves("new.test", "/", 503, ""))
			d.eventually(time.Second, "NGINX was reloaded", func() error {
				if d.reloads() == reloads {
					return errors.New("it was not")
				}
				return nil
			})
			if err := d.serves("limited.test", "/", 503, "")(); err != nil {
				t.Error(err)
			}
		})
	}
}
