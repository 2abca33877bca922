package dataplane

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-ingress/sluice/nginx/supervisor"
)

// Run keeps a session open until the context ends. Then it says that nobody sends requests any more; if NGINX was told to
// stop as well, Run returns when NGINX has.
func (c *Client) Run(ctx context.Context) error {
	background := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		err := c.follow(ctx, background)
		if isNew := c.lose(err); isNew && ctx.Err() == nil {
			c.options.Log.Error("NGINX's container is not connected", "error", err)
		}
		wait(ctx, retryAfter)
	}
	return nil
}

// follow opens a session and stays until it ends. It is told why.
func (c *Client) follow(ctx, background context.Context) error {
	opening, end := context.WithCancelCause(background)
	defer end(nil)
	stopOpening := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	request, err := http.NewRequestWithContext(opening, http.MethodGet, fmt.Sprintf("http://dataplane/session?protocol=%d", protocol), nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, answerLimit)
	first, err := next(lines)
	if err != nil {
		return err
	}
	if first.Hello == nil {
		return errors.New("the data plane does not say hello")
	}
	if dir := first.Hello.StateDir; dir != c.options.StateDir {
		return fmt.Errorf("NGINX's container has the state directory %q, we have %q", dir, c.options.StateDir)
	}
	if !stopOpening() {
		return context.Cause(ctx)
	}
	l := &link{id: first.Hello.Session, ctx: opening, end: end, moved: make(chan struct{})}
	c.open(l, first.Hello.Surroundings)
	go c.catchUp(l)
	// From here on the session outlives the context: by the goodbye, and by an NGINX that drains.
	defer context.AfterFunc(ctx, func() { c.release(l) })()
	for {
		e, err := next(lines)
		if err != nil {
			return err
		}
		c.observe(l, e)
	}
}

// refusal reads why there is no session.
func refusal(response *http.Response) error {
	a := read(response, answerLimit)
	if response.StatusCode == http.StatusHTTPVersionNotSupported {
		return fmt.Errorf("%s, and the controller protocol %d; both containers have to have the same image", a.Error, protocol)
	}
	return fmt.Errorf("the data plane answers %d: %s", response.StatusCode, a.Error)
}

func next(lines *bufio.Scanner) (event, error) {
	var e event
	if !lines.Scan() {
		if err := lines.Err(); err != nil {
			return e, fmt.Errorf("the session has ended: %w", err)
		}
		return e, errors.New("the session has ended")
	}
	if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
		return e, fmt.Errorf("read what the data plane tells: %w", err)
	}
	return e, nil
}

func (c *Client) open(l *link, surroundings Surroundings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.surroundings, c.trouble = l, surroundings, nil
	close(c.opened)
	c.firstTime()
	c.options.Log.Info("NGINX's container is connected")
}

// lose notes why there is no session, and returns whether that was not known.
func (c *Client) lose(why error) (isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		c.link, c.opened = nil, make(chan struct{})
	}
	isNew = c.trouble == nil || c.trouble.Error() != why.Error()
	c.trouble = why
	return isNew
}

// catchUp sends what was live before to a data plane that is new, and repeats that until it has it.
func (c *Client) catchUp(l *link) {
	for l.ctx.Err() == nil {
		err := c.resend(l)
		var verdict *supervisor.ConfigError
		if err == nil || errors.As(err, &verdict) {
			l.noteCaughtUp()
			return
		}
		if l.ctx.Err() == nil {
			c.options.Log.Error("NGINX does not have again what was live; trying again", "error", err)
		}
		wait(l.ctx, retryAfter)
	}
}

func (c *Client) resend(l *link) error {
	if err := c.pushing.Enter(l.ctx); err != nil {
		return err
	}
	var err error
	if c.pushed {
		err = c.push(l.ctx, l)
	}
	c.pushing.Leave()
	if err != nil {
		return err
	}
	if err := c.applying.Enter(l.ctx); err != nil {
		return err
	}
	defer c.applying.Leave()
	if c.live.Generation == "" || l.isLive { // a newer one may be already
		return nil
	}
	return c.apply(l.ctx, l, c.live, "data plane restarted")
}

// release says that nobody sends requests any more. An NGINX that goes on is left alone.
func (c *Client) release(l *link) {
	ctx, cancel := context.WithTimeout(l.ctx, pushTimeout)
	defer cancel()
	a, err := c.call(ctx, l, http.MethodPost, "/release", nil)
	switch {
	case err != nil:
		l.end(fmt.Errorf("say goodbye to NGINX's container: %w", err))
	case !a.Stopping:
		l.end(errors.New("the controller ends alone"))
	default:
		c.options.Log.Info("waiting for NGINX to finish its requests")
	}
}

func (c *Client) observe(l *link, e event) {
	o := c.options.Observer
	switch {
	case e.Tested != nil:
		o.Tested(e.Tested.Took, e.Tested.err())
	case e.Reloaded != nil:
		o.Reloaded(e.Reloaded.Cause, e.Reloaded.Took, e.Reloaded.err())
	case e.Pushed != nil:
		o.Pushed(e.Pushed.Entries, e.Pushed.Bytes, e.Pushed.Took, e.Pushed.err())
	case e.Restarted:
		o.Restarted()
	case e.Passed != 0:
		l.notePassed(e.Passed)
	}
}

func (o observed) err() error {
	if o.Error == "" {
		return nil
	}
	return errors.New(o.Error)
}

func (l *link) notePassed(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passed = number
	close(l.moved)
	l.moved = make(chan struct{})
}

// eventsMost is how long an answer waits for what was observed before it. A session that is that slow is about to end.
const eventsMost = time.Second

// waitFor returns when all was told that was observed before an answer, so that observers are told in order.
func (l *link) waitFor(ctx context.Context, number uint64) {
	timeout := time.NewTimer(eventsMost)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		passed, moved := l.passed, l.moved
		l.mu.Unlock()
		if passed >= number {
			return
		}
		select {
		case <-moved:
		case <-timeout.C:
			return
		case <-l.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

func (l *link) noteCaughtUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.caughtUp = true
}

func (l *link) hasCaughtUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.caughtUp
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
