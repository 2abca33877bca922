package statuspage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/view"
	"github.com/sluice-ingress/sluice/nginx/inspect"
)

// Options say where a page gets what it shows from. All functions may be called at the same time by several.
type Options struct {
	Version string
	Engine  func() Engine
	Ready   func() error // why the controller is not ready; nil if it is
	// Workers asks NGINX's workers how they are, and for some backends.
	Workers func(ctx context.Context, backends []string) (inspect.Report, error)
	Now     func() time.Time
}

// Page follows a controller: it is its controller.Observer, and is told what NGINX does. What it is told it keeps as it is and
// looks at when somebody asks.
type Page struct {
	options  Options
	newest   atomic.Pointer[planned]
	indexing sync.Mutex            // held while a plan is made into an index
	index    atomic.Pointer[index] // of the newest plan, or nil
	history  history
}

// New makes a page of nothing yet.
func New(o Options) *Page { return &Page{options: o} }

// Planned implements controller.Observer.
func (p *Page) Planned(plan controller.Plan, took time.Duration) {
	p.newest.Store(&planned{plan, p.options.Now(), took})
	p.index.Store(nil) // it would keep the former plan alive
}

// Reloading implements controller.Observer.
func (p *Page) Reloading(causes []controller.Cause) { p.history.reloading(causes) }

// Failed implements controller.Observer.
func (p *Page) Failed(step string) { p.history.fail(step, p.options.Now()) }

// Tested is told of every nginx -t.
func (p *Page) Tested(_ time.Duration, err error) { p.history.tested(err) }

// Reloaded is told of every configuration that became live, or failed to.
func (p *Page) Reloaded(cause string, took time.Duration, err error) {
	p.history.reloaded(cause, took, err, p.options.Now())
}

// Restarted is told when NGINX died and was started again.
func (p *Page) Restarted() { p.history.restarted() }

// current is the index of the newest plan.
func (p *Page) current() *index {
	p.indexing.Lock()
	defer p.indexing.Unlock()
	newest := p.newest.Load()
	if newest == nil {
		newest = &planned{}
	}
	if x := p.index.Load(); x != nil && x.planned == newest {
		return x
	}
	x := newIndex(newest)
	p.index.Store(x)
	if p.newest.Load() != newest {
		p.index.Store(nil)
	}
	return x
}

// question is what somebody wants to see.
type question struct {
	query string
	// Which page of each list, and how many items of it.
	page                                    int
	routes, certificates, problems, reloads int
}

// Status looks at everything, and works out what the question is about.
func (p *Page) Status(ctx context.Context, q question) Status {
	x, now := p.current(), p.options.Now()
	s := Status{
		Now: now.UTC(), Version: p.options.Version, Query: q.query, Ready: true, Totals: x.totals,
		Plan:  Plan{At: x.at.UTC(), Seconds: x.took.Seconds(), Generation: x.plan.Files.Generation},
		NGINX: NGINX{Engine: p.options.Engine()},
	}
	if err := p.options.Ready(); err != nil {
		s.Ready, s.Unready = false, err.Error()
	}
	rules := pageOf(x.rules, q.query, q.page, q.routes)
	report, err := x.look(ctx, p.options.Workers, rules.Items)
	if err != nil {
		s.NGINX.Trouble = err.Error()
	}
	s.NGINX.Workers = report.Status
	s.Routes = transform(rules, func(r view.Rule) Route { return x.route(r, report.Backends) })
	s.Certificates = transform(pageOf(x.tls, q.query, q.page, q.certificates), func(h view.TLSHost) Certificate { return x.certificate(h, now) })
	s.Problems = transform(pageOf(x.problems, q.query, q.page, q.problems), explained)
	reloads, failed, restarts := p.history.snapshot()
	s.NGINX.Failed, s.NGINX.Restarts = failed, restarts
	s.Reloads = transform(pageOf(reloads, q.query, q.page, q.reloads), func(r Reload) Reload { return r })
	return s
}
