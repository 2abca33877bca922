package golden

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/test/pods"
)

// Target is where requests of cases are sent, whatever host they name.
type Target struct{ HTTP, HTTPS string }

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	echo   *pods.Echo
	names  []string // DNS names of the server's certificate
}

// Send sends the request and checks what comes back.
func (r Request) Send(t *testing.T, to Target) {
	t.Helper()
	for range r.Times {
		a, err := r.send(to)
		var alert *net.OpError
		if r.Status == noHandshake && errors.As(err, &alert) && alert.Op == "remote error" {
			return
		}
		if err != nil {
			t.Errorf("line %d: %s %s://%s%s: %v", r.Line, r.Method, r.URL.Scheme, r.URL.Host, r.Target, err)
			return
		}
		if wrong := r.check(a); len(wrong) > 0 {
			t.Errorf("line %d: %s %s://%s%s:\n  %s\n  got %d %v\n  %.600s", r.Line, r.Method, r.URL.Scheme, r.URL.Host, r.Target,
				strings.Join(wrong, "\n  "), a.status, a.header, a.body)
			return
		}
	}
}

// send writes the request by hand: clients of the standard library clean up targets that cases want sent
// as they are. Only HTTP/2 goes through one.
func (r Request) send(to Target) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if r.HTTP2 || r.Header.Get("Content-Type") == "application/grpc" {
		return r.sendHTTP2(ctx, to)
	}
	conn, err := r.dial(ctx, to, "http/1.1")
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := io.WriteString(conn, r.text()); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method})
	if err != nil {
		return answer{}, err
	}
	a, err := read(resp)
	if secure, is := conn.(*tls.Conn); is {
		a.names = secure.ConnectionState().PeerCertificates[0].DNSNames
	}
	return a, err
}

func (r Request) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.Method, r.Target)
	if _, own := r.Header["Host"]; !own {
		fmt.Fprintf(&b, "Host: %s\r\n", r.URL.Host)
	}
	for name, values := range r.Header {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	body := r.Body
	switch {
	case r.Header.Get("Transfer-Encoding") == "chunked":
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(r.Body), r.Body)
	case body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	if _, own := r.Header["Connection"]; !own {
		b.WriteString("Connection: close\r\n")
	}
	return b.String() + "\r\n" + body
}

func (r Request) dial(ctx context.Context, to Target, protocol string) (net.Conn, error) {
	dialer := &net.Dialer{}
	if r.From != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(r.From)}
	}
	if r.URL.Scheme == "http" {
		return r.connect(ctx, dialer, to.HTTP)
	}
	host, _, _ := strings.Cut(r.URL.Host, ":")
	if r.SNI != nil {
		host = *r.SNI
	}
	config := &tls.Config{
		ServerName: host, NextProtos: []string{protocol}, InsecureSkipVerify: true, //nolint:gosec // certificates are checked by name
	}
	if r.Cipher != 0 {
		config.CipherSuites, config.MaxVersion = []uint16{r.Cipher}, tls.VersionTLS12
	}
	if r.Client != "" {
		pair := PairOf(r.Client)
		// The server's list of authorities is of no interest: strangers show what they have, too.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	conn, err := r.connect(ctx, dialer, to.HTTPS)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// connect opens a connection, and says first for whom.
func (r Request) connect(ctx context.Context, dialer *net.Dialer, address string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil || r.Proxy == "" {
		return conn, err
	}
	if _, err := io.WriteString(conn, r.Proxy+"\r\n"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (r Request) sendHTTP2(ctx context.Context, to Target) (answer, error) {
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return r.dial(ctx, to, "h2")
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, r.Method, "https://"+r.URL.Host+r.Target, strings.NewReader(r.Body))
	if err != nil {
		return answer{}, err
	}
	req.Header = r.Header.Clone()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	return read(resp)
}

func read(resp *http.Response) (answer, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	var echo pods.Echo
	if json.Unmarshal(body, &echo) == nil && echo.Pod != "" {
		a.echo = &echo
	}
	return a, nil
}

// check returns what is wrong with the answer.
func (r Request) check(a answer) []string {
	var wrong []string
	expect := func(what, got, want string) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s is %q, want %q", what, got, want))
		}
	}
	expect("status", strconv.Itoa(a.status), strconv.Itoa(r.Status))
	for _, h := range r.WantHeader {
		expect("header "+h.Name, strings.Join(a.header.Values(h.Name), ", "), h.Value)
	}
	if r.Certificate != "" {
		expect("certificate", strings.Join(a.names[:min(len(a.names), 1)], ""), r.Certificate)
	}
	if !strings.Contains(a.body, r.WantBody) {
		wrong = append(wrong, fmt.Sprintf("the body lacks %q", r.WantBody))
	}
	if r.NoUpstream && a.echo != nil {
		wrong = append(wrong, "a pod answered")
	}
	if len(r.Upstream) == 0 {
		return wrong
	}
	if a.echo == nil {
		return append(wrong, "no pod answered")
	}
	for _, p := range r.Upstream {
		if p.IsHeader {
			expect("request header "+p.Name, strings.Join(a.echo.Header[textproto.CanonicalMIMEHeaderKey(p.Name)], ", "), p.Value)
			continue
		}
		expect(p.Name, seen(a.echo, p.Name), p.Value)
	}
	return wrong
}

// seen returns a field of the echo by its name in cases.
func seen(e *pods.Echo, name string) string {
	switch name {
	case "service":
		return e.Service
	case "pod":
		return e.Pod
	case "path":
		return e.Path
	case "method":
		return e.Method
	case "host":
		return e.Host
	case "proto":
		return e.Proto
	case "body":
		return strconv.Itoa(e.Body)
	case "sni":
		return e.SNI
	case "client":
		return e.Client
	case "tls":
		return map[bool]string{true: "yes", false: "no"}[e.TLS]
	}
	return "(" + name + " is not a field)"
}
