package load

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// pool keeps connections, each of which is asked directly: a Transport would repeat requests.
type pool struct {
	load      Load
	transport *http.Transport

	dialing sync.Mutex // of HTTP/2, so that those who miss a connection share the next

	mu     sync.Mutex
	kept   []*connection
	opened int
}

// connection is one with the number of those who use it. It is closed by the last of them, once it is not kept.
type connection struct {
	*http.ClientConn
	users int
	kept  bool
}

func newPool(l Load) *pool {
	p := &pool{load: l, transport: &http.Transport{
		DialContext: l.dial, TLSClientConfig: l.tls(), TLSHandshakeTimeout: l.Timeout, DisableCompression: true, Protocols: new(http.Protocols),
	}}
	p.transport.Protocols.SetHTTP1(l.Kind == HTTP1)
	p.transport.Protocols.SetHTTP2(l.Kind == HTTP2)
	p.fill()
	return p
}

// fill opens the connections, all at once. One that fails is not missed: requests will open it, or fail too.
func (p *pool) fill() {
	ctx, cancel := context.WithTimeout(context.Background(), p.load.Timeout)
	defer cancel()
	var opening sync.WaitGroup
	for range p.load.Connections {
		opening.Go(func() {
			if c, err := p.open(ctx); err == nil {
				c.Release()
				p.giveBack(c)
			}
		})
	}
	opening.Wait()
}

// close wants nobody to use a connection.
func (p *pool) close() (opened int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.kept {
		_ = c.Close() // what was asked has been answered
	}
	return p.opened
}

// mostRepeats is how often clients of HTTP/2 send again what no server has looked at: of several connections that are being
// closed, a request may meet one after the other. Go's own client does so six times.
var mostRepeats = map[Kind]int{HTTP1: 1, HTTP2: 6}

func (p *pool) do(ctx context.Context, r *Record) {
	fresh := false
	for {
		p.once(ctx, r, fresh)
		if !p.load.Retries || !r.Repeatable || r.Repeats >= mostRepeats[p.load.Kind] {
			return
		}
		r.Repeats++
		r.Err, r.Repeatable, fresh = nil, false, true
	}
}

// once sends the request one time.
func (p *pool) once(ctx context.Context, r *Record, fresh bool) {
	var answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { answered.Store(true) }})
	request, err := p.request(ctx)
	if err != nil {
		r.Err = err
		return
	}
	c, err := p.take(ctx, fresh, r)
	if err != nil {
		r.Err = err
		return
	}
	defer p.giveBack(c)
	response, err := c.RoundTrip(request)
	if err == nil {
		r.Status, r.Pod = response.StatusCode, response.Header.Get("Echo-Pod")
		_, err = io.Copy(io.Discard, response.Body)
		err = errors.Join(err, response.Body.Close())
	}
	unanswered := err != nil && !answered.Load() && ctx.Err() == nil
	r.Err, r.Repeatable = err, unanswered && (unseen(err) || p.load.Kind == HTTP1 && r.Reused && ended(err))
}

func (p *pool) scheme() string {
	if p.load.TLS || p.load.Kind == HTTP2 {
		return "https"
	}
	return "http"
}

func (p *pool) request(ctx context.Context) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.scheme()+"://"+p.load.Host+p.load.Path, nil)
	if err != nil {
		return nil, err
	}
	for _, header := range p.load.Header {
		request.Header.Add(header[0], header[1])
	}
	return request, nil
}

// unseen says that a server of HTTP/2 has not looked at the request. The package says so only in words.
func unseen(err error) bool {
	return strings.Contains(err.Error(), "GOAWAY") || strings.Contains(err.Error(), "REFUSED_STREAM") || strings.Contains(err.Error(), "client conn not usable")
}

// ended says that the server has closed the connection.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection")
}

// take reserves a kept connection. Where there is none, as the server has closed it, it opens one.
func (p *pool) take(ctx context.Context, fresh bool, r *Record) (*connection, error) {
	if p.load.Kind == HTTP2 {
		if c := p.free(); c != nil {
			r.Reused = true
			return c, nil
		}
		p.dialing.Lock()
		defer p.dialing.Unlock()
	}
	if !fresh || p.load.Kind == HTTP2 {
		if c := p.free(); c != nil {
			r.Reused = true
			return c, nil
		}
	}
	r.Reused = false
	return p.open(ctx)
}

// open opens a connection and reserves it. It is kept if there are not enough.
func (p *pool) open(ctx context.Context) (*connection, error) {
	p.mu.Lock()
	p.opened++
	p.mu.Unlock()
	opened, err := p.transport.NewClientConn(ctx, p.scheme(), p.load.Address)
	if err != nil {
		return nil, err
	}
	if err := opened.Reserve(); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetEnded()
	c := &connection{ClientConn: opened, users: 1, kept: len(p.kept) < p.load.Connections}
	if c.kept {
		p.kept = append(p.kept, c)
	}
	return c, nil
}

// free reserves the connection that was used longest ago of those that can take a request.
func (p *pool) free() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetEnded()
	for i, c := range p.kept {
		if c.Reserve() == nil {
			c.users++
			p.kept = append(slices.Delete(p.kept, i, i+1), c)
			return c
		}
	}
	return nil
}

// forgetEnded forgets what the server has closed, or will when it has answered what it was asked.
func (p *pool) forgetEnded() {
	p.kept = slices.DeleteFunc(p.kept, func(c *connection) bool {
		if c.Err() == nil {
			return false
		}
		c.kept = false
		if c.users == 0 {
			_ = c.Close()
		}
		return true
	})
}

func (p *pool) giveBack(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.users--; c.users == 0 && !c.kept {
		_ = c.Close()
	}
}
