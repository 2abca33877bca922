package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func ask(t *testing.T, method, target, body string) *http.Response {
	t.Helper()
	server := httptest.NewServer(pod{address: "127.0.10.1:9000", service: "catalog"})
	t.Cleanup(server.Close)
	request, err := http.NewRequest(method, server.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = target // sent as it is
	request.Host = "shop.localhost"
	request.Header.Set("X-Test", "yes")
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestAnswerTellsWhatWasAsked(t *testing.T) {
	response := ask(t, "POST", "/a%2Fb//c/../d?q=<1>&r", "hello")
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "application/json" {
		t.Errorf("got %s with Content-Type %s", response.Status, got)
	}
	var got answer
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if h := got.Headers["X-Test"]; !slices.Equal(h, []string{"yes"}) {
		t.Errorf("header X-Test = %q, want yes", h)
	}
	got.Headers = nil
	want := answer{
		Service: "catalog", Pod: "127.0.10.1:9000",
		Method: "POST", Path: "/a%2Fb//c/../d?q=<1>&r", Host: "shop.localhost", BodyBytes: 5,
	}
	if !equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func equal(a, b answer) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

func TestBehaviour(t *testing.T) {
	for _, c := range []struct {
		name, target string
		status       int
		check        func(t *testing.T, r *http.Response, body string)
	}{
		{"status", "/?__status=503", 503, nil},
		{"status without a body", "/?__status=204", 204, func(t *testing.T, _ *http.Response, body string) {
			if body != "" {
				t.Errorf("body %q", body)
			}
		}},
		{"size", "/?__size=100000", 200, func(t *testing.T, _ *http.Response, body string) {
			if len(body) != 100000 {
				t.Errorf("body of %d bytes", len(body))
			}
		}},
		{"no size is not size 0", "/?__size=0", 200, func(t *testing.T, _ *http.Response, body string) {
			if body != "" {
				t.Errorf("body %q", body)
			}
		}},
		{"headers", "/?__header=Set-Cookie:a=1&__header=Set-Cookie:b=2", 200, func(t *testing.T, r *http.Response, _ string) {
			if got := r.Header["Set-Cookie"]; !slices.Equal(got, []string{"a=1", "b=2"}) {
				t.Errorf("Set-Cookie %q", got)
			}
		}},
		{"bad status", "/?__status=99", 400, nil},
		{"bad delay", "/?__delay=long", 400, nil},
		{"bad size", "/?__size=-1", 400, nil},
		{"bad header", "/?__header=x", 400, nil},
		{"bad close", "/?__close=maybe", 400, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			response := ask(t, "GET", c.target, "")
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != c.status {
				t.Errorf("status %d, want %d", response.StatusCode, c.status)
			}
			if c.check != nil {
				c.check(t, response, string(body))
			}
		})
	}
}

func TestDelay(t *testing.T) {
	started := time.Now()
	ask(t, "GET", "/?__delay=50ms", "")
	if took := time.Since(started); took < 50*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func TestCloseHangsUp(t *testing.T) {
	server := httptest.NewServer(pod{})
	defer server.Close()
	if _, err := http.Get(server.URL + "/?__close=1"); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestListenFlag(t *testing.T) {
	var pods podList
	for _, good := range []string{"127.0.10.1:9000=catalog", "[::1]:9000=cart"} {
		if err := pods.Set(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	if got, want := pods.String(), "127.0.10.1:9000=catalog [::1]:9000=cart"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, bad := range []string{"", "127.0.10.1:9000", "127.0.10.1:9000=", "127.0.10.1=catalog"} {
		if err := pods.Set(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestRunFinishesRunningRequests(t *testing.T) {
	address := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- run(ctx, []pod{{address, "catalog"}}) }()
	connection := dial(t, address)
	reader := bufio.NewReader(connection)

	// The pod says 100 once it reads the body: then the request runs.
	fmt.Fprint(connection, "POST / HTTP/1.1\r\nHost: shop.localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("got %q, %v", line, err)
	}
	stop()
	for closed := false; !closed; time.Sleep(time.Millisecond) {
		late, err := net.Dial("tcp", address)
		if closed = err != nil; !closed {
			late.Close()
		}
	}
	fmt.Fprint(connection, "x")
	reader.ReadString('\n') // the empty line after the 100
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Errorf("the running request got %q, %v", line, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	for {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			t.Cleanup(func() { connection.Close() })
			return connection
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRunNamesATakenAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().String()
	err = run(t.Context(), []pod{{freeAddress(t), "cart"}, {taken, "catalog"}})
	if err == nil || !strings.Contains(err.Error(), "pod of catalog") || !strings.Contains(err.Error(), taken) {
		t.Errorf("got %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
