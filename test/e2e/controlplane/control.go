package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
)

// DirVariable tells programs that run in a cluster of ours where its directory is.
const DirVariable = "SLUICE_E2E_DIR"

// listen lets components be killed and started by HTTP on a Unix socket: POST /kill/NAME, POST /start/NAME.
func (p *parts) listen(socket string) (io.Closer, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, act := range map[string]func(string) error{"POST /kill/{name}": p.kill, "POST /start/{name}": p.start} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := act(r.PathValue("name")); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		})
	}
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }() // until it is closed
	return server, nil
}

// Control kills and starts components of a running cluster: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, node-1 and so on.
type Control struct {
	Dir string
}

// Kill ends a component at once, a node with all its pods. It returns when the component has ended.
func (c Control) Kill(ctx context.Context, name string) error { return c.ask(ctx, "kill", name) }

// Start starts a component that was killed. It does not wait until it is ready.
func (c Control) Start(ctx context.Context, name string) error { return c.ask(ctx, "start", name) }

func (c Control) ask(ctx context.Context, what, name string) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(c.Dir, "control"))
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cluster/"+what+"/"+name, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s %s: %s", what, name, bytes.TrimSpace(text))
	}
	return nil
}
