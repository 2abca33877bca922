package watch

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Observer is told how the API server answers, by kind. It is called from many goroutines.
type Observer interface {
	// Contacted is told of everything that came from the API server. What an event says is known by then.
	Contacted(kind string)
	// Failed is told of every request that failed. It is made again after a pause that grows.
	Failed(kind string, err error)
}

// contact says when the API server stops answering and when it answers again, once each.
type contact struct {
	log      *slog.Logger
	observer Observer
	grace    time.Duration // before we believe that something is forbidden
	pause    time.Duration // before we ask again for what is

	mu     sync.Mutex
	away   map[string]time.Time // since when, by kind
	denied map[string]denial    // by kind and namespace or name
}

const (
	// An API server that has just started forbids everything, as it has yet to read its roles.
	grace = 2 * time.Second
	// Roles change seldom.
	deniedPause = 30 * time.Second
)

// denial is something that we have been forbidden.
type denial struct {
	since time.Time
	said  bool
}

// lasts notes that it is forbidden still, and tells whether that is to be believed.
func (d *denial) lasts(grace time.Duration) bool {
	if d.since.IsZero() {
		d.since = time.Now()
	}
	return time.Since(d.since) >= grace
}

func newContact(log *slog.Logger, observer Observer) *contact {
	return &contact{log: log, observer: observer, grace: grace, pause: deniedPause, away: map[string]time.Time{}, denied: map[string]denial{}}
}

// transport sees each attempt to reach the API server. Client-go keeps some to itself: it tries ten times, in ten
// seconds, before it says that a connection was cut.
type transport struct {
	next    http.RoundTripper
	contact *contact
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	kind, namespace := aboutWhat(r.URL.Path)
	switch {
	case err == nil && response.StatusCode < http.StatusBadRequest:
		t.contact.reached(kind)
	case err != nil && !errors.Is(r.Context().Err(), context.Canceled): // else it was us who did not wait
		t.contact.failed(kind, namespace, err)
	}
	return response, err
}

// aboutWhat reads the path of a list or watch: ".../namespaces/shop/secrets".
func aboutWhat(path string) (kind, namespace string) {
	parts := strings.Split(path, "/")
	n := len(parts)
	if n > 2 && parts[n-3] == "namespaces" {
		namespace = parts[n-2]
	}
	return kinds[parts[n-1]], namespace
}

// kinds are the kinds we ask for, by resource.
var kinds = map[string]string{
	"ingresses": "Ingress", "ingressclasses": "IngressClass", "services": "Service", "endpointslices": "EndpointSlice",
	"secrets": "Secret", "configmaps": "ConfigMap", "namespaces": "Namespace",
}

// result takes what came of a request about a namespace or about one object. Of what is no answer of the API server
// itself, transport has told.
func (c *contact) result(kind, where string, err error) {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		c.mu.Lock()
		delete(c.denied, kind+" "+where)
		c.mu.Unlock()
	case errors.As(err, &status):
		c.failed(kind, where, err)
	}
}

// reached is told of everything that comes from the API server.
func (c *contact) reached(kind string) {
	c.mu.Lock()
	since, wasAway := c.away[kind]
	delete(c.away, kind)
	c.mu.Unlock()
	if wasAway {
		c.log.Info("the API server answers again", "kind", kind, "away", time.Since(since).Round(time.Millisecond))
	}
	if c.observer != nil {
		c.observer.Contacted(kind)
	}
}

func (c *contact) failed(kind, where string, err error) {
	level := slog.LevelDebug
	if c.isNews(kind, where, err) {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "the API server does not give what we ask for; what it last said stays in force", "kind", kind, "where", where, "error", err)
	if c.observer != nil {
		c.observer.Failed(kind, err)
	}
}

func (c *contact) isNews(kind, where string, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case apierrors.IsForbidden(err):
		d := c.denied[kind+" "+where]
		news := d.lasts(c.grace) && !d.said
		d.said = d.said || news
		c.denied[kind+" "+where] = d
		return news
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return false // these only ask for a new list
	}
	_, known := c.away[kind]
	if !known {
		c.away[kind] = time.Now()
	}
	return !known
}

// forClientGo is where client-go logs. It says of each attempt what we say once, so all of it is detail.
func (c *contact) forClientGo() logr.Logger {
	return logr.FromSlogHandler(detail{c.log.Handler()})
}

// detail is a handler that takes every record as one for debugging.
type detail struct{ slog.Handler }

func (d detail) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

func (d detail) Handle(ctx context.Context, r slog.Record) error {
	if r.Level = slog.LevelDebug; !d.Enabled(ctx, r.Level) {
		return nil // errors come unasked
	}
	return d.Handler.Handle(ctx, r)
}

func (d detail) WithAttrs(attrs []slog.Attr) slog.Handler { return detail{d.Handler.WithAttrs(attrs)} }

func (d detail) WithGroup(name string) slog.Handler { return detail{d.Handler.WithGroup(name)} }
