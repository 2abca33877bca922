package dataplane

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/gate"
	"github.com/sluice-ingress/sluice/nginx/inspect"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

const (
	statusTimeout  = time.Second
	measureTimeout = 6 * time.Second
	pushTimeout    = 30 * time.Second // a full state of a large cluster, and NGINX's own time for it
	applyWait      = 10 * time.Second // for a data plane that is being started
	retryAfter     = 500 * time.Millisecond
)

// Options say which data plane, and whom to tell what happens there.
type Options struct {
	Socket   string
	StateDir string // that configurations are made for; the data plane has to have the same
	Log      *slog.Logger
	Observer supervisor.Observer // all functions are set
}

// Client drives a data plane, with the methods that its supervisor has. It keeps what the data plane has to have, so that
// one that was started anew gets everything again.
type Client struct {
	options   Options
	http      *http.Client
	connected chan struct{} // closed when the surroundings are known
	firstTime func()        // closes it

	mu           sync.Mutex
	link         *link // nil while no session is open
	opened       chan struct{}
	surroundings Surroundings
	trouble      error // why there is no session

	pushing gate.Gate // held by whoever sends state
	wanted  dynamic.State
	pushed  bool // something was

	applying gate.Gate // held by whoever sends a configuration
	live     nginx.Files
}

// link is an open session.
type link struct {
	id   string
	ctx  context.Context // ends with it
	end  context.CancelCauseFunc
	held held // what was sent, under pushing
	// These are under applying.
	sent   sent // the same
	isLive bool // a configuration that was sent is live

	mu       sync.Mutex
	passed   uint64        // the last number of an event
	moved    chan struct{} // closed when that changes
	caughtUp bool          // everything from before the session was sent again
}

// NewClient prepares a client; Run connects it.
func NewClient(options Options) *Client {
	c := &Client{
		options: options, connected: make(chan struct{}), opened: make(chan struct{}),
		pushing: gate.New(), applying: gate.New(),
		trouble: errors.New("it is not connected yet"),
	}
	c.firstTime = sync.OnceFunc(func() { close(c.connected) })
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", options.Socket)
		},
	}}
	return c
}

// Connected is closed when Surroundings are known.
func (c *Client) Connected() <-chan struct{} { return c.connected }

// Surroundings are those that the data plane told last.
func (c *Client) Surroundings() Surroundings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.surroundings
}

func (c *Client) current() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
}

