package leader

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

const collection = "/apis/coordination.k8s.io/v1/namespaces/infra/leases"

// apiServer keeps one Lease as an API server does, and can be told to refuse.
type apiServer struct {
	*httptest.Server

	mu       sync.Mutex
	lease    *coordinationv1.Lease
	version  int
	refused  string // a client
	requests map[string]bool
	holders  []string      // one after the other, "" for none
	news     chan struct{} // gets a value for each request
}

func newAPIServer(t *testing.T) *apiServer {
	a := &apiServer{requests: map[string]bool{}, news: make(chan struct{}, 1000)}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// config is that of one client, which refuse can tell by its name.
func (a *apiServer) config(client string) *rest.Config {
	return &rest.Config{Host: a.URL, UserAgent: client}
}

// refuse makes it answer 503 to one client, "" for none.
func (a *apiServer) refuse(client string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = client
}

// holder is who holds the Lease, "" for nobody.
func (a *apiServer) holder() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return holderOf(a.lease)
}

func holderOf(lease *coordinationv1.Lease) string {
	if lease == nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests[r.Method+" "+strings.TrimPrefix(r.URL.Path, collection)] = true
	a.news <- struct{}{}
	switch {
	case a.refused != "" && a.refused == r.UserAgent():
		fail(w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
	case r.Method == http.MethodPost && r.URL.Path == collection:
		if a.lease != nil {
			fail(w, http.StatusConflict, metav1.StatusReasonAlreadyExists)
			return
		}
		a.write(w, r)
	case r.URL.Path != collection+"/election" || a.lease == nil:
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case r.Method == http.MethodPut:
		a.write(w, r)
	default:
		answer(w, http.StatusOK, a.lease)
	}
}

func (a *apiServer) write(w http.ResponseWriter, r *http.Request) {
	var lease coordinationv1.Lease
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, &lease)
	}
	if err != nil || *lease.Spec.LeaseDurationSeconds <= 0 {
		fail(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
		return
	}
	if a.lease != nil && lease.ResourceVersion != a.lease.ResourceVersion {
		fail(w, http.StatusConflict, metav1.StatusReasonConflict)
		return
	}
	if holderOf(&lease) != holderOf(a.lease) {
		a.holders = append(a.holders, holderOf(&lease))
	}
	a.put(&lease)
	answer(w, http.StatusOK, a.lease)
}

// requested waits for some more requests.
func (a *apiServer) requested(t *testing.T, n int) {
	t.Helper()
	for len(a.news) > 0 {
		<-a.news
	}
	for range n {
		await(t, "a request", a.news)
	}
}

func (a *apiServer) put(lease *coordinationv1.Lease) {
	lease.TypeMeta = metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}
	a.version++
	lease.ResourceVersion = strconv.Itoa(a.version)
	a.lease = lease
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	answer(w, code, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason})
}

func answer(w http.ResponseWriter, code int, o any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o)
}
