// Package status writes into every Ingress of ours where it can be reached: status.loadBalancer.ingress.
//
// It turns flags, a Service or nodes into addresses, and compares them with what the cluster has. Only a leader does
// this. An Ingress that was never ours is never written. One that ceases to be ours loses our addresses once, and only
// if nobody has written others; so controllers side by side do not fight. Nothing that serves requests depends on it.
//
// It needs, where Ingresses are, "get" on ingresses and "update" on ingresses/status; for node addresses and for Clear,
// "get" and "list" on pods in our own namespace; for node addresses, "get" on nodes. These are ingress-nginx's.
package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/retry"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Cluster is what is known of a cluster; package watch has one.
type Cluster interface {
	// Synced is closed when what the others return is complete.
	Synced() <-chan struct{}
	// StatusChanges gets a value when one of the others may return something new.
	StatusChanges() <-chan struct{}
	// Snapshot has the Ingresses, and the Service whose addresses are published.
	Snapshot() cluster.Snapshot
	// Ours tells whether we serve an Ingress, in any version of it.
	Ours(ing *networkingv1.Ingress) bool
	// Published is the present status of an Ingress; nil if it is gone.
	Published(name cluster.Name) []networkingv1.IngressLoadBalancerIngress
}

// LeastInterval is the shortest that --status-update-interval may be, as in ingress-nginx.
const LeastInterval = 5 * time.Second

// Options say what to write. Without Addresses and Service, it is an address of each node on which a replica of the
// controller is ready.
type Options struct {
	Addresses []string     // --publish-status-address: IP addresses and host names; excludes Service
	Service   cluster.Name // --publish-service; Snapshots must have it with its status and external addresses

	NodeInternalIP bool         // --report-node-internal-ip-address: of nodes, internal addresses even if they have external ones
	Pod            cluster.Name // we; its labels are those of all replicas

	// Interval is --status-update-interval, raised to LeastInterval. After so long everything is compared anew, and
	// nodes are asked for. What the cluster tells of itself is acted on at once.
	Interval time.Duration

	Log *slog.Logger // may be nil
}

// Writer writes statuses.
type Writer struct {
	options  Options
	cluster  Cluster
	client   kubernetes.Interface
	replicas replicas
	limit    flowcontrol.RateLimiter
	fixed    []address // of Options.Addresses

	survey    survey
	addresses []address // that Run published last
	said      string    // about them
}

const (
	// writers write at the same time, as in ingress-nginx.
	writers = 10
	// writesPerSecond and as many at once are few for an API server, yet 10,000 Ingresses take under two minutes. Each
	// write is a request to read and one to write. The limit is ours alone: neither Events nor the Lease wait behind
	// it. A token bucket is what client-go limits itself with.
	writesPerSecond = 100
	// settle is how long to wait for more of what changes together.
	settle = 100 * time.Millisecond
	// longestRequest is for an API server that hangs.
	longestRequest = 15 * time.Second
	// longestClear is for the end, when the grace of the pod runs out.
	longestClear = 30 * time.Second
)

// persistent is for conflicts: ten tries within a second or so find a gap between the writes of others.
var persistent = wait.Backoff{Steps: 10, Duration: 10 * time.Millisecond, Factor: 1.5, Jitter: 0.5}

// New makes a Writer for the API server of a configuration. Nothing is asked before Run.
func New(config *rest.Config, c Cluster, o Options) (*Writer, error) {
	fixed, err := parseAll(o.Addresses)
	if err != nil {
		return nil, fmt.Errorf("addresses to publish: %w", err)
	}
	if len(fixed) > 0 && o.Service != (cluster.Name{}) {
		return nil, errors.New("publish the addresses of a Service, or a list of addresses; not both")
	}
	if o.Pod.Namespace == "" || o.Pod.Name == "" {
		return nil, errors.New("write statuses: the name of our own pod is needed")
	}
	o.Interval = max(o.Interval, LeastInterval)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	config = rest.CopyConfig(config)
	config.QPS = -1 // limit is the one that counts
	config.Timeout = longestRequest
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("write statuses: %w", err)
	}
	return &Writer{
		options: o, cluster: c, client: client, replicas: replicas{client, o.Pod}, fixed: fixed,
		limit: flowcontrol.NewTokenBucketRateLimiter(writesPerSecond, batch),
	}, nil
}

// Run keeps statuses right until the context ends: while we lead. It can be called again, for the next term.
func (w *Writer) Run(ctx context.Context) {
	select {
	case <-w.cluster.Synced():
	case <-ctx.Done():
	}
	w.survey, w.addresses, w.said = survey{}, nil, ""
	t := newTerm()
	for ctx.Err() == nil {
		next := w.pass(ctx, t)
		pause(ctx, time.After(settle), nil)
		pause(ctx, time.After(time.Until(next)), w.cluster.StatusChanges())
	}
}

func pause(ctx context.Context, end <-chan time.Time, news <-chan struct{}) {
	select {
	case <-end:
	case <-news:
	case <-ctx.Done():
	}
}

