// Package ocsp turns the certificates of plans into staples: what the responders that they name say of them (OCSP, RFC 6960), for
// NGINX to hand to clients in their handshakes.
//
// It asks in the background. Nothing waits for it, and what is served without it is served the same. Tenants' certificates say whom it
// asks, so it connects to nothing on this machine or its link, and to no metadata service.
package ocsp

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
)

// Options are what a Stapler needs of its surroundings.
type Options struct {
	Log   *slog.Logger
	Asked func(Result) // is told how each question ended; may be nil
	// Refuses tells which addresses it does not connect to; own are those of this machine that are not loopback. Nil is
	// translate.IsForbidden.
	Refuses func(ip netip.Addr, own []netip.Addr) bool
}

const (
	mostStaples = 16 << 20 // bytes of all answers that are kept
	mostOpen    = 8        // questions at the same time

	// longest is how long an answer is handed out, as in ingress-nginx, even if it is good for longer.
	longest = 72 * time.Hour
)

// pace is how long things take.
type pace struct {
	shortest   time.Duration // answers that are good for less are not used
	retry      time.Duration // after the first failure; each further one doubles it
	retryMost  time.Duration
	publishing time.Duration // between two sets of staples that plans are made for
}

// Stapler knows the staples of the certificates that are in use.
type Stapler struct {
	options Options
	pace    pace

	newest  atomic.Pointer[served] // by the last plan
	planned chan struct{}
	staples atomic.Pointer[persistent.Map[string, dynamic.Staple]]
	changes chan struct{}

	// What follows is Run's own.
	seen      served
	known     map[string]*certificate
	queue     queue
	size      int // of all staples
	isNew     bool
	published time.Time
}

// served is what a plan serves that may have staples: nothing, if it shall have none.
type served struct {
	certificates persistent.Map[string, nginx.Certificate]
	hosts        persistent.Map[string, string]
	uses         persistent.Map[string, translate.CertificateUse]
	byDefault    string // an id; "" for none
	chain        string
	secret       cluster.Name
	own          []netip.Addr // of this machine
}

func (s served) has(id string) bool { return id == s.byDefault || s.certificates.Has(id) }

// certificate is one that names a responder.
type certificate struct {
	id, chain string
	secret    cluster.Name
	due       time.Time
	failures  int  // since the last good answer
	isGone    bool // no plan has it any more
	last      Result
}

// New returns a Stapler that asks nobody before Run.
func New(o Options) *Stapler {
	if o.Refuses == nil {
		o.Refuses = translate.IsForbidden
	}
	s := &Stapler{
		options: o, pace: pace{2 * time.Minute, time.Minute, time.Hour, 2 * time.Second},
		planned: make(chan struct{}, 1), changes: make(chan struct{}, 1),
		known: map[string]*certificate{}, queue: queue{open: map[string]int{}, parked: map[string][]*certificate{}},
	}
	s.newest.Store(&served{})
	s.staples.Store(&persistent.Map[string, dynamic.Staple]{})
	return s
}

// Staples are those that are good now, by ids of certificates. Some may be of certificates that no plan has any more.
func (s *Stapler) Staples() persistent.Map[string, dynamic.Staple] { return *s.staples.Load() }

// Changes gets a value when Staples has something new.
func (s *Stapler) Changes() <-chan struct{} { return s.changes }

// Planned implements controller.Observer.
func (s *Stapler) Planned(p controller.Plan, _ time.Duration) {
	now := served{own: p.Dynamic.Settings.Own()}
	if p.Config.HTTP.Staples {
		now.certificates, now.hosts, now.uses = p.Dynamic.Certificates, p.Dynamic.Hosts, p.Certificates
		now.byDefault, now.chain, now.secret = p.Config.HTTP.DefaultStaple, p.Config.HTTP.DefaultCertificate.Chain, p.DefaultSecret()
	}
	s.newest.Store(&now)
	signal(s.planned)
}

// Reloading implements controller.Observer.
func (s *Stapler) Reloading([]controller.Cause) {}

// Failed implements controller.Observer.
func (s *Stapler) Failed(string) {}

// signal puts a value into a channel that holds one, unless there is one.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// Run asks until the context ends.
func (s *Stapler) Run(ctx context.Context) error {
	ask := newAsker(func(ip netip.Addr) bool { return s.options.Refuses(ip, s.newest.Load().own) })
	defer ask.close()
	var asking sync.WaitGroup
	defer asking.Wait()
	type answered struct {
		of     *certificate
		answer answer
		err    error
	}
	answers := make(chan answered)
	open := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		for open < mostOpen {
			c := s.queue.next(now)
			if c == nil {
				break
			}
			open++
			asking.Go(func() {
				a, err := ask.about(ctx, c.chain)
				select {
				case answers <- answered{c, a, err}:
				case <-ctx.Done():
				}
			})
		}
		timer.Reset(s.rest(now, open < mostOpen))
		select {
		case <-ctx.Done():
			return nil
		case <-s.planned:
			s.follow(time.Now(), *s.newest.Load())
		case a := <-answers:
			open--
			s.queue.done(a.of)
			s.take(time.Now(), a.of, a.answer, a.err)
		case <-timer.C:
		}
	}
}