// await returns the session, if need be after a while.
func (c *Client) await(ctx context.Context) (*link, error) {
	timeout := time.NewTimer(applyWait)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		l, opened, trouble := c.link, c.opened, c.trouble
		c.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-opened:
		case <-timeout.C:
			return nil, fmt.Errorf("NGINX's container cannot be reached: %w", trouble)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Apply is supervisor.Supervisor.Apply. A data plane that is away is waited for.
func (c *Client) Apply(ctx context.Context, files nginx.Files, cause string) error {
	return c.alone(ctx, func(l *link) error { return c.apply(ctx, l, files, cause) })
}

// Test is supervisor.Supervisor.Test. A data plane that is away is waited for.
func (c *Client) Test(ctx context.Context, files nginx.Files) error {
	return c.alone(ctx, func(l *link) error { return c.sendConfiguration(ctx, l, "/test", files, "") })
}

// alone calls f with a session when no other configuration is being sent.
func (c *Client) alone(ctx context.Context, f func(*link) error) error {
	if err := c.applying.Enter(ctx); err != nil {
		return fmt.Errorf("wait for the configuration being applied: %w", err)
	}
	defer c.applying.Leave()
	l, err := c.await(ctx)
	if err != nil {
		return err
	}
	return f(l)
}

// apply is called with applying held.
func (c *Client) apply(ctx context.Context, l *link, files nginx.Files, cause string) error {
	if err := c.sendConfiguration(ctx, l, "/configuration", files, cause); err != nil {
		return err
	}
	c.live, l.isLive = files, true
	return nil
}

// Push is supervisor.Supervisor.Push. While the data plane is away, state is kept for its return.
func (c *Client) Push(ctx context.Context, state dynamic.State) error {
	if err := c.pushing.Enter(ctx); err != nil {
		return err
	}
	defer c.pushing.Leave()
	c.wanted, c.pushed = state, true
	l := c.current()
	if l == nil {
		return nil
	}
	return c.push(ctx, l)
}

// Settle is supervisor.Supervisor.Settle.
func (c *Client) Settle(ctx context.Context) error {
	if err := c.pushing.Enter(ctx); err != nil {
		return err
	}
	defer c.pushing.Leave()
	l := c.current()
	if l == nil || !c.pushed {
		return nil
	}
	if err := c.push(ctx, l); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	a, err := c.call(ctx, l, http.MethodPost, "/settle", nil)
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	return err
}

// push makes the data plane have what is wanted. It is called with pushing held.
func (c *Client) push(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	err := c.sendState(ctx, l, c.wanted)
	if errors.Is(err, errBase) {
		err = c.sendState(ctx, l, c.wanted)
	}
	return err
}

// Leave does nothing: both containers of a pod are told at the same time that it ends, and the data plane tells its clients.
// A controller that ends alone takes NGINX nowhere.
func (c *Client) Leave(context.Context) error { return nil }

// Draining is supervisor.Supervisor.Draining; 0 if the data plane is away.
func (c *Client) Draining() int { return c.Status().OldGenerations }

// Status is supervisor.Supervisor.Status. A data plane is ready when it has what we know to be wanted.
func (c *Client) Status() supervisor.Status {
	l := c.current()
	if l == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return supervisor.Status{LastError: fmt.Errorf("NGINX's container cannot be reached: %w", c.trouble)}
	}
	ctx, cancel := context.WithTimeout(l.ctx, statusTimeout)
	defer cancel()
	a, err := c.call(ctx, l, http.MethodGet, "/status", nil)
	if err == nil && a.Status == nil {
		err = errors.New("the answer has no status")
	}
	if err != nil {
		return supervisor.Status{LastError: fmt.Errorf("ask NGINX's container how things stand: %w", err)}
	}
	now := supervisor.Status{
		Generation: a.Status.Generation, StateGeneration: a.Status.StateGeneration, PID: a.Status.PID,
		OldGenerations: a.Status.OldGenerations, Ready: a.Status.Ready && l.hasCaughtUp(),
	}
	if a.Status.LastError != "" {
		now.LastError = errors.New(a.Status.LastError)
	}
	return now
}

// Measure is supervisor.Supervisor.Measure.
func (c *Client) Measure(ctx context.Context, q traffic.Question) (traffic.Report, error) {
	a, err := c.ask(ctx, "/measures", q)
	switch {
	case err != nil:
		return traffic.Report{}, fmt.Errorf("ask NGINX's container for the requests that it counted: %w", err)
	case a.Traffic == nil:
		return traffic.Report{}, fmt.Errorf("ask NGINX's container for the requests that it counted: %s", cmp.Or(a.Error, "the answer has none"))
	}
	return *a.Traffic, nil
}

// Report is inspect.NGINX.Report, of the data plane's NGINX.
func (c *Client) Report(ctx context.Context, backends []string) (inspect.Report, error) {
	a, err := c.ask(ctx, "/workers", backends)
	switch {
	case err != nil:
		return inspect.Report{}, fmt.Errorf("ask NGINX's container for its workers: %w", err)
	case a.Workers == nil:
		return inspect.Report{}, fmt.Errorf("ask NGINX's container for its workers: %s", cmp.Or(a.Error, "the answer has none"))
	}
	return *a.Workers, nil
}

// ask sends a list of names.
func (c *Client) ask(ctx context.Context, path string, question any) (answer, error) {
	l := c.current()
	if l == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return answer{}, fmt.Errorf("it cannot be reached: %w", c.trouble)
	}
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	document, err := json.Marshal(question)
	if err != nil {
		return answer{}, err
	}
	return c.call(ctx, l, http.MethodPost, path, bytes.NewReader(document))
}
