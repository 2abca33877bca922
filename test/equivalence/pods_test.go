//go:build integration

package equivalence

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/test/pods"
)

// kind is a kind of Services that sets may use: so many, called after it and a number from 0, with one pod each.
type kind struct {
	name      string
	namespace string
	count     int
	network   string // first three bytes of the pods' addresses
	port      int    // of the pods
}

// Most speak HTTP in the clear and over TLS. Two kinds speak HTTP/2, as gRPC does.
var (
	plainKind = kind{"s", "shop", 90, "127.0.50", 9280}
	otherKind = kind{"o", "other", 12, "127.0.51", 9280}
	grpcKind  = kind{"g", "shop", 10, "127.0.52", 9281}
	grpcsKind = kind{"h", "shop", 6, "127.0.53", 9282}
	kinds     = []kind{plainKind, otherKind, grpcKind, grpcsKind}
)

func (k kind) service(n int) string { return k.name + strconv.Itoa(n) }
func (k kind) ip(n int) string      { return k.network + "." + strconv.Itoa(n+1) }
func (k kind) address(n int) string { return net.JoinHostPort(k.ip(n), strconv.Itoa(k.port)) }

// manifests are the Services that are used, with their EndpointSlices.
func (k kind) manifests(isUsed func(namespace, service string) bool) string {
	var b strings.Builder
	for n := range k.count {
		if !isUsed(k.namespace, k.service(n)) {
			continue
		}
		fmt.Fprintf(&b, `
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec: {ports: [{name: http, port: 80}, {name: alt, port: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, namespace: %[2]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[3]d}, {name: alt, port: %[3]d}]
endpoints: [{addresses: [%[4]s]}]
---
`, k.service(n), k.namespace, k.port, k.ip(n))
	}
	return b.String()
}

// startPods plays the pods of all kinds until the test ends.
func startPods(t *testing.T) {
	t.Helper()
	made, err := selfsigned.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair([]byte(made.Chain), []byte(made.Key.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		for n := range k.count {
			switch k {
			case grpcKind:
				pods.Start(t, k.address(n), k.service(n), nil)
			case grpcsKind:
				pods.Start(t, k.address(n), k.service(n), &certificate)
			default:
				startRawPod(t, k.address(n), certificate)
			}
		}
	}
}

// startRawPod answers with the bytes of the request's head as they came: package pods shows what net/http made of them.
func startRawPod(t *testing.T, address string, certificate tls.Certificate) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("start a pod: %v", err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go rawPod{address, certificate}.serve(conn)
		}
	}()
}

type rawPod struct {
	address     string
	certificate tls.Certificate
}

// peeked is a connection some bytes of which have been read ahead.
type peeked struct {
	net.Conn
	reader io.Reader
}

func (c peeked) Read(p []byte) (int, error) { return c.reader.Read(p) }

const handshake = 22 // first byte of a TLS connection, RFC 8446 section 5.1

// serve answers until NGINX ends the connection, over TLS if that is what NGINX begins with.
func (p rawPod) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	first, err := reader.Peek(1)
	if err != nil {
		return
	}
	scheme := "http"
	if first[0] == handshake {
		scheme = "https"
		conn = tls.Server(peeked{conn, reader}, &tls.Config{Certificates: []tls.Certificate{p.certificate}})
		reader = bufio.NewReader(conn)
	}
	for p.answer(scheme, reader, conn) == nil {
	}
}

var errLast = errors.New("no request follows")

// answer reads a request and answers it, with the status that its query asks for by __status.
func (p rawPod) answer(scheme string, r *bufio.Reader, w io.Writer) error {
	head, err := readHead(r)
	if err != nil {
		return err
	}
	line, fields, _ := strings.Cut(string(head), "\r\n")
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(fields))).ReadMIMEHeader()
	if err != nil {
		return err
	}
	size, err := discardBody(header, r)
	if err != nil {
		return err
	}
	status := "200"
	if _, asked, is := strings.Cut(line, "__status="); is && len(asked) >= len(status) {
		status = asked[:len(status)]
	}
	text := fmt.Sprintf("%s over %s, body of %d bytes\n%s", p.address, scheme, size, head)
	answer := fmt.Sprintf("HTTP/1.1 %s As asked\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nX-Pod: %s\r\nX-Line: %q\r\n",
		status, len(text), p.address, line)
	isLast := header.Get("Connection") == "close" || strings.HasSuffix(line, "/1.0")
	if isLast { // or NGINX would use the connection again while it ends
		answer += "Connection: close\r\n"
	}
	answer += "\r\n"
	if !strings.HasPrefix(line, "HEAD ") {
		answer += text
	}
	if _, err = io.WriteString(w, answer); err == nil && isLast {
		return errLast
	}
	return err
}

// discardBody reads a body and returns how long it is.
func discardBody(header textproto.MIMEHeader, r *bufio.Reader) (int64, error) {
	if header.Get("Transfer-Encoding") == "chunked" {
		size, err := io.Copy(io.Discard, httputil.NewChunkedReader(r))
		if err == nil {
			_, err = r.Discard(len("\r\n")) // behind the last chunk
		}
		return size, err
	}
	length, err := strconv.ParseInt(cmp.Or(header.Get("Content-Length"), "0"), 10, 64)
	if err != nil {
		return 0, err
	}
	return io.CopyN(io.Discard, r, length)
}

// readHead reads up to the empty line, including it.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		head = append(head, line...)
		if len(line) <= len("\r\n") {
			return head, nil
		}
	}
}
