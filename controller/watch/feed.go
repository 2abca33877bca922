package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// follower follows something until the context ends.
type follower interface{ follow(ctx context.Context) }

// endpoint is where the objects of a kind are listed and watched. L is the type of their list.
type endpoint[L runtime.Object] interface {
	List(ctx context.Context, o metav1.ListOptions) (L, error)
	Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
}

// feed follows the objects of a kind, in one namespace or in all, and is the store of their reflector.
type feed[T object] struct {
	source    *Source
	kind      string
	namespace string
	calls     cache.ListWatch
	strip     func(T)
	// The following are called with the source locked.
	put     func(T)
	removed func(T)
	replace func([]T)
	denied  func() // we may not list or watch the kind; may be nil

	denial denial
}

// prepareFeeds makes the feeds that are always there.
func (s *Source) prepareFeeds(client kubernetes.Interface) {
	watched := s.options.Selection.WatchNamespace
	addFeed(s, "Ingress", watched, "", &s.ingresses, s.stripIngress, client.NetworkingV1().Ingresses(watched))
	classes := addFeed(s, "IngressClass", "", "", &s.classes, stripClass, client.NetworkingV1().IngressClasses())
	classes.denied = s.classesDenied
	replace := classes.replace
	classes.replace = func(list []*networkingv1.IngressClass) {
		wereUnreadable := s.classesUnreadable
		s.classesUnreadable = false
		replace(list)
		if wereUnreadable {
			s.contact.log.Info("IngressClasses may be listed now")
			s.offerAll(func(*networkingv1.Ingress) bool { return true })
			s.signal()
		}
	}
	for _, namespace := range s.options.serviceNamespaces() {
		addFeed(s, "Service", namespace, "", &s.services, s.stripService, client.CoreV1().Services(namespace))
		addFeed(s, "EndpointSlice", namespace, "", &s.slices, stripSlice, client.DiscoveryV1().EndpointSlices(namespace))
	}
	if selector := s.options.Selection.Namespaces; selector != nil {
		addFeed(s, "Namespace", "", selector.String(), &s.namespaces, stripNamespace, client.CoreV1().Namespaces())
	}
}

// serviceNamespaces are the namespaces in which Services are watched; "" is all of them.
func (o Options) serviceNamespaces() []string {
	list := []string{o.Selection.WatchNamespace}
	if list[0] == "" {
		return list
	}
	for _, name := range o.Services {
		list = append(list, name.Namespace)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// addFeed makes a feed of a table.
func addFeed[T object, L runtime.Object](s *Source, kind, namespace, selector string, t *table[T], strip func(T), at endpoint[L]) *feed[T] {
	f := &feed[T]{
		source: s, kind: kind, namespace: namespace, strip: strip, calls: listWatch(at, selector),
		put:     t.put,
		removed: func(o T) { t.remove(cluster.NameOf(o)) },
	}
	f.replace = func(list []T) {
		t.replace(list, namespace)
		s.listed(f.String())
	}
	s.unlisted[f.String()] = true
	s.feeds = append(s.feeds, f)
	return f
}

func listWatch[L runtime.Object](at endpoint[L], selector string) cache.ListWatch {
	return cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return at.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return at.Watch(ctx, o)
		},
	}
}

// listed notes the first list of a feed. After the last of them, it can be told which Ingresses are ours.
func (s *Source) listed(feed string) {
	if !s.unlisted[feed] {
		return
	}
	delete(s.unlisted, feed)
	if len(s.unlisted) == 0 {
		s.offerAll(func(*networkingv1.Ingress) bool { return true })
	}
}

// classesDenied goes on without IngressClasses, as ingress-nginx does; unlike there, the reflector keeps asking. If
// they had been listed before, that list stays in force.
func (s *Source) classesDenied() {
	const feed = "IngressClass"
	if s.unlisted[feed] {
		s.contact.log.Warn("IngressClasses may not be listed: Ingresses are ours by annotation or by --watch-ingress-without-class only")
		s.classesUnreadable = true
		s.listed(feed)
	}
}

func (f *feed[T]) String() string {
	if f.namespace == "" {
		return f.kind
	}
	return f.kind + " in " + f.namespace
}

// quick is the pause before a reflector tries again. Client-go's own grows to half a minute and more, in which
// endpoints that are gone would be used on although the API server is back.
func quick() *wait.Backoff {
	return &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 10, Cap: 2 * time.Second}
}

// follow runs the reflector.
func (f *feed[T]) follow(ctx context.Context) {
	logger := f.source.contact.forClientGo()
	// The reflector keeps some errors to itself.
	calls := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := f.calls.ListWithContext(ctx, o)
			if f.result(err) {
				select {
				case <-time.After(f.source.contact.pause):
				case <-ctx.Done():
				}
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := f.calls.WatchWithContext(ctx, o)
			f.result(err)
			if o.SendInitialEvents != nil && utilnet.IsConnectionRefused(err) {
				// With this kind of error, the reflector would sit its pause out when the context ends. With any
				// other it tries a list instead, and then waits as it should.
				return nil, errors.New(err.Error())
			}
			return w, err
		},
	}
	var none T
	reflector := cache.NewReflectorWithOptions(calls, none, f, cache.ReflectorOptions{Name: f.String(), Logger: &logger, Backoff: quick()})
	reflector.RunWithContext(klog.NewContext(ctx, logger))
}

// result looks at the error of a call, or nil, and tells whether it is one that will last.
func (f *feed[T]) result(err error) (denied bool) {
	f.source.contact.result(f.kind, f.namespace, err)
	if !apierrors.IsForbidden(err) {
		f.denial = denial{}
		return false
	}
	denied = f.denial.lasts(f.source.contact.grace)
	if denied && f.denied != nil {
		f.source.update(f.denied)
	}
	return denied
}

// update changes what is known, as one event of the API server says.
func (f *feed[T]) update(change func()) error {
	f.source.update(change)
	f.source.contact.reached(f.kind)
	return nil
}

// The methods from here on are those of cache.ReflectorStore and of what a store may offer besides.

// Add is Update: the reflector says the one or the other for the same reasons.
func (f *feed[T]) Add(o any) error { return f.Update(o) }

// Update takes in an object.
func (f *feed[T]) Update(o any) error {
	object := o.(T) // the reflector has looked
	f.strip(object)
	return f.update(func() { f.put(object) })
}

// Delete takes an object out.
func (f *feed[T]) Delete(o any) error {
	return f.update(func() { f.removed(o.(T)) })
}

// Replace takes in a list of all objects.
func (f *feed[T]) Replace(list []any, _ string) error {
	objects := make([]T, len(list))
	for i, o := range list {
		objects[i] = o.(T)
		f.strip(objects[i])
	}
	return f.update(func() { f.replace(objects) })
}

// Resync has nothing to do: nothing is handed on that could get lost.
func (f *feed[T]) Resync() error { return nil }

// Bookmark is told, about once a minute, that nothing has happened.
func (f *feed[T]) Bookmark(string) error {
	f.source.contact.reached(f.kind)
	return nil
}

// Transformer strips objects of a first list while it is still coming in.
func (f *feed[T]) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		if object, is := o.(T); is {
			f.strip(object)
		}
		return o, nil
	}
}

var (
	_ cache.TransformingStore      = (*feed[*corev1.Service])(nil)
	_ cache.ReflectorBookmarkStore = (*feed[*discoveryv1.EndpointSlice])(nil)
)