// rest tells plans of new staples, if that is due, and returns how long there is nothing to do.
func (s *Stapler) rest(now time.Time, hasRoom bool) time.Duration {
	rest := longest
	if s.isNew {
		if rest = s.published.Add(s.pace.publishing).Sub(now); rest <= 0 {
			s.isNew, s.published, rest = false, now, longest
			signal(s.changes)
		}
	}
	if due, is := s.queue.first(); is && hasRoom {
		rest = min(rest, due.Sub(now))
	}
	return max(rest, 0)
}

// follow has those certificates asked about that a plan serves.
func (s *Stapler) follow(now time.Time, plan served) {
	for d := range persistent.Differences(s.seen.hosts, plan.hosts) {
		if use := plan.uses.At(d.Key); d.Is && use.Leaf != nil && len(use.Leaf.OCSPServer) > 0 {
			s.add(now, certificate{id: d.New, chain: plan.certificates.At(d.New).Chain, secret: use.Secret})
		}
	}
	if plan.byDefault != "" {
		s.add(now, certificate{id: plan.byDefault, chain: plan.chain, secret: plan.secret})
	}
	for d := range persistent.Differences(s.seen.certificates, plan.certificates) {
		if !d.Is && !plan.has(d.Key) {
			s.forget(d.Key)
		}
	}
	if before := s.seen.byDefault; !plan.has(before) {
		s.forget(before)
	}
	s.seen = plan
}

func (s *Stapler) add(now time.Time, c certificate) {
	if s.known[c.id] == nil {
		s.known[c.id] = &c
		s.queue.add(&c, now)
	}
}

// forget needs to tell nobody: the plan that no longer has the certificate is there, and the next one is without its staple.
func (s *Stapler) forget(id string) {
	if c := s.known[id]; c != nil {
		c.isGone = true
		delete(s.known, id)
		s.put(id, nil, time.Time{})
	}
}

// put keeps an answer, or none, and returns whether there was room for it.
func (s *Stapler) put(id string, response []byte, until time.Time) bool {
	all := *s.staples.Load()
	before, had := all.Get(id)
	if s.size-len(before.Response)+len(response) > mostStaples {
		return false
	}
	s.size += len(response) - len(before.Response)
	switch {
	case response != nil:
		all = all.With(id, dynamic.Staple{Response: response, Until: until.Unix()})
	case had:
		all = all.Without(id)
	default:
		return true
	}
	s.staples.Store(&all)
	return true
}

// take notes how a question ended, and when the next one is to be asked. An answer that is there stays until its time is over, unless
// the issuer has taken it back.
func (s *Stapler) take(now time.Time, c *certificate, a answer, err error) {
	result := resultOf(err)
	if s.options.Asked != nil {
		s.options.Asked(result)
	}
	if c.isGone {
		return
	}
	if err == nil {
		again, until, refused := s.times(now, a.until)
		switch {
		case refused != nil:
			err = refused
		case !s.put(c.id, a.response, until):
			err = &failure{NoRoom, errNoRoom}
		default:
			s.isNew, c.failures = true, 0
			s.queue.add(c, again)
		}
		result = resultOf(err)
	}
	if err != nil {
		c.failures++
		s.queue.add(c, now.Add(s.pause(c.failures)))
	}
	if result == Revoked && s.Staples().Has(c.id) {
		s.put(c.id, nil, time.Time{})
		s.isNew = true
	}
	s.say(c, result, err)
}

// times are when to ask again and until when an answer is handed out that holds until end, zero if that is open.
func (s *Stapler) times(now, end time.Time) (again, until time.Time, err error) {
	left := longest
	if !end.IsZero() {
		left = min(left, end.Sub(now)*15/16) // clocks of clients differ
	}
	if left < s.pace.shortest {
		return again, until, &failure{Stale, errShort}
	}
	return now.Add(left/2 - spread(left/8)), now.Add(left), nil
}

// pause is how long a responder is left alone.
func (s *Stapler) pause(failures int) time.Duration {
	pause := min(s.pace.retry<<min(failures-1, 10), s.pace.retryMost)
	return pause - spread(pause/4)
}

// spread is a random part of a duration, so that replicas do not all ask at once.
func spread(d time.Duration) time.Duration {
	return rand.N(d + 1) //nolint:gosec // nothing to guess
}

// say logs each cause of a certificate once.
func (s *Stapler) say(c *certificate, result Result, err error) {
	switch {
	case result == c.last:
	case err != nil:
		s.options.Log.Info("no OCSP answer about a certificate", "secret", c.secret.String(), "cause", string(result), "error", err)
	case c.last != "":
		s.options.Log.Info("OCSP answers about a certificate come again", "secret", c.secret.String())
	}
	c.last = result
}
