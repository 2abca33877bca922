package load

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// until lets a load run until it has so many records.
func (l Load) until(t *testing.T, n int) *Result {
	t.Helper()
	run := l.Start()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); len(run.SoFar()) < n; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("still not %d records: %v", n, run.Stop())
		}
	}
	return run.Stop()
}

// cutting is a server of HTTP/1.1 that closes the connection instead of answering each tenth request.
type cutting struct {
	net.Listener
	asked, cut atomic.Int64
}

func serveCutting(t *testing.T) *cutting {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutting{Listener: listener}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go c.serve(connection)
		}
	}()
	return c
}

func (c *cutting) serve(connection net.Conn) {
	defer connection.Close()
	for input := bufio.NewReader(connection); ; {
		if _, err := http.ReadRequest(input); err != nil {
			return
		}
		if c.asked.Add(1)%10 == 0 {
			c.cut.Add(1)
			return
		}
		if _, err := io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nEcho-Pod: a\r\n\r\nok"); err != nil {
			return
		}
	}
}

func TestEveryRequestThatAServerCutsOffIsAFailure(t *testing.T) {
	server := serveCutting(t)
	result := Load{Address: server.Addr().String(), Rate: 1000, Connections: 3}.until(t, 500)
	if asked := int(server.asked.Load()); asked != len(result.Records) {
		t.Errorf("the server was asked %d times, %d are recorded", asked, len(result.Records))
	}
	if cut := int(server.cut.Load()); cut != len(result.Failures()) || result.Pods()["a"] != len(result.Records)-cut {
		t.Errorf("%d were cut off: %v; %v", cut, result, result.Pods())
	}
	for _, failure := range result.Failures() {
		if failure.Repeatable != failure.Reused {
			t.Errorf("%+v", failure)
		}
	}
}

func TestRequestsAreRepeatedOnlyIfTheLoadSaysSo(t *testing.T) {
	server := serveCutting(t)
	result := Load{Address: server.Addr().String(), Rate: 500, Connections: 3, Retries: true}.until(t, 500)
	repeats := 0
	for _, one := range result.Records {
		repeats += one.Repeats
	}
	if asked := int(server.asked.Load()); asked != len(result.Records)+repeats || repeats == 0 || repeats < int(server.cut.Load())*9/10 {
		t.Errorf("the server was asked %d times and cut %d off; %d records, %d repeats: %v", asked, server.cut.Load(), len(result.Records), repeats, result)
	}
}

func TestRequestsStartAtTheirRateAsLongAsThereAreConnections(t *testing.T) {
	const slow = 300 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(slow) }))
	defer server.Close()
	for connections, perSecond := range map[int]float64{60: 100, 6: 6 / slow.Seconds()} {
		before := time.Now()
		result := Load{Address: server.Listener.Addr().String(), Rate: 100, Connections: connections}.until(t, int(perSecond))
		took := (time.Since(before) - slow).Seconds()
		if n := float64(len(result.Records)); n < 0.8*perSecond*took || n > 1.2*perSecond*(took+slow.Seconds()) {
			t.Errorf("%v requests in %v s over %d connections", n, took, connections)
		}
		if len(result.Failures()) > 0 || result.Quantile(0) < slow || result.Connections != connections {
			t.Error(result)
		}
		if late := connections == 6; late != (result.Lag > slow) {
			t.Errorf("over %d connections: %v", connections, result)
		}
	}
}

func TestOverHTTP2OneConnectionIsEnough(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Echo-Pod", r.Proto+" "+r.Host)
		if asked.Add(1)%50 == 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	result := Load{Kind: HTTP2, Address: server.Listener.Addr().String(), Host: "a.example.com", Rate: 300, Connections: 1}.until(t, 200)
	if n := len(result.Records); int(asked.Load()) != n || len(result.Failures()) != n/50 || result.Pods()["HTTP/2.0 a.example.com"] != n-n/50 {
		t.Errorf("asked %d times: %v; %v", asked.Load(), result, result.Pods())
	}
	if result.Connections != 1 {
		t.Errorf("%d connections", result.Connections)
	}
}

func TestHandshakesSayWhichCertificateWasServed(t *testing.T) {
	one, two := httptest.NewTLSServer(nil), httptest.NewTLSServer(nil)
	defer one.Close()
	defer two.Close()
	var names sync.Map
	one.TLS.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		names.Store(hello.ServerName, true)
		return &two.TLS.Certificates[0], nil
	}
	one.TLS.Certificates = nil
	result := Load{Kind: Handshake, Address: one.Listener.Addr().String(), Host: "a.example.com:443", Rate: 200}.until(t, 50)
	want := Fingerprint(two.Certificate().Raw)
	if got := result.Certificates(); len(got) != 1 || got[want] != len(result.Records) || result.Connections != len(result.Records) {
		t.Errorf("%v: %v", got, result)
	}
	if _, is := names.Load("a.example.com"); !is {
		t.Error("the server was not told the name")
	}
}

func TestBrokenSessionsAreCounted(t *testing.T) {
	var open atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := (&websocket.Upgrader{}).Upgrade(w, r, http.Header{"Echo-Pod": {"a"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer session.Close()
		breaks := open.Add(1) == 2 // only the second session, before its fourth message
		for n := 0; !breaks || n < 3; n++ {
			kind, text, err := session.ReadMessage()
			if err != nil || session.WriteMessage(kind, text) != nil {
				return
			}
		}
	}))
	defer server.Close()
	result := Load{Kind: WebSocket, Address: server.Listener.Addr().String(), Rate: 400, Connections: 4}.until(t, 200)
	broken := result.Broken()
	if len(broken) != 1 || broken[0].Messages != 3 || broken[0].Pod != "a" || len(result.Sessions) != 5 || len(result.Failures()) != 1 {
		t.Errorf("%v; broken: %+v", result, broken)
	}
}

func TestResult(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	record := func(start, duration int, err error) Record {
		return Record{Start: begin.Add(time.Duration(start) * time.Second), Duration: time.Duration(duration) * time.Second, Err: err}
	}
	cut, other := errors.New("read tcp 10.0.0.1:80->10.0.0.2:1: cut off"), errors.New("read tcp 10.0.0.1:80->10.0.0.2:2: cut off")
	r := Result{Records: []Record{record(0, 1, nil), record(1, 3, cut), record(2, 2, nil), record(5, 1, other)}}
	at := func(seconds int) int { return len(r.InFlight(begin.Add(time.Duration(seconds) * time.Second))) }
	if at(0) != 1 || at(3) != 2 || at(5) != 1 || at(7) != 0 {
		t.Errorf("in flight: %d %d %d %d", at(0), at(3), at(5), at(7))
	}
	if got := len(r.Between(begin.Add(time.Second), begin.Add(5*time.Second))); got != 2 {
		t.Errorf("%d started between", got)
	}
	if r.Quantile(0.5) != 2*time.Second || r.Quantile(1) != 3*time.Second || (&Result{}).Quantile(0.5) != 0 {
		t.Errorf("p50 %v, most %v", r.Quantile(0.5), r.Quantile(1))
	}
	if text := r.String(); !strings.Contains(text, "4 done, 2 failed") || !strings.Contains(text, "2 times, 0 of them repeatable, after 4s to 6s: read tcp: cut off") {
		t.Error(text)
	}
}
