// Package leader elects one of several replicas, by a Lease of Kubernetes.
//
// It turns a Lease into a context for each term in which this replica leads. What a leader does is not its business,
// and nothing that serves requests may depend on who leads. It needs, in the namespace of the Lease, the verbs "get"
// and "update" on leases of that name and "create" on leases, as ingress-nginx's role grants.
package leader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
)

// DefaultTTL is a third of ingress-nginx's: when a leader dies, another writes status within 20 seconds.
const DefaultTTL = 10 * time.Second

// Options say what the election is about and who we are.
type Options struct {
	Namespace string // of the Lease: that of our pod
	Name      string // of the Lease: --election-id
	Identity  string // of this replica, and of no other: the name of our pod

	// TTL is --election-ttl: how long a leader that is not heard of stays leader. Zero and less mean DefaultTTL, as in
	// ingress-nginx. The API counts whole seconds, so less than one is an error.
	//
	// A leader renews every sixth of it, and resigns when it could not for two thirds of it. Others look every sixth, or
	// up to 1.2 sixths later, so that not all look at once. So a leader that stops has a successor after 0.4 of the TTL
	// at most, and one that dies after 1.8.
	TTL time.Duration

	Log *slog.Logger // may be nil
}

// patience is for an API server that hangs: it leaves time for another try before the Lease is lost.
func (o Options) patience() time.Duration { return max(o.TTL/4, time.Second) }

// Election is one replica's view of an election.
type Election struct {
	options Options
	lock    resourcelock.Interface

	elector atomic.Pointer[leaderelection.LeaderElector] // of the present candidacy; nil between two
	leading atomic.Bool
}

// New prepares an election through the API server of a configuration. Nothing is asked before Run.
func New(config *rest.Config, o Options) (*Election, error) {
	if o.Namespace == "" || o.Name == "" || o.Identity == "" {
		return nil, errors.New("elect a leader: namespace and name of the Lease and a name of our own are needed")
	}
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	if o.TTL < time.Second {
		return nil, fmt.Errorf("elect a leader: a Lease cannot be as short as %v; one second is the shortest", o.TTL)
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	config = rest.CopyConfig(config)
	config.Timeout = o.patience()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("elect a leader: %w", err)
	}
	return &Election{options: o, lock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: o.Identity},
	}}, nil
}

// Run stands for election until the context ends. For each term it calls lead, with a context that ends when the Lease
// is lost or that of Run ends, and waits for it to return. At the end of Run, the Lease is given back only then, so that
// what lead does last it still does as leader. That lead returns early changes nothing. To give back takes a quarter of
// the TTL at most, or a second. An error means wrong Options.
func (e *Election) Run(ctx context.Context, lead func(ctx context.Context)) error {
	for ctx.Err() == nil {
		if err := e.stand(ctx, lead); err != nil {
			return fmt.Errorf("elect a leader: %w", err)
		}
		e.giveBack(context.WithoutCancel(ctx))
		e.elector.Store(nil)
	}
	return nil
}

// stand is one candidacy: it ends when a term has ended, or the context.
func (e *Election) stand(ctx context.Context, lead func(ctx context.Context)) error {
	// The Lease is renewed for longer than ctx lasts: until lead has returned.
	holding, stop := context.WithCancel(context.WithoutCancel(ctx))
	var office sync.Mutex // held while lead runs
	over := false
	end := func() {
		office.Lock()
		defer office.Unlock()
		over = true
		stop()
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: e.options.Name, Lock: e.lock,
		LeaseDuration: e.options.TTL, RenewDeadline: e.options.TTL * 2 / 3, RetryPeriod: e.options.TTL / 6,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) { // in a goroutine, which may start when all is over
				office.Lock()
				defer office.Unlock()
				if !over {
					e.lead(ctx, held, lead)
				}
			},
			OnStoppedLeading: func() {},
			OnNewLeader:      e.newLeader,
		},
	})
	if err != nil {
		stop()
		return err
	}
	e.elector.Store(elector)
	defer context.AfterFunc(ctx, end)()
	elector.Run(holding)
	end()
	return nil
}

// lead calls lead with a context that lasts as long as both do.
func (e *Election) lead(ctx, held context.Context, lead func(ctx context.Context)) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(held, stop)()
	e.leading.Store(true)
	defer e.leading.Store(false)
	lead(ctx)
	<-ctx.Done()
}

// giveBack clears the Lease if it is ours. Client-go would do it too, but before lead has been told that it is over, and
// a renewal on its way could foil it.
func (e *Election) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.options.patience())
	defer cancel()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		record, _, err := e.lock.Get(ctx)
		if err != nil || record.HolderIdentity != e.options.Identity {
			return err
		}
		now := metav1.Now()
		return e.lock.Update(ctx, resourcelock.LeaderElectionRecord{
			LeaderTransitions: record.LeaderTransitions, AcquireTime: now, RenewTime: now,
			LeaseDurationSeconds: 1, // the API refuses none
		})
	})
	if err != nil {
		e.options.Log.Debug("the lease could not be given back; it will expire", "lease", e.options.Name, "error", err)
	}
}

func (e *Election) newLeader(identity string) {
	if identity == "" {
		e.options.Log.Info("nobody leads", "lease", e.options.Name)
		return
	}
	e.options.Log.Info("there is a leader", "lease", e.options.Name, "leader", identity)
}

// IsLeading tells whether this replica leads, and can still be sure of it: not if it has heard nothing of the Lease
// for the TTL, after it was suspended for example.
func (e *Election) IsLeading() bool {
	elector := e.elector.Load()
	return elector != nil && e.leading.Load() && elector.IsLeader() && elector.Check(0) == nil
}

// Leader is the identity of the replica that leads, as it was last heard; empty if none does or none was heard of.
func (e *Election) Leader() string {
	if elector := e.elector.Load(); elector != nil {
		return elector.GetLeader()
	}
	return ""
}
