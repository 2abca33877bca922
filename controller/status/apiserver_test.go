package status

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// apiServer answers as an API server does, and is what somebody knows who follows it: a Cluster.
type apiServer struct {
	*httptest.Server

	mu        sync.Mutex
	version   int
	ingresses map[cluster.Name]*networkingv1.Ingress
	pods      map[string]*corev1.Pod
	nodes     map[string]*corev1.Node
	service   *corev1.Service
	requests  map[string]int
	writes    int
	changed   chan struct{} // closed at the next change
	meanwhile func()        // is done once, after an Ingress was read; may be nil
	broken    bool

	// What is known, which may be old.
	known   map[cluster.Name]*networkingv1.Ingress
	behind  bool // news do not arrive
	changes chan struct{}
}

func newAPIServer(t *testing.T) *apiServer {
	a := &apiServer{
		ingresses: map[cluster.Name]*networkingv1.Ingress{}, pods: map[string]*corev1.Pod{}, nodes: map[string]*corev1.Node{},
		requests: map[string]int{}, changed: make(chan struct{}), known: map[cluster.Name]*networkingv1.Ingress{}, changes: make(chan struct{}, 1),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}", a.getIngress)
	mux.HandleFunc("PUT /apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status", a.putStatus)
	mux.HandleFunc("GET /api/v1/namespaces/infra/pods/{name}", a.getPod)
	mux.HandleFunc("GET /api/v1/namespaces/infra/pods", a.listPods)
	mux.HandleFunc("GET /api/v1/nodes/{name}", a.getNode)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.requests[pattern]++
		if a.broken {
			fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *apiServer) config() *rest.Config { return &rest.Config{Host: a.URL} }

// do changes something, and tells of it.
func (a *apiServer) do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	a.news()
}

// put creates or replaces an Ingress. The status of one that is there stays.
func (a *apiServer) put(ing *networkingv1.Ingress) {
	a.do(func() { a.store(ing.DeepCopy()) })
}

func (a *apiServer) store(ing *networkingv1.Ingress) {
	if old := a.ingresses[cluster.NameOf(ing)]; old != nil {
		ing.UID, ing.Status = old.UID, old.Status
	}
	a.version++
	ing.ResourceVersion = strconv.Itoa(a.version)
	if ing.UID == "" {
		ing.UID = types.UID(ing.ResourceVersion)
	}
	a.ingresses[cluster.NameOf(ing)] = ing
}

// say writes a status, as somebody else does.
func (a *apiServer) say(name cluster.Name, status ...address) {
	a.do(func() { a.setStatus(name, status) })
}

func (a *apiServer) setStatus(name cluster.Name, status []address) {
	ing := a.ingresses[name].DeepCopy()
	ing.Status.LoadBalancer.Ingress = status
	a.version++
	ing.ResourceVersion = strconv.Itoa(a.version)
	a.ingresses[name] = ing
}

// news tells who follows and who waits. It is called with the lock held.
func (a *apiServer) news() {
	close(a.changed)
	a.changed = make(chan struct{})
	if a.behind {
		return
	}
	a.known = map[cluster.Name]*networkingv1.Ingress{}
	for name, ing := range a.ingresses {
		a.known[name] = ing
	}
	select {
	case a.changes <- struct{}{}:
	default:
	}
}

func (a *apiServer) getIngress(w http.ResponseWriter, r *http.Request) {
	name := cluster.Name{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	ing := a.ingresses[name]
	if ing == nil {
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	answer(w, http.StatusOK, "networking.k8s.io/v1", "Ingress", ing)
	if f := a.meanwhile; f != nil {
		a.meanwhile = nil
		f()
		a.news()
	}
}

func (a *apiServer) putStatus(w http.ResponseWriter, r *http.Request) {
	name := cluster.Name{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	var sent networkingv1.Ingress
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, &sent)
	}
	switch present := a.ingresses[name]; {
	case err != nil:
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
	case present == nil:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case sent.ResourceVersion != present.ResourceVersion:
		fail(w, http.StatusConflict, metav1.StatusReasonConflict)
	default:
		a.writes++
		a.setStatus(name, sent.Status.LoadBalancer.Ingress)
		a.news()
		answer(w, http.StatusOK, "networking.k8s.io/v1", "Ingress", a.ingresses[name])
	}
}

func (a *apiServer) getPod(w http.ResponseWriter, r *http.Request) {
	if pod := a.pods[r.PathValue("name")]; pod != nil {
		answer(w, http.StatusOK, "v1", "Pod", pod)
		return
	}
	fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func (a *apiServer) listPods(w http.ResponseWriter, r *http.Request) {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
		return
	}
	list := &corev1.PodList{}
	for _, pod := range a.pods {
		if selector.Matches(labels.Set(pod.Labels)) {
			list.Items = append(list.Items, *pod)
		}
	}
	answer(w, http.StatusOK, "v1", "PodList", list)
}

func (a *apiServer) getNode(w http.ResponseWriter, r *http.Request) {
	if node := a.nodes[r.PathValue("name")]; node != nil {
		answer(w, http.StatusOK, "v1", "Node", node)
		return
	}
	fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	answer(w, code, "v1", "Status", &metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason})
}

// answer writes an object with its kind.
func answer(w http.ResponseWriter, code int, version, kind string, o any) {
	text, _ := json.Marshal(o)
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(text, &fields)
	fields["apiVersion"], fields["kind"] = json.RawMessage(strconv.Quote(version)), json.RawMessage(strconv.Quote(kind))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(fields)
}

// The methods from here on are those of Cluster.

func (a *apiServer) Synced() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (a *apiServer) StatusChanges() <-chan struct{} { return a.changes }

func (a *apiServer) Snapshot() cluster.Snapshot {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.snapshot()
}

func (a *apiServer) Ours(ing *networkingv1.Ingress) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	ours, _ := cluster.Selection{}.Ours(a.snapshot(), ing)
	return ours
}

func (a *apiServer) Published(name cluster.Name) []address {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ing := a.known[name]; ing != nil {
		return ing.Status.LoadBalancer.Ingress
	}
	return nil
}