// pass compares everything, writes what is due and returns when to compare again if nothing happens.
func (w *Writer) pass(ctx context.Context, t *term) time.Time {
	s := w.cluster.Snapshot()
	addresses, err := w.current(ctx, s)
	if err != nil {
		if ctx.Err() == nil && err.Error() != w.said {
			w.options.Log.Warn("the addresses for the status of Ingresses are not known; all statuses stay as they are", "error", err)
			w.said = err.Error()
		}
		return s.Now.Add(LeastInterval)
	}
	if said := fmt.Sprint(texts(addresses)); said != w.said {
		w.options.Log.Info("this is what the status of Ingresses is to say", "addresses", said)
		w.said = said
	}
	w.addresses = addresses
	tasks, next := t.decide(s.Now, w.ours(s), w.cluster.Published, addresses)
	done, failed := w.write(ctx, tasks)
	var disputed []string
	for _, task := range done {
		if t.did(task); task.disputed {
			disputed = append(disputed, task.name.String())
		}
	}
	if len(disputed) > 0 {
		w.options.Log.Warn("somebody else writes the status of Ingresses that are ours, too", "ingresses", len(disputed), "one", disputed[0])
	}
	if failed > 0 && len(done) == 0 {
		next = later(next, s.Now.Add(again)) // the API server has troubles of its own
	}
	return earlier(next, s.Now.Add(w.options.Interval))
}

// current are the addresses to publish.
func (w *Writer) current(ctx context.Context, s cluster.Snapshot) ([]address, error) {
	name := w.options.Service
	switch {
	case len(w.fixed) > 0:
		return w.fixed, nil
	case name == cluster.Name{}:
		return w.ofNodes(ctx, s.Now)
	}
	service := s.Service(name.Namespace, name.Name)
	if service == nil {
		return nil, fmt.Errorf("there is no Service %s", name)
	}
	addresses, err := ofService(service)
	if err != nil {
		return nil, fmt.Errorf("read the addresses of Service %s: %w", name, err)
	}
	return addresses, nil
}

// ours are the Ingresses of a Snapshot that are, the oldest first.
func (w *Writer) ours(s cluster.Snapshot) []*networkingv1.Ingress {
	var list []*networkingv1.Ingress
	for _, ing := range s.Ingresses {
		if w.cluster.Ours(ing) {
			list = append(list, ing)
		}
	}
	return list
}

// write does tasks. It returns those that changed something, and how many failed.
func (w *Writer) write(ctx context.Context, tasks []task) (done []task, failed int) {
	var mu sync.Mutex
	var failure error
	var group errgroup.Group
	group.SetLimit(writers)
	for _, t := range tasks {
		group.Go(func() error {
			changed, err := w.update(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failure = err
				failed++
			case changed:
				done = append(done, t)
			}
			return nil
		})
	}
	_ = group.Wait() // failures are counted
	if len(done) > 0 {
		w.options.Log.Debug("wrote the status of Ingresses", "written", len(done))
	}
	if failed > 0 && !errors.Is(ctx.Err(), context.Canceled) {
		w.options.Log.Warn("the status of Ingresses could not be written", "failed", failed, "written", len(done), "error", failure)
	}
	return done, failed
}

// update does one task, by a version of the Ingress that nobody changes in between. It returns false if there was
// nothing to do any more.
func (w *Writer) update(ctx context.Context, t task) (changed bool, err error) {
	if err := w.limit.Wait(ctx); err != nil {
		return false, fmt.Errorf("write the status of Ingress %s: %w", t.name, err)
	}
	ingresses := w.client.NetworkingV1().Ingresses(t.name.Namespace)
	err = retry.RetryOnConflict(persistent, func() error {
		ing, err := ingresses.Get(ctx, t.name.Name, metav1.GetOptions{})
		if err != nil || !t.fits(ing, w.cluster.Ours(ing)) {
			return err
		}
		ing.Status.LoadBalancer.Ingress = t.want
		_, err = ingresses.UpdateStatus(ctx, ing, metav1.UpdateOptions{})
		changed = err == nil
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("write the status of Ingress %s: %w", t.name, err)
	}
	return changed, nil
}

// Clear takes the address that Run published out of all statuses, when the last replica stops: with
// --update-status-on-shutdown, after Run has returned, while we still lead, and with a context that has not ended. As in
// ingress-nginx, several addresses stay: they are not of this pod alone. It returns after half a minute at most.
func (w *Writer) Clear(ctx context.Context) {
	if len(w.addresses) != 1 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longestClear)
	defer cancel()
	switch alone, err := w.replicas.areAlone(ctx); {
	case err != nil:
		w.options.Log.Warn("the status of Ingresses is not cleared, as another replica may run", "error", err)
		return
	case !alone:
		w.options.Log.Info("the status of Ingresses is not cleared, as another replica runs")
		return
	}
	var tasks []task
	for _, ing := range w.ours(w.cluster.Snapshot()) {
		tasks = append(tasks, task{name: cluster.NameOf(ing), uid: ing.UID, ours: true, only: w.addresses})
	}
	done, _ := w.write(ctx, tasks)
	w.options.Log.Info("the status of Ingresses is cleared, as no replica is left", "ingresses", len(done))
}

// texts are addresses for a log.
func texts(list []address) []string {
	var all []string
	for _, a := range list {
		all = append(all, cmp.Or(a.IP, a.Hostname))
	}
	return all
}
