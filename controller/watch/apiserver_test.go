package watch

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// apiServer answers lists and watches as an API server does, and can be told to misbehave.
type apiServer struct {
	*httptest.Server

	mu       sync.Mutex
	version  int64
	objects  map[string]map[cluster.Name]metav1.Object // by resource
	history  []event
	changed  chan struct{}   // closed at the next event, or when streams are to end
	streams  int             // counts up when all streams are to end
	down     bool            // connections are cut
	old      bool            // no lists by watching, as before Kubernetes 1.32
	denied   map[string]bool // "secrets", "shop/secrets", or "shop/secrets/tls"
	broken   map[string]bool // the same, with status 500
	hold     chan struct{}   // if not nil, answers about one object wait until it is closed
	oldest   int64           // versions before this one are forgotten
	requests map[request]int
	watching map[request]int // streams that are open
	news     func()          // is called when one of the last two has changed
}

// request is what RBAC looks at, and the name that a field selector asks for.
type request struct{ verb, namespace, resource, name string }

type event struct {
	version       int64
	resource      string
	before, after metav1.Object
}

var kindOf = map[string]struct {
	version, kind string
	example       metav1.Object
}{
	"ingresses":      {"networking.k8s.io/v1", "Ingress", &networkingv1.Ingress{}},
	"ingressclasses": {"networking.k8s.io/v1", "IngressClass", &networkingv1.IngressClass{}},
	"services":       {"v1", "Service", &corev1.Service{}},
	"endpointslices": {"discovery.k8s.io/v1", "EndpointSlice", &discoveryv1.EndpointSlice{}},
	"secrets":        {"v1", "Secret", &corev1.Secret{}},
	"configmaps":     {"v1", "ConfigMap", &corev1.ConfigMap{}},
	"namespaces":     {"v1", "Namespace", &corev1.Namespace{}},
}

func newAPIServer(t *testing.T, objects ...metav1.Object) *apiServer {
	a := &apiServer{
		version: 1, objects: map[string]map[cluster.Name]metav1.Object{}, changed: make(chan struct{}),
		denied: map[string]bool{}, broken: map[string]bool{}, requests: map[request]int{}, watching: map[request]int{}, news: func() {},
	}
	a.put(objects...)
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() {
		a.set(func() { a.down = true })
		a.Close()
	})
	return a
}

func (a *apiServer) config() *rest.Config { return &rest.Config{Host: a.URL} }

// set changes how it behaves and ends all streams.
func (a *apiServer) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	a.streams++
	a.wake()
}

func (a *apiServer) wake() {
	close(a.changed)
	a.changed = make(chan struct{})
}

func resourceOf(o metav1.Object) string {
	for resource, k := range kindOf {
		if reflect.TypeOf(k.example) == reflect.TypeOf(o) {
			return resource
		}
	}
	panic(fmt.Sprintf("no resource for %T", o))
}

// put creates or updates objects. It makes copies.
func (a *apiServer) put(objects ...metav1.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range objects {
		o = o.(runtime.Object).DeepCopyObject().(metav1.Object)
		resource, name := resourceOf(o), cluster.NameOf(o)
		a.version++
		o.SetResourceVersion(strconv.FormatInt(a.version, 10))
		if a.objects[resource] == nil {
			a.objects[resource] = map[cluster.Name]metav1.Object{}
		}
		a.history = append(a.history, event{a.version, resource, a.objects[resource][name], o})
		a.objects[resource][name] = o
	}
	a.wake()
}

func (a *apiServer) remove(o metav1.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	resource, name := resourceOf(o), cluster.NameOf(o)
	a.version++
	last := a.objects[resource][name].(runtime.Object).DeepCopyObject().(metav1.Object)
	last.SetResourceVersion(strconv.FormatInt(a.version, 10))
	a.history = append(a.history, event{a.version, resource, last, nil})
	delete(a.objects[resource], name)
	a.wake()
}

// query is a request as the handler understands it.
type query struct {
	request
	selected func(metav1.Object) bool
	metadata bool
	initial  bool
	from     int64
	watch    bool
}

