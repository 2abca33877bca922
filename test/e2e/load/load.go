// Package load puts requests on an address at a constant rate and keeps what became of each. A request is sent once on one
// connection: nothing is repeated behind the back of a test that counts failures.
package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"time"
)

// Kind is what a client does.
type Kind int

// The kinds of load.
const (
	HTTP1     Kind = iota // requests over connections that are kept, with TLS if the load says so
	HTTP2                 // requests over connections that are kept, with TLS
	WebSocket             // messages that are wanted back, in sessions that are kept, with TLS if the load says so
	Handshake             // connections that are closed after the handshake of TLS
)

// Load is what shall be asked. Its fields are set before Start; those with a default may be left out.
type Load struct {
	Kind        Kind
	Address     string        // HOST:PORT to connect to
	Host        string        // of the URL and, with TLS, of the handshake; by default Address
	Path        string        // with its query; by default /
	Header      [][2]string   // besides Host
	TLS         bool          // for HTTP1 and WebSocket; certificates are not checked
	Rate        float64       // requests, messages or handshakes per second
	Connections int           // that are kept, or sessions of WebSocket, or handshakes at a time; by default 10
	Timeout     time.Duration // of one request, message or handshake; by default 10 s

	// Retries makes HTTP clients send a request again, on another connection, where any may (RFC 9110 section 9.2.2,
	// RFC 9113 section 8.7): see Record.Repeatable. Without it such requests have failed.
	Retries bool
}

// Run is a load that is on.
type Run struct {
	load   Load
	client client
	stop   context.CancelFunc
	over   chan struct{} // no request is started any more
	slots  chan struct{} // one is taken for each request in flight
	flying sync.WaitGroup

	mu     sync.Mutex
	result Result
}

// client does one thing of its kind, and leaves a connection for the next if its kind does.
type client interface {
	do(ctx context.Context, r *Record)
	close() (connections int) // that were opened
}

// Start begins at once. Stop must be called.
func (l Load) Start() *Run {
	l.Host, l.Path = cmp.Or(l.Host, l.Address), cmp.Or(l.Path, "/")
	l.Connections, l.Timeout = cmp.Or(l.Connections, 10), cmp.Or(l.Timeout, 10*time.Second)
	ctx, stop := context.WithCancel(context.Background())
	r := &Run{load: l, stop: stop, over: make(chan struct{}), slots: make(chan struct{}, l.Connections)}
	switch l.Kind {
	case WebSocket:
		go r.holdSessions(ctx)
		return r
	case Handshake:
		r.client = &handshakes{load: l}
	case HTTP2:
		const streams = 100 // RFC 9113 section 6.5.2: fewer are not recommended
		r.slots = make(chan struct{}, l.Connections*streams)
		r.client = newPool(l)
	default:
		r.client = newPool(l)
	}
	go r.startAll(ctx)
	return r
}

// Stop starts no more requests, waits for those that are in flight, and returns what became of all.
func (r *Run) Stop() *Result {
	r.stop()
	<-r.over
	r.flying.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		r.result.Connections = r.client.close()
	}
	slices.SortStableFunc(r.result.Records, func(a, b Record) int { return a.Start.Compare(b.Start) })
	return &r.result
}

// startAll starts a request whenever one is due and there is a connection for it. One that is late does not make the others
// late: what was missed is made up for.
func (r *Run) startAll(ctx context.Context) {
	defer close(r.over)
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		due := begin.Add(time.Duration(float64(n) / r.load.Rate * float64(time.Second)))
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case r.slots <- struct{}{}:
		}
		r.flying.Go(func() {
			r.one(due)
			<-r.slots
		})
	}
}

// one is not ended by Stop, only by its time-out.
func (r *Run) one(due time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), r.load.Timeout)
	defer cancel()
	record := Record{Start: time.Now()}
	r.client.do(ctx, &record)
	record.Duration = time.Since(record.Start)
	r.add(record, record.Start.Sub(due))
}

func (r *Run) add(record Record, lag time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Records = append(r.result.Records, record)
	r.result.Lag = max(r.result.Lag, lag)
}

// SoFar returns a copy of the records of what has ended, in that order.
func (r *Run) SoFar() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.result.Records)
}

// dial connects to the load's address, whatever the URL says.
func (l Load) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, l.Address)
}

func (l Load) tls() *tls.Config {
	name, _, err := net.SplitHostPort(l.Host)
	if err != nil {
		name = l.Host // without a port
	}
	return &tls.Config{ServerName: name, InsecureSkipVerify: true}
}
