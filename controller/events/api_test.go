package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/events"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/test/logged"
)

// api does what an API server does with Events, within the process, so that tests can make hours pass. It knows no
// other requests than we have rights for. It can be made to misbehave.
type api struct {
	t *testing.T

	mu       sync.Mutex
	order    []string // "namespace/name", as they were created
	events   map[string]*corev1.Event
	refuse   func(namespace string) *metav1.Status // nil, or returns nil, if requests are fine
	away     bool                                  // there is nobody
	hangs    bool                                  // nobody answers
	loses    bool                                  // does what it is asked to, and the answer gets lost
	requests []time.Time
}

var pod = cluster.Name{Namespace: "ingress", Name: "controller-x7z"}

const podUID = types.UID("uid-of-the-pod")

func (a *api) RoundTrip(request *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, time.Now())
	switch {
	case a.away:
		return nil, errors.New("connection refused")
	case a.hangs:
		a.mu.Unlock()
		<-request.Context().Done()
		a.mu.Lock()
		return nil, request.Context().Err()
	}
	answer := a.answer(request)
	if a.loses {
		return nil, io.ErrUnexpectedEOF
	}
	code := http.StatusOK
	if status, is := answer.(*metav1.Status); is {
		code = int(status.Code)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		a.t.Error(err)
	}
	return &http.Response{
		StatusCode: code, Request: request, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(text)),
	}, nil
}

// answer is an object, or a Status that says what is wrong.
func (a *api) answer(request *http.Request) any {
	parts := strings.Split(strings.TrimPrefix(request.URL.Path, "/api/v1/namespaces/"), "/")
	namespace, resource := parts[0], parts[1]
	if a.refuse != nil {
		if status := a.refuse(namespace); status != nil {
			return status
		}
	}
	switch {
	case request.Method == http.MethodGet && resource == "pods" && len(parts) == 3:
		if (cluster.Name{Namespace: namespace, Name: parts[2]}) != pod {
			return status(http.StatusNotFound, metav1.StatusReasonNotFound)
		}
		return &corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: parts[2], UID: podUID},
		}
	case request.Method == http.MethodPost && resource == "events" && len(parts) == 2:
		return a.create(namespace, request.Body)
	case request.Method == http.MethodPatch && resource == "events" && len(parts) == 3:
		return a.patch(namespace+"/"+parts[2], request)
	}
	a.t.Errorf("a request that we have no right to: %s %s", request.Method, request.URL.Path)
	return status(http.StatusForbidden, metav1.StatusReasonForbidden)
}

func (a *api) create(namespace string, body io.Reader) any {
	text, err := io.ReadAll(body)
	if err != nil {
		a.t.Error(err)
	}
	event := &corev1.Event{}
	if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(text, nil, event); err != nil {
		a.t.Error(err)
	}
	event.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}
	key := namespace + "/" + event.Name
	switch {
	case event.Namespace != namespace || event.InvolvedObject.Namespace != namespace:
		return status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	case a.events[key] != nil:
		return status(http.StatusConflict, metav1.StatusReasonAlreadyExists)
	}
	event.ResourceVersion = fmt.Sprint(len(a.requests))
	a.events[key] = event
	a.order = append(a.order, key)
	return event
}

func (a *api) patch(key string, request *http.Request) any {
	old := a.events[key]
	if old == nil {
		return status(http.StatusNotFound, metav1.StatusReasonNotFound)
	}
	if got := request.Header.Get("Content-Type"); got != string(types.StrategicMergePatchType) {
		a.t.Errorf("a patch of type %s", got)
	}
	patch, err := io.ReadAll(request.Body)
	if err != nil {
		a.t.Error(err)
	}
	before, err := json.Marshal(old)
	if err != nil {
		a.t.Error(err)
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, old)
	if err != nil {
		a.t.Error(err)
	}
	event := &corev1.Event{}
	if err := json.Unmarshal(after, event); err != nil {
		a.t.Error(err)
	}
	a.events[key] = event
	return event
}

func status(code int, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
		Message: string(reason),
	}
}

func (a *api) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// forget has all Events expire.
func (a *api) forget() {
	a.set(func() { a.events, a.order = map[string]*corev1.Event{}, nil })
}

// asked is when requests came.
func (a *api) asked() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

// all are the Events there are, in the order in which they came.
func (a *api) all() []corev1.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []corev1.Event
	for _, key := range a.order {
		list = append(list, *a.events[key])
	}
	return list
}

// lines are the Events in the way of kubectl, in order: "Warning Reason Kind namespace/name: message (x2)".
func (a *api) lines() []string {
	lines := []string{}
	for _, e := range a.all() {
		line := fmt.Sprintf("%s %s %s %s/%s: %s", e.Type, e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Namespace, e.InvolvedObject.Name, e.Message)
		if e.Count > 1 {
			line += fmt.Sprintf(" (x%d)", e.Count)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// inBubble runs a test in which time passes only when everybody waits. Sleeping there is how a test lets it pass.
func inBubble(t *testing.T, o events.Options, test func(*testing.T, *api, *events.Recorder, *logged.Text)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, log := &api{t: t, events: map[string]*corev1.Event{}}, &logged.Text{}
		o.Pod, o.Log = pod, slog.New(slog.NewTextHandler(log, nil))
		r, err := events.New(&rest.Config{Host: "http://api", Transport: a}, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		test(t, a, r, log)
	})
}

// world is a plan in the making.
type world struct {
	lists    cluster.Lists
	problems translate.Problems
}

func ingress(namespace, name, uid string) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid), ResourceVersion: "7"}}
}

func object(kind, namespace, name string) translate.Object {
	return translate.Object{Kind: kind, Namespace: namespace, Name: name}
}

// missing is a Problem of the n-th path of Ingress shop/web.
func missing(n int) translate.Problem {
	return translate.Problem{
		Object: object("Ingress", "shop", "web"), Field: fmt.Sprintf("spec.rules[0].http.paths[%d].backend.service.name", n),
		Severity: cluster.Error, Reason: translate.MissingService, Message: "Service shop/gone does not exist; the path answers 503",
	}
}

func missingLine(n int) string {
	return fmt.Sprintf("Warning MissingService Ingress shop/web: %s: %s", missing(n).Field, missing(n).Message)
}

// shop has the Ingress shop/web, with Problems.
func shop(problems ...translate.Problem) world {
	return world{cluster.Lists{Ingresses: []*networkingv1.Ingress{ingress("shop", "web", "uid-of-web")}}, problems}
}

// plan is what the loop hands over. All Ingresses are claimed.
func (w world) plan() controller.Plan {
	snapshot := cluster.New(w.lists)
	problems := slices.Clone(w.problems)
	problems.Sort()
	return controller.Plan{Problems: problems, Claimed: snapshot.Ingresses, Snapshot: snapshot}
}