func parse(r *http.Request) query {
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/apis/")
	if strings.HasPrefix(r.URL.Path, "/apis/") {
		path = strings.Join(strings.Split(path, "/")[2:], "/")
	}
	values := r.URL.Query()
	q := query{
		metadata: strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata"),
		initial:  values.Get("sendInitialEvents") == "true", watch: values.Get("watch") != "",
	}
	q.from, _ = strconv.ParseInt(values.Get("resourceVersion"), 10, 64)
	if parts := strings.Split(path, "/"); len(parts) == 3 {
		q.namespace, q.resource = parts[1], parts[2]
	} else {
		q.resource = parts[0]
	}
	q.verb = map[bool]string{true: "watch", false: "list"}[q.watch]
	byField, _ := fields.ParseSelector(values.Get("fieldSelector"))
	byLabel, _ := labels.Parse(values.Get("labelSelector"))
	q.name, _ = byField.RequiresExactMatch("metadata.name")
	q.selected = func(o metav1.Object) bool {
		return o != nil && (q.namespace == "" || o.GetNamespace() == q.namespace) && byLabel.Matches(labels.Set(o.GetLabels())) &&
			byField.Matches(fields.Set{"metadata.name": o.GetName(), "metadata.namespace": o.GetNamespace()})
	}
	return q
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := parse(r)
	a.mu.Lock()
	a.requests[q.request]++
	down, hold, news := a.down, a.hold, a.news
	status := a.refusal(q)
	a.mu.Unlock()
	news()
	if q.name != "" && hold != nil {
		// What is answered is what was true before the wait.
		answer := httptest.NewRecorder()
		a.serveList(answer, q)
		<-hold
		w.Header().Set("Content-Type", "application/json")
		_, _ = answer.Body.WriteTo(w)
		return
	}
	switch {
	case down:
		panic(http.ErrAbortHandler) // cuts the connection
	case status != nil:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Code))
		_ = json.NewEncoder(w).Encode(status)
	case q.watch:
		a.serveWatch(w, r, q)
	default:
		a.serveList(w, q)
	}
}

func (a *apiServer) refusal(q query) *metav1.Status {
	for _, key := range []string{q.resource, q.namespace + "/" + q.resource, q.namespace + "/" + q.resource + "/" + q.name} {
		if a.denied[key] {
			return &metav1.Status{Status: "Failure", Code: 403, Reason: metav1.StatusReasonForbidden, Message: "may not"}
		}
		if a.broken[key] {
			return &metav1.Status{Status: "Failure", Code: 500, Reason: metav1.StatusReasonInternalError, Message: "cannot decrypt"}
		}
	}
	if q.initial && a.old {
		return &metav1.Status{Status: "Failure", Code: 422, Reason: metav1.StatusReasonInvalid, Message: "sendInitialEvents is forbidden"}
	}
	return nil
}

// encode gives an object its kind, or makes it metadata alone.
func (q query) encode(o metav1.Object) json.RawMessage {
	k := kindOf[q.resource]
	if q.metadata {
		k.version, k.kind = "meta.k8s.io/v1", "PartialObjectMetadata"
	}
	text, _ := json.Marshal(o)
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(text, &fields)
	if q.metadata {
		fields = map[string]json.RawMessage{"metadata": fields["metadata"]}
	}
	fields["apiVersion"], fields["kind"] = json.RawMessage(strconv.Quote(k.version)), json.RawMessage(strconv.Quote(k.kind))
	text, _ = json.Marshal(fields)
	return text
}

func (a *apiServer) serveList(w http.ResponseWriter, q query) {
	a.mu.Lock()
	list := struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   metav1.ListMeta   `json:"metadata"`
		Items      []json.RawMessage `json:"items"`
	}{kindOf[q.resource].version, kindOf[q.resource].kind + "List", metav1.ListMeta{ResourceVersion: strconv.FormatInt(a.version, 10)}, nil}
	if q.metadata {
		list.APIVersion, list.Kind = "meta.k8s.io/v1", "PartialObjectMetadataList"
	}
	for _, o := range a.objects[q.resource] {
		if q.selected(o) {
			list.Items = append(list.Items, q.encode(o))
		}
	}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

func (a *apiServer) serveWatch(w http.ResponseWriter, r *http.Request, q query) {
	w.Header().Set("Content-Type", "application/json")
	send := func(kind string, o metav1.Object) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": q.encode(o)})
	}
	a.mu.Lock()
	if !q.initial && q.from < a.oldest {
		a.mu.Unlock()
		gone := metav1.Status{Status: "Failure", Code: 410, Reason: metav1.StatusReasonExpired, TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}}
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "ERROR", "object": gone})
		return
	}
	a.watching[q.request]++
	streams := a.streams
	if q.initial {
		for _, o := range a.objects[q.resource] {
			if q.selected(o) {
				send("ADDED", o)
			}
		}
		end := reflect.New(reflect.TypeOf(kindOf[q.resource].example).Elem()).Interface().(metav1.Object)
		end.SetResourceVersion(strconv.FormatInt(a.version, 10))
		end.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		send("BOOKMARK", end)
		q.from = a.version
	}
	for {
		for _, e := range a.history {
			if e.version <= q.from || e.resource != q.resource {
				continue
			}
			switch was, is := q.selected(e.before), q.selected(e.after); {
			case was && is:
				send("MODIFIED", e.after)
			case is:
				send("ADDED", e.after)
			case was:
				send("DELETED", e.before)
			}
		}
		q.from = a.version
		changed, over := a.changed, a.streams != streams
		if over {
			a.watching[q.request]--
			down := a.down
			a.mu.Unlock()
			if down {
				panic(http.ErrAbortHandler)
			}
			return
		}
		a.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			a.mu.Lock()
			a.watching[q.request]--
			news := a.news
			a.mu.Unlock()
			news()
			return
		}
		a.mu.Lock()
	}
}
