package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/admission"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/controller/webhook"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

// world is everything around a Server.
type world struct {
	mu       sync.Mutex
	results  []string
	snapshot cluster.Snapshot
	notReady error
	hold     chan struct{} // if not nil, nobody learns anything before it is closed
	held     chan struct{} // gets a value from each who waits for that
	breaks   bool          // the planner fails
	log      bytes.Buffer
}

func (w *world) Ready() error { return w.notReady }

func (w *world) SnapshotFor(ctx context.Context, _ *networkingv1.Ingress) (cluster.Snapshot, error) {
	if w.hold == nil {
		return w.snapshot, nil
	}
	select {
	case w.held <- struct{}{}:
	case <-ctx.Done():
	}
	select {
	case <-w.hold:
		return w.snapshot, nil
	case <-ctx.Done():
		return cluster.Snapshot{}, ctx.Err()
	}
}

func (w *world) Reviewed(ingress cluster.Name, result string, _ admission.Verdict, _, _ time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, strings.TrimSpace(result+" "+ingress.String()))
}

func (w *world) server(t testing.TB) *webhook.Server { return w.serverWith(t, nil) }

func (w *world) serverWith(t testing.TB, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *webhook.Server {
	t.Helper()
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return webhook.New(webhook.Options{
		Source: w, Observer: w, Certificate: certificate, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Good: func() cluster.Fallback { return cluster.Fallback{} },
		Plan: func() controller.Options {
			if w.breaks {
				return controller.Options{Translate: translate.Options{Selection: cluster.Selection{WithoutClass: true}}} // without templates
			}
			return controller.Options{
				Translate: translate.Options{Selection: cluster.Selection{WithoutClass: true}}, Render: golden.Render, Templates: set,
			}
		},
	})
}

func object(annotations ...string) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{}},
		Spec:       networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "shop.example.com"}}},
	}
	for _, a := range annotations {
		key, value, _ := strings.Cut(a, "=")
		ing.Annotations["nginx.ingress.kubernetes.io/"+key] = value
	}
	return ing
}

// review is a question about a new Ingress.
func review(t testing.TB, ing *networkingv1.Ingress, change ...func(*admissionv1.AdmissionRequest)) []byte {
	t.Helper()
	request := &admissionv1.AdmissionRequest{
		UID: "7d0ab5b4", Operation: admissionv1.Create, Namespace: ing.Namespace, Name: ing.Name,
		Resource: metav1.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
		Object:   runtime.RawExtension{Raw: text(t, ing)},
	}
	for _, f := range change {
		f(request)
	}
	return text(t, admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request})
}

func text(t testing.TB, o any) []byte {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func post(body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/networking/v1/ingresses?timeout=10s", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func ask(t testing.TB, s http.Handler, r *http.Request) (*httptest.ResponseRecorder, *admissionv1.AdmissionResponse) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return w, nil
	}
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.APIVersion != "admission.k8s.io/v1" || answer.Kind != "AdmissionReview" || answer.Response == nil || answer.Response.UID != "7d0ab5b4" {
		t.Fatalf("the answer is %s", w.Body)
	}
	return w, answer.Response
}

