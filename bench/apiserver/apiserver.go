// Package apiserver turns objects in memory into what a controller that only reads sees of an API server: lists and
// watches, in protobuf over HTTP. It takes no writes over the network, keeps all history and knows no rights.
//
// bench uses it in place of a real API server, which would take the two processors that are measured.
package apiserver

import (
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
)

const contentType = "application/vnd.kubernetes.protobuf"

// Object is an object of any of the kinds served.
type Object interface {
	metav1.Object
	runtime.Object
}

// Server is an http.Handler for all objects of a cluster.
type Server struct {
	scheme *runtime.Scheme

	mu      sync.Mutex
	version int64
	stores  map[string]*store // by resource
	changed chan struct{}     // closed at the next change
}

// store is all that exists, and existed, of one kind.
type store struct {
	kind    schema.GroupVersionKind
	objects map[types.NamespacedName]stored
	history []event
}

// stored is an object as clients get it.
type stored struct {
	object         Object
	full, metadata []byte // both forms, encoded
}

type event struct {
	version int64
	kind    watch.EventType
	stored
}

// New makes a server of an empty cluster.
func New() (*Server, error) {
	s := &Server{scheme: runtime.NewScheme(), version: 1, changed: make(chan struct{}), stores: map[string]*store{}}
	if err := scheme.AddToScheme(s.scheme); err != nil {
		return nil, fmt.Errorf("register the kinds: %w", err)
	}
	if err := metav1.AddMetaToScheme(s.scheme); err != nil {
		return nil, fmt.Errorf("register the kinds: %w", err)
	}
	for resource, kind := range map[string]schema.GroupVersionKind{
		"ingresses":      networkingv1.SchemeGroupVersion.WithKind("Ingress"),
		"ingressclasses": networkingv1.SchemeGroupVersion.WithKind("IngressClass"),
		"services":       corev1.SchemeGroupVersion.WithKind("Service"),
		"endpointslices": discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"),
		"secrets":        corev1.SchemeGroupVersion.WithKind("Secret"),
		"configmaps":     corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	} {
		s.stores[resource] = &store{kind: kind, objects: map[types.NamespacedName]stored{}}
	}
	return s, nil
}

// Put creates or replaces objects, each of one of the kinds served. It makes copies.
func (s *Server) Put(objects ...Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		of, err := s.storeOf(o)
		if err != nil {
			return err
		}
		s.version++
		item, err := s.encode(o.DeepCopyObject().(Object), of.kind)
		if err != nil {
			return err
		}
		name, kind := nameOf(o), watch.Added
		if _, is := of.objects[name]; is {
			kind = watch.Modified
		}
		of.objects[name] = item
		of.history = append(of.history, event{s.version, kind, item})
	}
	s.wake()
	return nil
}

// Remove removes objects; those that do not exist are ignored.
func (s *Server) Remove(objects ...Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		of, err := s.storeOf(o)
		if err != nil {
			return err
		}
		last, is := of.objects[nameOf(o)]
		if !is {
			continue
		}
		s.version++
		if last, err = s.encode(last.object, of.kind); err != nil {
			return err
		}
		delete(of.objects, nameOf(o))
		of.history = append(of.history, event{s.version, watch.Deleted, last})
	}
	s.wake()
	return nil
}

func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

func (s *Server) storeOf(o runtime.Object) (*store, error) {
	kinds, _, err := s.scheme.ObjectKinds(o)
	if err != nil {
		return nil, fmt.Errorf("find the kind of an object: %w", err)
	}
	for _, of := range s.stores {
		if of.kind == kinds[0] {
			return of, nil
		}
	}
	return nil, fmt.Errorf("objects of kind %s are not served", kinds[0].Kind)
}

// encode gives an object the present version, and its kind, and encodes it.
func (s *Server) encode(o Object, kind schema.GroupVersionKind) (stored, error) {
	o.SetResourceVersion(strconv.FormatInt(s.version, 10))
	o.GetObjectKind().SetGroupVersionKind(kind)
	full, err := s.marshal(o)
	if err != nil {
		return stored{}, err
	}
	plain := meta.AsPartialObjectMetadata(o)
	plain.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
	metadata, err := s.marshal(plain)
	return stored{o, full, metadata}, err
}

func (s *Server) marshal(o runtime.Object) ([]byte, error) {
	raw, err := runtime.Encode(protobuf.NewSerializer(s.scheme, s.scheme), o)
	if err != nil {
		return nil, fmt.Errorf("encode an object: %w", err)
	}
	return raw, nil
}

