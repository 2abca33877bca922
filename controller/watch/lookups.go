package watch

import (
	"context"
	"errors"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/workqueue"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

const (
	lookers     = 16               // look at the same time, for each kind
	longestLook = 15 * time.Second // an API server that hangs shall not keep them all

	// A look that failed is taken again after these pauses, or as soon as a watch gives a reason to.
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Minute

	// manyNamespaces is from when on one watch of all namespaces costs less than one for each.
	manyNamespaces = 100
)

// lookups holds the objects of a kind that something refers to. Watches of metadata say when to look at one; what is
// there is only what the look finds.
type lookups[T object] struct {
	source  *Source
	kind    kind
	strip   func(T)
	list    func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error)
	watches metadata.Getter
	changed func(name cluster.Name, after T)
	queue   workqueue.TypedRateLimitingInterface[cluster.Name] // to be looked at

	// The source's lock guards the following.
	wanted      map[cluster.Name]*lookup[T]
	inNamespace map[string]int                // how many of them
	stop        map[string]context.CancelFunc // of the watch of a namespace, or of all: ""
	wide        bool                          // the watch of all is there, so that no other is needed
}

// lookup is one object that something refers to.
type lookup[T object] struct {
	object   T      // nil if there is none
	version  string // of the object as it was found, "" if it was not
	answered bool   // somebody has looked, or we may not

	told          string // the version that a watch last told, "" if the object is gone
	looking       bool
	toldMeanwhile bool
	denial        denial
}

// prepareLookups makes both lookups, and wants what flags name.
func (s *Source) prepareLookups(client kubernetes.Interface, plain metadata.Interface) {
	s.secrets = lookups[*corev1.Secret]{
		kind: secret, strip: stripSecret, changed: s.secretChanged,
		watches: plain.Resource(corev1.SchemeGroupVersion.WithResource("secrets")),
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.CoreV1().Secrets(namespace).List(ctx, o)
		},
	}
	s.configMaps = lookups[*corev1.ConfigMap]{
		kind: configMap, strip: stripConfigMap, changed: s.configMapChanged,
		watches: plain.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")),
		list: func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error) {
			return client.CoreV1().ConfigMaps(namespace).List(ctx, o)
		},
	}
	s.secrets.prepare(s)
	s.configMaps.prepare(s)
	s.change(&s.flags, s.flagReferences(), s.release)
}

func (l *lookups[T]) prepare(s *Source) {
	l.source = s
	l.queue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[cluster.Name](firstPause, longestPause))
	l.wanted = map[cluster.Name]*lookup[T]{}
	l.inNamespace = map[string]int{}
	l.stop = map[string]context.CancelFunc{}
}

func (l *lookups[T]) isAnswered(name cluster.Name) bool {
	e := l.wanted[name]
	return e != nil && e.answered
}

// want begins to keep an object.
func (l *lookups[T]) want(name cluster.Name) {
	l.wanted[name] = &lookup[T]{}
	l.source.unanswered++
	l.queue.Add(name)
	l.inNamespace[name.Namespace]++
	if l.inNamespace[name.Namespace] == 1 {
		l.watchNamespace(name.Namespace)
	}
}

// drop forgets an object.
func (l *lookups[T]) drop(name cluster.Name) {
	if !l.wanted[name].answered {
		l.source.unanswered--
	}
	delete(l.wanted, name)
	l.inNamespace[name.Namespace]--
	if l.inNamespace[name.Namespace] > 0 {
		return
	}
	delete(l.inNamespace, name.Namespace)
	l.unwatch(name.Namespace)
	if len(l.inNamespace) == 0 {
		l.unwatch("")
		l.wide = false
	}
}

// watchNamespace begins to watch a namespace in which something is wanted.
func (l *lookups[T]) watchNamespace(namespace string) {
	if l.wide {
		return
	}
	l.watch(namespace)
	if len(l.stop) > manyNamespaces && l.stop[""] == nil && l.source.options.Selection.WatchNamespace == "" {
		l.watch("")
	}
}

// watchAll begins to watch what was wanted before Run.
func (l *lookups[T]) watchAll() {
	for namespace := range l.inNamespace {
		l.watchNamespace(namespace)
	}
}

