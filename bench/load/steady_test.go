package load_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/bench/load"
	"github.com/sluice-ingress/sluice/test/fleet"
)

// send sends requests for two hosts until so many were asked, and returns the answers.
func send(t *testing.T, handler http.HandlerFunc, enough int64) []load.Answer {
	t.Helper()
	var asked atomic.Int64
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(w, r)
		if asked.Add(1) == enough {
			close(done)
		}
	}))
	defer server.Close()
	_, text, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	steady := &load.Steady{Target: load.Target{Port: port, Hosts: 2}, Rate: 1000, Connections: 4}
	steady.Start()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Errorf("%d requests were sent, not %d", asked.Load(), enough)
	}
	return steady.Stop()
}

func TestRequestsGoToAllHostsAtTheRate(t *testing.T) {
	begun := time.Now()
	pods := map[string]int{}
	answers := send(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host+"\n") }, 200)
	if least := 190 * time.Millisecond; time.Since(begun) < least {
		t.Errorf("%d requests in %s are more than 1000 a second", len(answers), time.Since(begun))
	}
	for _, a := range answers {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		pods[a.Pod]++
	}
	if len(pods) != 2 || pods[fleet.Host(0)] < 90 || pods[fleet.Host(1)] < 90 {
		t.Errorf("answers are from %v", pods)
	}
}

func TestAnErrorIsAFailure(t *testing.T) {
	for _, a := range send(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, 10) {
		if a.Err == nil {
			t.Fatal("status 503 counts as an answer")
		}
	}
}

// Waiting for a server that is busy counts from when the request was due, not from when a connection was free for it.
func TestLatencyCountsFromWhenARequestWasDue(t *testing.T) {
	var asked atomic.Int64
	answers := send(t, func(http.ResponseWriter, *http.Request) {
		if asked.Add(1) <= 4 { // one for each connection
			time.Sleep(300 * time.Millisecond)
		}
	}, 100)
	late := 0
	for _, a := range answers {
		if a.Took > 150*time.Millisecond {
			late++
		}
	}
	if late < 50 {
		t.Errorf("%d requests were late, of about 150 that were due in that time", late)
	}
}

// A connection that ends when nobody waits for anything on it is no failure.
func TestIdleConnectionsMayEnd(t *testing.T) {
	var asked atomic.Int64
	answers := send(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%5 != 0 {
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // and says nothing of the end
		_ = conn.Close()
	}, 100)
	for _, a := range answers {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
}
