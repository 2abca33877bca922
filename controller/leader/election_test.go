package leader

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patience is how long anything may take that has to happen. Nothing waits for it to pass.
const patience = 30 * time.Second

// candidate is an Election that runs.
type candidate struct {
	*Election
	t     *testing.T
	terms chan context.Context // of terms that have begun
	last  chan func()          // what lead does when a term is over
	stop  func()
	done  chan struct{}
}

// stand starts a candidate and stops it at the end of the test.
func stand(t *testing.T, api *apiServer, name string, ttl time.Duration) *candidate {
	t.Helper()
	e, err := New(api.config(name), Options{Namespace: "infra", Name: "election", Identity: name, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c := &candidate{Election: e, t: t, terms: make(chan context.Context, 1), last: make(chan func(), 1), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		err := e.Run(ctx, func(ctx context.Context) {
			c.terms <- ctx
			<-ctx.Done()
			select {
			case last := <-c.last:
				last()
			default:
			}
		})
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		stop()
		await(t, name+" to end", c.done)
	})
	return c
}

func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// term waits until the candidate leads.
func (c *candidate) term() context.Context {
	c.t.Helper()
	return await(c.t, c.options.Identity+" to lead", c.terms)
}

func TestNextLeaderComesAtOnceWhenOneStops(t *testing.T) {
	api := newAPIServer(t)
	first := stand(t, api, "first", time.Hour) // nobody can wait for that to expire
	first.term()
	if !first.IsLeading() || first.Leader() != "first" {
		t.Errorf("leading: %t, leader %q", first.IsLeading(), first.Leader())
	}
	first.last <- func() {
		if holder := api.holder(); holder != "first" {
			t.Errorf("%q holds the Lease while the first one does what it does last", holder)
		}
		if !first.IsLeading() {
			t.Error("what is done last is not done as leader")
		}
	}
	first.stop()
	await(t, "the end", first.done)
	if first.IsLeading() || first.Leader() != "" {
		t.Errorf("after the end: leading: %t, leader %q", first.IsLeading(), first.Leader())
	}
	second := stand(t, api, "second", time.Hour)
	second.term()
	if want := []string{"first", "", "second"}; !slices.Equal(api.holders, want) {
		t.Errorf("holders %q, want %q", api.holders, want)
	}
}

func TestLeaseOfADeadLeaderExpires(t *testing.T) {
	api := newAPIServer(t)
	dead, seconds := "dead", int32(2)
	api.put(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "election"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &dead, LeaseDurationSeconds: &seconds},
	})
	began := time.Now()
	heir := stand(t, api, "heir", 2*time.Second)
	heir.term()
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("the heir led after %v, while the dead leader's Lease was valid", took)
	}
	if want := []string{"heir"}; !slices.Equal(api.holders, want) {
		t.Errorf("holders %q, want %q", api.holders, want)
	}
}

// A restarted container has the name of the one before, which is dead then.
func TestOwnLeaseOfBeforeIsTakenUp(t *testing.T) {
	api := newAPIServer(t)
	own, seconds := "pod", int32(3600)
	api.put(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "election"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &own, LeaseDurationSeconds: &seconds},
	})
	stand(t, api, "pod", time.Hour).term()
}

// A leader that is cut off resigns before another one takes over, and stands again.
func TestCutOff(t *testing.T) {
	api := newAPIServer(t)
	first := stand(t, api, "first", 2*time.Second)
	term := first.term()
	api.refuse("first")
	second := stand(t, api, "second", 2*time.Second)
	second.term()
	if term.Err() == nil || first.IsLeading() {
		t.Error("two lead")
	}
	api.refuse("")
	second.stop()
	first.term()
	if !first.IsLeading() || first.Leader() != "first" {
		t.Errorf("after the second: leading: %t, leader %q", first.IsLeading(), first.Leader())
	}
}

// The Lease is renewed whether lead has returned early or takes its time in the end.
func TestLeaseIsRenewedThroughout(t *testing.T) {
	api := newAPIServer(t)
	e, err := New(api.config("one"), Options{Namespace: "infra", Name: "election", Identity: "one", TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	terms, done := make(chan struct{}, 10), make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Run(ctx, func(context.Context) { terms <- struct{}{} })
	}()
	await(t, "the term", terms)
	api.requested(t, 3)
	if !e.IsLeading() || len(terms) > 0 {
		t.Errorf("after lead has returned: leading: %t, further terms %d", e.IsLeading(), len(terms))
	}
	stop()
	await(t, "the end", done)

	c := stand(t, api, "two", time.Second)
	c.term()
	c.last <- func() {
		api.requested(t, 3)
		if holder := api.holder(); holder != "two" {
			t.Errorf("%q holds the Lease while the leader does what it does last", holder)
		}
	}
	c.stop()
	await(t, "the end", c.done)
}

// Another candidate took the Lease although ours was valid, as after a suspension.
func TestDeposed(t *testing.T) {
	api := newAPIServer(t)
	c := stand(t, api, "one", 2*time.Second)
	term := c.term()
	usurper, seconds := "usurper", int32(2) // longer than we go on trying
	api.mu.Lock()
	lease := api.lease.DeepCopy()
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &usurper, &seconds
	api.put(lease)
	api.mu.Unlock()
	// A renewal that fails, a look at why, and the next look, before which the first one has been understood.
	api.requested(t, 3)
	if c.IsLeading() || c.Leader() != "usurper" {
		t.Errorf("another one leads; leading: %t, leader %q", c.IsLeading(), c.Leader())
	}
	await(t, "the end of the term", term.Done())
	c.term()
}

func TestRequestsAreThoseOfTheRole(t *testing.T) {
	api := newAPIServer(t)
	c := stand(t, api, "one", time.Second)
	c.term()
	c.stop()
	await(t, "the end", c.done)
	got := slices.Sorted(maps.Keys(api.requests))
	if diff := cmp.Diff([]string{"GET /election", "POST ", "PUT /election"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	api := newAPIServer(t)
	good := Options{Namespace: "infra", Name: "election", Identity: "one"}
	for what, spoil := range map[string]func(*Options){
		"no namespace": func(o *Options) { o.Namespace = "" },
		"no name":      func(o *Options) { o.Name = "" },
		"no identity":  func(o *Options) { o.Identity = "" },
		"too short":    func(o *Options) { o.TTL = 999 * time.Millisecond },
	} {
		o := good
		spoil(&o)
		if _, err := New(api.config("one"), o); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for ttl, want := range map[time.Duration]time.Duration{0: DefaultTTL, -1: DefaultTTL, time.Second: time.Second} {
		o := good
		o.TTL = ttl
		e, err := New(api.config("one"), o)
		if err != nil || e.options.TTL != want {
			t.Errorf("TTL %v: %v, want %v; error %v", ttl, e.options.TTL, want, err)
		}
	}
}
