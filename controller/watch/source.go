package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/persistent"
)

// Options say what to watch.
type Options struct {
	// Selection says which Ingresses are ours. Of others, nothing that they refer to is looked at. Its
	// WatchNamespace restricts the watches as well, and excludes Namespaces; ClassesUnreadable is found out.
	Selection         cluster.Selection
	AnnotationsPrefix string // "nginx.ingress.kubernetes.io" if empty

	// What flags name is watched wherever it is.
	ConfigMap        cluster.Name   // the controller's, or zero
	StreamConfigMaps []cluster.Name // of TCP and UDP services
	Secrets          []cluster.Name // such as that of the default certificate
	Services         []cluster.Name // such as the default backend; these keep their status and external addresses

	Log      *slog.Logger // may be nil
	Observer Observer     // may be nil
}

// Source follows a cluster.
type Source struct {
	options  Options
	changes  chan struct{}
	statuses chan struct{}
	synced   chan struct{}
	contact  *contact
	feeds    []follower
	run      *run // of Run; nil before

	mu         sync.Mutex // guards all that follows, and what is in it
	snapshot   cluster.Snapshot
	pending    cluster.Changes // since snapshot
	unlisted   map[string]bool // feeds that have not had their first list
	unanswered int             // objects that are referred to and have never been looked up
	ready      bool

	ingresses  table[*networkingv1.Ingress]
	classes    table[*networkingv1.IngressClass]
	services   table[*corev1.Service]
	slices     table[*discoveryv1.EndpointSlice]
	namespaces table[*corev1.Namespace]
	secrets    lookups[*corev1.Secret]
	configMaps lookups[*corev1.ConfigMap]

	published         map[cluster.Name][]networkingv1.IngressLoadBalancerIngress
	classNamed        persistent.Map[string, *networkingv1.IngressClass]
	classesUnreadable bool
	slicesOf          map[cluster.Name][]*discoveryv1.EndpointSlice // by Service; lists are never changed
	claims            map[cluster.Name]*claim
	former            map[cluster.Name][]former // what only a fallback refers to
	judged            bool                      // Judged has been called
	uses              map[reference]*use
	flags, global     holder                   // what flags refer to, and the controller's ConfigMap
	streams           map[cluster.Name]*holder // the ConfigMaps of TCP and UDP services
	crossNamespace    bool                     // Ingresses may refer to Secrets of other namespaces
}

// run is the time of one call of Run.
type run struct {
	ctx   context.Context
	group sync.WaitGroup
}

// New makes a Source for the API server of a configuration. Nothing is asked before Run.
func New(config *rest.Config, o Options) (*Source, error) {
	s, err := newSource(o)
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	// The API server's own priority and fairness knows better than a fixed rate here what it can take.
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return transport{next, s.contact} })
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	whole, err := kubernetes.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	plain, err := metadata.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	s.prepareFeeds(whole)
	s.prepareLookups(whole, plain)
	return s, nil
}

// newSource makes a Source that has nobody to ask yet.
func newSource(o Options) (*Source, error) {
	if selector := o.Selection.Namespaces; selector != nil && selector.Empty() {
		o.Selection.Namespaces = nil
	}
	if o.Selection.Namespaces != nil && o.Selection.WatchNamespace != "" {
		return nil, errors.New("watch one namespace, or those that a selector selects; not both")
	}
	o.AnnotationsPrefix = cmp.Or(o.AnnotationsPrefix, "nginx.ingress.kubernetes.io")
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	s := &Source{
		options:   o,
		changes:   make(chan struct{}, 1),
		statuses:  make(chan struct{}, 1),
		synced:    make(chan struct{}),
		contact:   newContact(o.Log, o.Observer),
		snapshot:  cluster.New(cluster.Lists{}),
		unlisted:  map[string]bool{},
		published: map[cluster.Name][]networkingv1.IngressLoadBalancerIngress{},
		slicesOf:  map[cluster.Name][]*discoveryv1.EndpointSlice{},
		claims:    map[cluster.Name]*claim{},
		uses:      map[reference]*use{},
	}
	s.prepareTables()
	return s, nil
}

// Changes gets a value when Snapshot may return something that matters to us. Several changes may come as one.
func (s *Source) Changes() <-chan struct{} { return s.changes }

// StatusChanges gets a value when an Ingress becomes ours, changes or ceases to be ours, and when the status of one of
// ours or a Service that the Options name changes. Several changes may come as one. It is for who writes statuses;
// Changes does not tell of those, as no plan depends on them.
func (s *Source) StatusChanges() <-chan struct{} { return s.statuses }

// Synced is closed when everything has been listed and looked up once. Snapshots before that are not to be
// served: what is missing in them may exist.
func (s *Source) Synced() <-chan struct{} { return s.synced }

// Ready says what Synced waits for, nil if nothing.
func (s *Source) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ready:
		return nil
	case len(s.unlisted) > 0:
		return fmt.Errorf("the API server has not listed yet: %s", strings.Join(slices.Sorted(maps.Keys(s.unlisted)), ", "))
	}
	return fmt.Errorf("%d Secrets and ConfigMaps have not been looked up yet", s.unanswered)
}

// Snapshot returns the objects as they are now.
func (s *Source) Snapshot() cluster.Snapshot {
	s.mu.Lock()
	s.snapshot = s.snapshot.With(s.pending)
	s.pending = cluster.Changes{}
	snapshot := s.snapshot
	s.mu.Unlock()
	snapshot.Now = time.Now()
	return snapshot
}

// Selection is that of the Options, with what has been found out about IngressClasses.
func (s *Source) Selection() cluster.Selection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.selection()
}

func (s *Source) selection() cluster.Selection {
	selection := s.options.Selection
	selection.ClassesUnreadable = selection.ClassesUnreadable || s.classesUnreadable
	return selection
}

// Ours tells whether an Ingress, in any version of it, is ours as classes and namespaces are now.
func (s *Source) Ours(ing *networkingv1.Ingress) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isSelected(ing.Namespace) && s.isOurs(ing)
}

// Published is the status of an Ingress in the cluster, which Snapshots leave out: ours to write, not to read. The list
// must not be changed.
func (s *Source) Published(name cluster.Name) []networkingv1.IngressLoadBalancerIngress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published[name]
}

// Run follows the cluster until the context ends. It can be called once.
func (s *Source) Run(ctx context.Context) error {
	r := &run{ctx: ctx}
	s.update(func() {
		s.run = r
		s.secrets.watchAll()
		s.configMaps.watchAll()
	})
	for _, f := range s.feeds {
		r.group.Go(func() { f.follow(ctx) })
	}
	for range lookers {
		r.group.Go(func() { s.secrets.work(ctx) })
		r.group.Go(func() { s.configMaps.work(ctx) })
	}
	<-ctx.Done()
	s.secrets.queue.ShutDown()
	s.configMaps.queue.ShutDown()
	r.group.Wait()
	return nil
}

// update changes what is known. Whatever it does comes together in one Snapshot.
func (s *Source) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if !s.ready && len(s.unlisted) == 0 && s.unanswered == 0 {
		s.ready = true
		close(s.synced)
		s.signal()
		s.signalStatus()
	}
}

// signal says that a Snapshot would be different now, in something that matters.
func (s *Source) signal() { s.tell(s.changes) }

// signalStatus says that another status may have to be written.
func (s *Source) signalStatus() { s.tell(s.statuses) }

func (s *Source) tell(whom chan struct{}) {
	if !s.ready {
		return
	}
	select {
	case whom <- struct{}{}:
	default:
	}
}
