package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	statusTimeout = time.Second
	pushTimeout   = 10 * time.Second // an update may hold thousands of certificates
	answerLimit   = 1 << 20
)

// control talks to the Lua code in NGINX over its Unix socket. It says nothing about what it sent in errors.
type control struct{ client *http.Client }

func newControl(socket string) *control {
	return &control{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		// A connection that stays would stay with a worker that has been replaced.
		DisableKeepAlives: true,
	}}}
}

// report is what workers say of themselves.
type report struct {
	Generation uint64   `json:"generation"` // of the state
	Incomplete bool     `json:"incomplete"` // some of the state was lost
	Workers    []worker `json:"workers"`
	Wanted     int      `json:"workers_wanted"`
}

type worker struct {
	ID            int    `json:"id"`
	PID           int    `json:"pid"`
	Configuration string `json:"configuration"`
}

// isComplete tells whether every worker has reported.
func (r report) isComplete() bool { return r.Wanted > 0 && len(r.Workers) >= r.Wanted }

// allRun tells whether every worker has reported that it runs this configuration.
func (r report) allRun(configuration string) bool {
	running := map[int]bool{}
	for _, w := range r.Workers {
		running[w.ID] = running[w.ID] || w.Configuration == configuration
	}
	count := 0
	for _, is := range running {
		if is {
			count++
		}
	}
	return r.Wanted > 0 && count >= r.Wanted
}

func (r report) has(pid int) bool {
	for _, w := range r.Workers {
		if w.PID == pid {
			return true
		}
	}
	return false
}

func (c *control) status(ctx context.Context) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var r report
	code, err := c.call(ctx, http.MethodGet, "/v1/status", nil, &r)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("status %d", code)
	}
	if err != nil {
		return report{}, fmt.Errorf("ask NGINX for its status: %w", err)
	}
	return r, nil
}

// stay tells workers which configuration is here to stay, "" for none: those of others ask clients of HTTP/1 to use their
// connections no more.
func (c *control) stay(ctx context.Context, configuration string) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	document, err := json.Marshal(map[string]string{"configuration": configuration})
	if err != nil {
		return err
	}
	var a answer
	code, err := c.call(ctx, http.MethodPost, "/v1/staying", document, &a)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("status %d: %s", code, a.Error)
	}
	if err != nil {
		return fmt.Errorf("tell workers that they will quit: %w", err)
	}
	return nil
}

// answer is what Lua says to an update.
type answer struct {
	code       int
	Generation uint64 `json:"generation"` // it has now
	Error      string `json:"error"`
}

func (c *control) post(ctx context.Context, document []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	var a answer
	var err error
	a.code, err = c.call(ctx, http.MethodPost, "/v1/state", document, &a)
	return a, err
}

func (c *control) call(ctx context.Context, method, path string, body []byte, into any) (int, error) {
	text, code, err := c.read(ctx, method, path, body, answerLimit)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(text, into); err != nil && code == http.StatusOK {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	return code, nil
}

// read returns an answer, of which it reads so many bytes at most, and its status.
func (c *control) read(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://nginx"+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, limit))
	return text, response.StatusCode, err
}
