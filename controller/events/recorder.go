package events

import (
	"cmp"
	"container/list"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// Options say who we are and what to write.
type Options struct {
	Pod        cluster.Name   // our own; its name is the Events' reporting instance
	ConfigMaps []cluster.Name // those that flags name: changes of them are told
	NoSync     bool           // tell no changes of Ingresses and ConfigMaps, only Problems and reloads
	Log        *slog.Logger   // may be nil
}

const (
	// perSecond and atOnce are how fast Events are written. In each repeatAfter, that is 18,000.
	perSecond = 10
	atOnce    = 50

	// repeatAfter is when a Problem that lasts is written again: the API server forgets an Event after an hour, by its
	// flag --event-ttl, counted from when it was last written.
	repeatAfter = 30 * time.Minute

	// staleAfter is when it is no longer worth telling that a change was read. It is also longer than the default of
	// --election-ttl, so that a new leader tells what happened while there was none.
	staleAfter = time.Minute

	// perObject Problems of an object are written, the worst. The others follow when some of these are gone.
	perObject = 25

	// Client-go's spam filter drops what goes beyond these, of the Events of one type on one object: normally 25 at once
	// and then one in five minutes. These let perObject Problems be repeated in time, and leave as much for what changes.
	spamBurst     = 2 * perObject
	spamPerSecond = 1. / 60

	// waitingReloads is how many Events about our own Pod may wait for an API server that is away.
	waitingReloads = 25
)

// Recorder writes Events. Planned, Failed, Tested, Reloaded and Lead may be called by anybody, and return at once.
type Recorder struct {
	options    Options
	api        typedcorev1.CoreV1Interface
	pace       flowcontrol.RateLimiter
	correlator *record.EventCorrelator
	dropped    atomic.Uint64
	told       chan struct{} // has a value when there is something in the inbox

	mu    sync.Mutex
	inbox inbox

	// What follows is Run's own.

	leads      bool
	begun      bool // there has been a plan
	snapshot   cluster.Snapshot
	claimed    []*networkingv1.Ingress
	known      map[cluster.Name]*networkingv1.Ingress // the same by name
	configMaps map[cluster.Name]*corev1.ConfigMap
	newest     translate.Problems // of the last plan
	problems   translate.Problems // those that subjects are made of: newest, while we lead
	subjects   map[translate.Object]*subject
	syncs      map[translate.Object]*note

	own       list.List // notes about our Pod
	turns     turns     // notes to be written by the leader
	written   list.List // notes to be repeated, by when they are due
	self      *corev1.ObjectReference
	moment    int64           // that the last Event's name was made of
	explained map[string]bool // causes of drops that have been logged
}

// inbox is what Run has been told and has not looked at yet.
type inbox struct {
	plan    *controller.Plan
	leads   bool
	reloads []*note
	lost    int // reloads that had no place here
}

// New makes a Recorder for the API server of a configuration. Nothing is written before Run. It leads nobody until it
// is told to.
func New(config *rest.Config, o Options) (*Recorder, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the Recorder has a pace of its own, and takes nobody else's turn
	client, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Recorder{
		options: o,
		api:     client,
		pace:    flowcontrol.NewTokenBucketRateLimiter(perSecond, atOnce),
		correlator: record.NewEventCorrelatorWithOptions(record.CorrelatorOptions{
			LRUCacheSize: perSecond * int(repeatAfter/time.Second), // what can be repeated in time is remembered
			BurstSize:    spamBurst,
			QPS:          spamPerSecond,
			KeyFunc:      neverSimilar,
		}),
		told:       make(chan struct{}, 1),
		known:      map[cluster.Name]*networkingv1.Ingress{},
		configMaps: map[cluster.Name]*corev1.ConfigMap{},
		subjects:   map[translate.Object]*subject{},
		syncs:      map[translate.Object]*note{},
		turns:      turns{lanes: map[string]*lane{}},
		explained:  map[string]bool{},
	}, nil
}

// neverSimilar keeps client-go from combining Events that differ in their message only: it shows the last of them,
// and which field is wrong is what the reader needs.
func neverSimilar(*corev1.Event) (group, member string) { return "", "" }

// Planned implements controller.Observer.
func (r *Recorder) Planned(p controller.Plan, _ time.Duration) {
	r.tell(func(in *inbox) { in.plan = &p })
}

// Failed implements controller.Observer. What failed, and why, is told to Tested and Reloaded.
func (r *Recorder) Failed(string) {}

// Reloading implements controller.Observer; Reloaded tells enough.
func (r *Recorder) Reloading([]controller.Cause) {}

// Tested is told of every nginx -t.
func (r *Recorder) Tested(_ time.Duration, err error) {
	if err != nil {
		r.reload(corev1.EventTypeWarning, notInForce+err.Error())
	}
}

// Reloaded is told of every configuration that became live, or failed to.
func (r *Recorder) Reloaded(cause string, _ time.Duration, err error) {
	if err != nil {
		r.reload(corev1.EventTypeWarning, notInForce+err.Error())
		return
	}
	r.reload(corev1.EventTypeNormal, "NGINX runs a new configuration ("+cause+")")
}

const notInForce = "the new configuration is not in force: "

func (r *Recorder) reload(eventType, message string) {
	pod := translate.Object{Kind: "Pod", Namespace: r.options.Pod.Namespace, Name: r.options.Pod.Name}
	r.tell(func(in *inbox) {
		if len(in.reloads) == waitingReloads {
			in.reloads = in.reloads[1:]
			in.lost++
		}
		in.reloads = append(in.reloads, &note{object: pod, eventType: eventType, reason: Reload, message: message})
	})
}

// Lead says whether we are leader. Without leader election, every replica is.
func (r *Recorder) Lead(leads bool) {
	r.tell(func(in *inbox) { in.leads = leads })
}

// Dropped is how many Events have not been written and will not be: too many about one object, come too late, or
// refused by the API server. The log has the first of each kind.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

func (r *Recorder) drop(n int, why string, about translate.Object, err error) {
	r.dropped.Add(uint64(n))
	if r.explained[why] {
		return
	}
	r.explained[why] = true
	args := []any{"why", why, "object", about.String()}
	if err != nil {
		args = append(args, "error", err)
	}
	r.options.Log.Warn("an Event is not written; this is said once", args...)
}

func (r *Recorder) tell(f func(*inbox)) {
	r.mu.Lock()
	f(&r.inbox)
	r.mu.Unlock()
	select {
	case r.told <- struct{}{}:
	default:
	}
}