// query is what a client asks for.
type query struct {
	*store
	namespace, name string // all if empty
	metadata        bool
	initial         bool  // a watch begins with all that exists
	from            int64 // or else behind this version
}

func (s *Server) parse(r *http.Request) (query, error) {
	values := r.URL.Query()
	q := query{
		metadata: strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"),
		initial:  values.Get("sendInitialEvents") == "true",
	}
	// …/v1/RESOURCE or …/v1/namespaces/NAMESPACE/RESOURCE
	above, resource := path.Split(r.URL.Path)
	if above, namespace := path.Split(strings.TrimSuffix(above, "/")); path.Base(above) == "namespaces" {
		q.namespace = namespace
	}
	if q.store = s.stores[resource]; q.store == nil {
		return q, fmt.Errorf("%s is not served", r.URL.Path)
	}
	selector, err := fields.ParseSelector(values.Get("fieldSelector"))
	if err != nil {
		return q, fmt.Errorf("read the field selector: %w", err)
	}
	q.name, _ = selector.RequiresExactMatch("metadata.name")
	if from := values.Get("resourceVersion"); from != "" {
		if q.from, err = strconv.ParseInt(from, 10, 64); err != nil {
			return q, fmt.Errorf("read the version: %w", err)
		}
	}
	return q, nil
}

func (q query) selects(o stored) bool {
	return (q.namespace == "" || o.object.GetNamespace() == q.namespace) && (q.name == "" || o.object.GetName() == q.name)
}

// ServeHTTP answers lists and watches.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "this API server takes no writes", http.StatusMethodNotAllowed)
		return
	}
	q, err := s.parse(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if watching := r.URL.Query().Get("watch"); watching == "true" || watching == "1" {
		s.serveWatch(w, r, q)
		return
	}
	raw, err := s.list(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(raw) // a client that has gone asks again
}

func (s *Server) list(q query) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []runtime.Object
	for _, o := range q.objects {
		if q.selects(o) {
			items = append(items, o.object)
		}
	}
	kind := q.kind.GroupVersion().WithKind(q.kind.Kind + "List")
	list, err := s.scheme.New(kind)
	if err != nil {
		return nil, fmt.Errorf("make a list: %w", err)
	}
	if err := meta.SetList(list, items); err != nil {
		return nil, fmt.Errorf("fill a list: %w", err)
	}
	list.GetObjectKind().SetGroupVersionKind(kind)
	list.(metav1.ListInterface).SetResourceVersion(strconv.FormatInt(s.version, 10))
	return s.marshal(list)
}

// watcher is a watch and how many events of the history it has seen.
type watcher struct {
	query
	seen int
}

// serveWatch sends events until the client goes.
func (s *Server) serveWatch(w http.ResponseWriter, r *http.Request, q query) {
	w.Header().Set("Content-Type", contentType+";stream=watch")
	frames := protobuf.LengthDelimitedFramer.NewFrameWriter(w)
	events := protobuf.NewRawSerializer(s.scheme, s.scheme)
	for watcher := (&watcher{query: q}); ; {
		batch, changed, err := s.next(watcher)
		if err != nil {
			panic(err) // of a kind that New has not registered
		}
		for _, e := range batch {
			raw := e.full
			if q.metadata {
				raw = e.stored.metadata
			}
			if events.Encode(&metav1.WatchEvent{Type: string(e.kind), Object: runtime.RawExtension{Raw: raw}}, frames) != nil {
				return // the client has gone
			}
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// next returns the events that a watcher has not seen, and a channel that is closed at the next change.
func (s *Server) next(w *watcher) ([]event, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch []event
	if w.initial {
		w.initial, w.seen = false, len(w.history)
		var err error
		if batch, err = s.initialEvents(w.query); err != nil {
			return nil, nil, err
		}
	}
	for _, e := range w.history[w.seen:] {
		if e.version > w.from && w.selects(e.stored) {
			batch = append(batch, e)
		}
	}
	w.seen = len(w.history)
	return batch, s.changed, nil
}

// initialEvents are all objects, and the bookmark that says so.
func (s *Server) initialEvents(q query) ([]event, error) {
	var batch []event
	for _, o := range q.objects {
		if q.selects(o) {
			batch = append(batch, event{s.version, watch.Added, o})
		}
	}
	mark, err := s.scheme.New(q.kind)
	if err != nil {
		return nil, fmt.Errorf("make a bookmark: %w", err)
	}
	end := mark.(Object)
	end.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	item, err := s.encode(end, q.kind)
	return append(batch, event{s.version, watch.Bookmark, item}), err
}
