// Package inspect turns questions of people about a running NGINX into answers: what its workers say over their socket, and what its
// live configuration is. It changes nothing, and nothing that it gives out holds a key.
package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// ErrNoBackend says that workers know no backend of that name.
var ErrNoBackend = errors.New("no such backend")

// NGINX is one that a supervisor runs, whoever that is.
type NGINX struct {
	dir    string
	client *http.Client
}

// In looks at the NGINX of a state directory.
func In(dir string) NGINX {
	return NGINX{dir, &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "state.sock"))
		},
		DisableKeepAlives: true,
	}}}
}

// Status is what workers say of themselves, as JSON: the configuration that each runs, and the generation of the state.
func (n NGINX) Status(ctx context.Context) (json.RawMessage, error) {
	return n.get(ctx, "/v1/status")
}

// Backend is what workers know of a backend, as JSON: endpoints, and how requests are shared out.
func (n NGINX) Backend(ctx context.Context, name string) (json.RawMessage, error) {
	return n.get(ctx, "/v1/backends/"+url.PathEscape(name))
}

// Report is what workers say of themselves, and of backends.
type Report struct {
	Status
	// Backends are those that were asked for and that workers know, each as Backend returns it.
	Backends map[string]json.RawMessage `json:"backends"`
}

// Status is what workers say of themselves.
type Status struct {
	// Generation is that of the state. Incomplete means that some of it was lost, and is being sent again.
	Generation uint64   `json:"generation"`
	Incomplete bool     `json:"incomplete,omitempty"`
	Wanted     int      `json:"workers_wanted"` // how many workers there should be
	Workers    []Worker `json:"workers"`        // those that have reported
}

// Worker is a process that serves requests.
type Worker struct {
	ID            int    `json:"id"` // from 0
	PID           int    `json:"pid"`
	Configuration string `json:"configuration"` // the generation that it runs
}

// Report asks workers how they are, and for these backends. Several are asked for at a time, by connections of their own.
func (n NGINX) Report(ctx context.Context, backends []string) (Report, error) {
	const atOnce = 4
	text, err := n.Status(ctx)
	if err != nil {
		return Report{}, err
	}
	r := Report{}
	if err := json.Unmarshal(text, &r.Status); err != nil {
		return Report{}, fmt.Errorf("read what NGINX's workers say of themselves: %w", err)
	}
	found := make([]json.RawMessage, len(backends))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, name := range backends {
		group.Go(func() (err error) {
			if found[i], err = n.Backend(ctx, name); errors.Is(err, ErrNoBackend) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Report{}, err
	}
	r.Backends = map[string]json.RawMessage{}
	for i, name := range backends {
		if found[i] != nil {
			r.Backends[name] = found[i]
		}
	}
	return r, nil
}

func (n NGINX) get(ctx context.Context, path string) (json.RawMessage, error) {
	const (
		longest = 5 * time.Second
		largest = 16 << 20
	)
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nginx"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask NGINX's workers: %w", err)
	}
	response, err := n.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask NGINX's workers: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, largest))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask NGINX's workers: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return nil, ErrNoBackend
	case response.StatusCode != http.StatusOK || !json.Valid(text):
		return nil, fmt.Errorf("ask NGINX's workers: status %d", response.StatusCode)
	}
	return text, nil
}

// Configuration is the nginx.conf that is live. Certificates, keys and lists of users are in other files.
func (n NGINX) Configuration() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(n.dir, "conf", "current", "nginx.conf"))
	if err != nil {
		return nil, fmt.Errorf("read the configuration that is live: %w", err)
	}
	return text, nil
}
