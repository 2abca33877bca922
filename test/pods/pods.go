// Package pods plays the pods behind Services in tests: HTTP servers on loopback addresses that say what
// they were asked.
//
// Query parameters ask for behaviour: __status=503, __delay=1s, __size=N, __header=Name:Value,
// __headersize=N, and __on=ADDRESS if only that pod shall behave so.
package pods

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Echo is what a pod says it saw.
type Echo struct {
	Service string      `json:"service"`
	Pod     string      `json:"pod"`
	Method  string      `json:"method"`
	Path    string      `json:"path"` // the request target as sent
	Host    string      `json:"host"`
	Proto   string      `json:"proto"`
	TLS     bool        `json:"tls"`
	SNI     string      `json:"sni"`
	Client  string      `json:"client"` // subject of the client's certificate
	Body    int         `json:"body"`
	Header  http.Header `json:"header"`
}

// Start serves on the address until the test ends. With a certificate it speaks TLS; HTTP/2 is spoken to
// whoever asks, in the clear too.
func Start(t testing.TB, address, service string, certificate *tls.Certificate) {
	t.Helper()
	if certificate == nil {
		StartTLS(t, address, service, nil)
		return
	}
	StartTLS(t, address, service, &tls.Config{Certificates: []tls.Certificate{*certificate}})
}

// StartTLS does so with more to say about TLS; nil speaks none.
func StartTLS(t testing.TB, address, service string, config *tls.Config) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("start a pod: %v", err)
	}
	server := &http.Server{Handler: handler(address, service), ReadHeaderTimeout: time.Minute}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.TLSConfig = config
	go func() {
		if config != nil {
			_ = server.ServeTLS(listener, "", "")
			return
		}
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { server.Close() })
}

// StartFastCGI serves FastCGI on the address until the test ends. Parameters that are no headers are told as headers
// Fastcgi-NAME, with dashes for underscores.
func StartFastCGI(t testing.TB, address, service string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("start a pod: %v", err)
	}
	inner := handler(address, service)
	go func() {
		_ = fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range fcgi.ProcessEnv(r) {
				r.Header.Set("Fastcgi-"+strings.ReplaceAll(name, "_", "-"), value)
			}
			r.RequestURI = r.URL.RequestURI()
			inner.ServeHTTP(w, r)
		}))
	}()
	t.Cleanup(func() { listener.Close() })
}

// StartSlow is Start for a pod in the clear that takes so long for each answer.
func StartSlow(t testing.TB, address, service string, delay time.Duration) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("start a pod: %v", err)
	}
	echo := handler(address, service)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		echo.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
}

func handler(address, service string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.Copy(io.Discard, r.Body)
		query := r.URL.Query()
		if on := query.Get("__on"); on != "" && on != address {
			query = nil
		}
		if d, err := time.ParseDuration(query.Get("__delay")); err == nil {
			time.Sleep(d)
		}
		for _, h := range query["__header"] {
			name, value, _ := strings.Cut(h, ":")
			w.Header().Add(name, value)
		}
		if n, err := strconv.Atoi(query.Get("__headersize")); err == nil {
			w.Header().Set("X-Fill", strings.Repeat("x", n))
		}
		echo := Echo{
			Service: service, Pod: address, Method: r.Method, Path: r.RequestURI, Host: r.Host, Proto: r.Proto,
			TLS: r.TLS != nil, Body: int(body), Header: r.Header,
		}
		if r.TLS != nil {
			echo.SNI = r.TLS.ServerName
			if shown := r.TLS.PeerCertificates; len(shown) > 0 {
				echo.Client = shown[0].Subject.String()
			}
		}
		status := http.StatusOK
		if n, err := strconv.Atoi(query.Get("__status")); err == nil {
			status = n
		}
		if n, err := strconv.Atoi(query.Get("__size")); err == nil {
			w.WriteHeader(status)
			fmt.Fprint(w, strings.Repeat("x", n))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(echo)
	})
}