func (l *lookups[T]) watch(namespace string) {
	r := l.source.run
	if r == nil || l.stop[namespace] != nil {
		return
	}
	ctx, stop := context.WithCancel(r.ctx)
	l.stop[namespace] = stop
	f := &feed[*metav1.PartialObjectMetadata]{
		source: l.source, kind: string(l.kind), namespace: namespace, strip: stripMetadata,
		calls:   listWatch(l.watches.Namespace(namespace), ""),
		put:     func(m *metav1.PartialObjectMetadata) { l.told(cluster.NameOf(m), m.ResourceVersion) },
		removed: func(m *metav1.PartialObjectMetadata) { l.told(cluster.NameOf(m), "") },
		replace: func(list []*metav1.PartialObjectMetadata) { l.toldAll(list, namespace) },
	}
	r.group.Go(func() { f.follow(ctx) })
}

func (l *lookups[T]) unwatch(namespace string) {
	if stop := l.stop[namespace]; stop != nil {
		stop()
		delete(l.stop, namespace)
	}
}

// told takes what a watch says of an object: its version, or "" if it is gone. During a look it may say what the
// look has seen, or something newer, so that has to wait.
func (l *lookups[T]) told(name cluster.Name, version string) {
	e := l.wanted[name]
	switch {
	case e == nil:
		return
	case e.looking:
		e.toldMeanwhile = true
	case e.version != version || !e.answered:
		l.queue.Add(name)
	}
	e.told = version
}

// toldAll takes what a watch says of all objects of a namespace, or of all namespaces.
func (l *lookups[T]) toldAll(list []*metav1.PartialObjectMetadata, namespace string) {
	present := make(map[cluster.Name]bool, len(list))
	for _, m := range list {
		present[cluster.NameOf(m)] = true
		l.told(cluster.NameOf(m), m.ResourceVersion)
	}
	for name := range l.wanted {
		if (namespace == "" || name.Namespace == namespace) && !present[name] {
			l.told(name, "")
		}
	}
	if namespace == "" && !l.wide {
		l.wide = true
		for other := range l.stop {
			if other != "" {
				l.unwatch(other)
			}
		}
	}
}

// work looks at objects until the queue is shut down.
func (l *lookups[T]) work(ctx context.Context) {
	for {
		name, end := l.queue.Get()
		if end {
			return
		}
		l.look(ctx, name)
		l.queue.Done(name)
	}
}

// look asks for one object and takes in what comes.
func (l *lookups[T]) look(ctx context.Context, name cluster.Name) {
	var e *lookup[T]
	l.source.update(func() {
		if e = l.wanted[name]; e != nil {
			e.looking, e.toldMeanwhile = true, false
		}
	})
	if e == nil {
		l.queue.Forget(name)
		return
	}
	found, err := l.find(ctx, name)
	l.source.update(func() {
		e.looking = false
		if l.wanted[name] != e {
			return // not wanted any more, or newly so, and then in the queue again
		}
		if err != nil {
			l.queue.AddRateLimited(name)
		} else {
			l.queue.Forget(name)
			l.take(name, e, found)
		}
		if !e.answered && (err == nil || e.isAnswer(err, l.source.contact.grace)) {
			e.answered = true
			l.source.unanswered--
			l.source.answered(reference{l.kind, name})
		}
	})
	l.source.contact.result(string(l.kind), name.String(), err)
	if err == nil {
		l.source.contact.reached(string(l.kind))
	}
}

// find returns the object of that name, or nil. It lists rather than gets, so that it takes no other permission
// than the watches do.
func (l *lookups[T]) find(ctx context.Context, name cluster.Name) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, longestLook)
	defer cancel()
	var none T
	list, err := l.list(ctx, name.Namespace, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name.Name).String()})
	if err != nil {
		return none, err
	}
	found, err := meta.ExtractList(list)
	if err != nil {
		return none, err
	}
	for _, o := range found {
		if o, is := o.(T); is && cluster.NameOf(o) == name {
			l.strip(o)
			return o, nil
		}
	}
	return none, nil
}

func (l *lookups[T]) take(name cluster.Name, e *lookup[T], found T) {
	var none T
	e.version = ""
	if found != none {
		e.version = found.GetResourceVersion()
	}
	if e.toldMeanwhile && e.told != e.version {
		l.queue.Add(name)
	}
	if found == e.object || found != none && e.object != none && same(e.object, found) {
		return
	}
	e.object = found
	l.changed(name, found)
}

// isAnswer tells an error that says something about the object, so that waiting on would be in vain, from one that
// says that nobody could be asked.
func (e *lookup[T]) isAnswer(err error, grace time.Duration) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status().Code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	case http.StatusForbidden:
		return e.denial.lasts(grace)
	}
	return true
}
