package server

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // see accept
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
)

// Addresses of pods. Those of Answerers answer every request with their address; Echo takes any upgrade and sends back
// what it gets.
var Answerers = []string{"127.0.40.1", "127.0.40.2"}

const (
	// Echo is the pod of sessions.
	Echo = "127.0.40.3"
	// Gate answers as Answerers do. It is an address of this machine that is neither loopback nor of an interface: Sluice
	// refuses to ask such who may pass.
	Gate = "10.244.9.1"
)

// Pods play the pods of all hosts, and the collector of spans.
type Pods struct {
	answerers *process
	echo      net.Listener
	collector *grpc.Server
}

// StartPods starts all pods; dir is for files.
func StartPods(ctx context.Context, dir, cpus string) (*Pods, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // workers are another user
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1; worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 1000000000;
  server { listen %[2]s:%[4]d backlog=4096; listen %[3]s:%[4]d backlog=4096; listen %[5]s:%[4]d backlog=4096; location / { return 200 "$server_addr\n"; } }
}
`, dir, Answerers[0], Answerers[1], PodPort, Gate)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", Echo, PodPort))
	if err != nil {
		return nil, fmt.Errorf("start the pod of sessions: %w", err)
	}
	p := &Pods{echo: listener}
	server := &http.Server{Handler: http.HandlerFunc(echo)} //nolint:gosec // no stranger connects
	go func() { _ = server.Serve(listener) }()              // until the listener is closed
	if p.collector, err = startCollector(ctx); err != nil {
		listener.Close()
		return nil, err
	}
	if p.answerers, err = start(dir, cpus, nginxProgram, "-c", config); err != nil {
		listener.Close()
		p.collector.Stop()
		return nil, err
	}
	return p, p.answerers.await(ctx, startup, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("%s:%d", Answerers[1], PodPort))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Stop ends all pods, but no session.
func (p *Pods) Stop() {
	_ = p.echo.Close() // of no consequence
	p.collector.Stop()
	p.answerers.stop()
}

// echo says nothing of WebSocket frames: proxies pass bytes, and so do we.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		_, _ = io.WriteString(w, Echo+"\n")
		return
	}
	conn, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if err := accept(buffer, r.Header.Get("Sec-WebSocket-Key")); err == nil {
		_, _ = io.Copy(conn, buffer) // until either end closes
	}
}

// accept is the server's half of the handshake of RFC 6455, section 4.2.2.
func accept(w *bufio.ReadWriter, key string) error {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // the RFC says SHA-1
	_, err := fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	return w.Flush()
}