func TestAnswers(t *testing.T) {
	bad := object("allowlist-source-range=office", "ssl-redirct=true")
	isUpdate := func(r *admissionv1.AdmissionRequest) {
		r.Operation, r.OldObject.Raw = admissionv1.Update, text(t, object())
	}
	now := metav1.Now()
	leaving := bad.DeepCopy()
	leaving.DeletionTimestamp = &now
	for _, test := range []struct {
		name    string
		body    []byte
		refused bool
		result  string
	}{
		{"bad", review(t, bad), true, "refused shop/web"},
		{"bad, and only asked", review(t, bad, func(r *admissionv1.AdmissionRequest) { yes := true; r.DryRun = &yes }), true, "refused shop/web"},
		{"made bad", review(t, bad, isUpdate), true, "refused shop/web"},
		{"good", review(t, object()), false, "allowed shop/web"},
		{"bad already", review(t, bad, isUpdate, func(r *admissionv1.AdmissionRequest) { r.OldObject.Raw = text(t, bad) }), false, "allowed shop/web"},
		{"being deleted", review(t, leaving, isUpdate), false, "foreign"},
		{"deleted", review(t, bad, func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.OldObject, r.Object = admissionv1.Delete, r.Object, runtime.RawExtension{}
		}), false, "foreign"},
		{"its status", review(t, bad, isUpdate, func(r *admissionv1.AdmissionRequest) { r.SubResource = "status" }), false, "foreign"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{snapshot: cluster.New(cluster.Lists{})}
			_, answer := ask(t, w.server(t), post(test.body))
			if answer == nil || answer.Allowed == test.refused {
				t.Fatalf("the answer is %+v", answer)
			}
			if diff := cmp.Diff([]string{test.result}, w.results); diff != "" {
				t.Errorf("what was told (-want +got):\n%s", diff)
			}
			if !test.refused {
				return
			}
			want := &metav1.Status{
				Status: metav1.StatusFailure, Code: 400, Reason: metav1.StatusReasonBadRequest,
				Message: `Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/allowlist-source-range]: "office" has the item "office", ` +
					`which is neither an address nor a network such as 10.0.0.0/8; its paths answer 503 (InvalidAnnotationValue)`,
			}
			if diff := cmp.Diff(want, answer.Result); diff != "" {
				t.Errorf("the refusal (-want +got):\n%s", diff)
			}
			misspelt := "metadata.annotations[nginx.ingress.kubernetes.io/ssl-redirct]: no annotation has this name, so it has no effect; did you mean ssl-redirect? (UnknownAnnotation)"
			if diff := cmp.Diff([]string{misspelt}, answer.Warnings); diff != "" {
				t.Errorf("the warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatIsNoReview has everything that is refused before anybody judges.
func TestWhatIsNoReview(t *testing.T) {
	good := review(t, object())
	changed := func(f func(*http.Request)) *http.Request {
		r := post(good)
		f(r)
		return r
	}
	elsewhere := object()
	elsewhere.Namespace = "a\nb"
	for _, test := range []struct {
		name    string
		request *http.Request
		status  int
	}{
		{"another method", changed(func(r *http.Request) { r.Method = http.MethodPut }), 405},
		{"another type", changed(func(r *http.Request) { r.Header.Set("Content-Type", "application/yaml") }), 415},
		{"no type", changed(func(r *http.Request) { r.Header.Del("Content-Type") }), 415},
		{"nothing", post(nil), 400},
		{"no JSON", post([]byte("{")), 400},
		{"no request", post([]byte(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}`)), 400},
		{"another version", post(bytes.Replace(good, []byte("admission.k8s.io/v1"), []byte("admission.k8s.io/v1beta1"), 1)), 400},
		{"no UID", post(bytes.Replace(good, []byte("7d0ab5b4"), nil, 1)), 400},
		{"another resource", post(review(t, object(), func(r *admissionv1.AdmissionRequest) { r.Resource.Resource = "pods" })), 400},
		{"no Ingress", post(review(t, object(), func(r *admissionv1.AdmissionRequest) { r.Object.Raw = []byte(`"x"`) })), 400},
		{"no former version", post(review(t, object(), func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Update })), 400},
		{"a name that is none", post(review(t, elsewhere)), 400},
		{"much too long", post(make([]byte, 9<<20+1)), 413},
		{"much too long, without saying so", changed(func(r *http.Request) {
			r.ContentLength, r.Body = -1, io.NopCloser(io.LimitReader(zeros{}, 9<<20+1))
		}), 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{snapshot: cluster.New(cluster.Lists{})}
			recorder, _ := ask(t, w.server(t), test.request)
			if recorder.Code != test.status || !cmp.Equal(w.results, []string{"malformed"}) {
				t.Errorf("status %d, %v; want %d: %s", recorder.Code, w.results, test.status, recorder.Body)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestTheClusterIsNotKnownYet, so nobody can say what is right.
func TestTheClusterIsNotKnownYet(t *testing.T) {
	w := &world{notReady: errors.New("nothing listed")}
	recorder, _ := ask(t, w.server(t), post(review(t, object())))
	if recorder.Code != 503 || recorder.Header().Get("Retry-After") != "1" || !cmp.Equal(w.results, []string{"failed"}) {
		t.Errorf("status %d, %v: %s", recorder.Code, w.results, recorder.Body)
	}
}

// TestAPanicEndsOneReview and nothing else.
func TestAPanicEndsOneReview(t *testing.T) {
	w := &world{snapshot: cluster.New(cluster.Lists{}), breaks: true}
	s := w.server(t)
	recorder, _ := ask(t, s, post(review(t, object())))
	if recorder.Code != 500 || !strings.Contains(w.log.String(), "a review made the planner fail") {
		t.Errorf("status %d: %s\n%s", recorder.Code, recorder.Body, &w.log)
	}
	w.breaks = false
	if _, answer := ask(t, s, post(review(t, object()))); answer == nil || !answer.Allowed {
		t.Errorf("the next answer is %+v", answer)
	}
}

// TestTooManyAtOnce fills the server with reviews that do not end. Others find no room, until those have ended.
func TestTooManyAtOnce(t *testing.T) {
	w := &world{snapshot: cluster.New(cluster.Lists{}), hold: make(chan struct{}), held: make(chan struct{})}
	s := w.server(t)
	body := review(t, object())
	serve := func(timeout string) int {
		recorder := httptest.NewRecorder()
		r := post(body)
		r.URL.RawQuery = "timeout=" + timeout
		s.ServeHTTP(recorder, r)
		return recorder.Code
	}
	const room = 18 // for reviews as small as these
	var group sync.WaitGroup
	for range room {
		group.Go(func() {
			if code := serve("30s"); code != 200 {
				t.Errorf("a review that found room has the status %d", code)
			}
		})
	}
	for range room {
		<-w.held
	}
	for range 3 {
		if code := serve("10ms"); code != 429 {
			t.Errorf("a review that finds no room has the status %d", code)
		}
	}
	close(w.hold)
	group.Wait()
	w.hold = nil
	if _, answer := ask(t, s, post(body)); answer == nil || !answer.Allowed {
		t.Errorf("afterwards the answer is %+v", answer)
	}
}

// TestManyWarnings keeps to what the API server passes on.
func TestManyWarnings(t *testing.T) {
	ing := object()
	for i := range 100 {
		ing.Annotations[fmt.Sprintf("nginx.ingress.kubernetes.io/unknown-%d-%s", i, strings.Repeat("é", 100))] = "x"
	}
	w := &world{snapshot: cluster.New(cluster.Lists{})}
	_, answer := ask(t, w.server(t), post(review(t, ing)))
	total := 0
	for _, warning := range answer.Warnings {
		total += len(warning)
		if len(warning) > 256 || !strings.HasPrefix(warning, "metadata.annotations[") && !strings.HasPrefix(warning, "and 8") {
			t.Errorf("%d bytes: %s", len(warning), warning)
		}
	}
	if len(answer.Warnings) != 16 || total > 4096 {
		t.Errorf("there are %d warnings of %d bytes", len(answer.Warnings), total)
	}
}

// TestServing asks over TLS, with the certificate of files that then change.
func TestServing(t *testing.T) {
	files := certificateFiles(t)
	w := &world{snapshot: cluster.New(cluster.Lists{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.serverWith(t, files.Get).Run(ctx, listener) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := client.Post("https://"+listener.Addr().String()+"/", "application/json", bytes.NewReader(review(t, object())))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 || response.ProtoMajor != 1 || response.TLS.PeerCertificates[0].DNSNames[0] != "ingress.local" {
		t.Errorf("status %d over %s", response.StatusCode, response.Proto)
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}}}
	if response, err := old.Get("https://" + listener.Addr().String() + "/"); err == nil {
		response.Body.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// TestHugeReview is of an Ingress that just fits into etcd. The server gives up after ten seconds.
func TestHugeReview(t *testing.T) {
	ing := object()
	kind := networkingv1.PathTypePrefix
	http := &networkingv1.HTTPIngressRuleValue{}
	for i := range 4000 {
		http.Paths = append(http.Paths, networkingv1.HTTPIngressPath{Path: fmt.Sprintf("/%s/%d", strings.Repeat("x", 250), i), PathType: &kind, Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
		}})
	}
	ing.Spec.Rules[0].HTTP = http
	body := review(t, ing)
	w := &world{snapshot: cluster.New(cluster.Lists{})}
	_, answer := ask(t, w.server(t), post(body))
	if answer == nil || !answer.Allowed {
		t.Fatalf("the answer is %+v", answer)
	}
}
