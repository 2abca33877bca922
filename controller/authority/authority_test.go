package authority

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/rest"
)

// apiServer keeps one Secret and one configuration as an API server does.
type apiServer struct {
	*httptest.Server

	mu            sync.Mutex
	secret        *corev1.Secret
	configuration *admissionv1.ValidatingWebhookConfiguration
	requests      []string
}

func newAPIServer(t *testing.T) *apiServer {
	hook := admissionv1.ValidatingWebhook{Name: "validate.nginx.ingress.kubernetes.io", ClientConfig: admissionv1.WebhookClientConfig{
		Service: &admissionv1.ServiceReference{Namespace: "ingress", Name: "sluice-admission"},
	}}
	a := &apiServer{
		secret:        &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "ca", ResourceVersion: "1"}},
		configuration: &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "sluice"}, Webhooks: []admissionv1.ValidatingWebhook{hook}},
	}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

const (
	secretPath        = "/api/v1/namespaces/ingress/secrets/ca"
	configurationPath = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/sluice"
)

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	var answer any
	switch request := r.Method + " " + r.URL.Path; request {
	case "GET " + secretPath:
		answer = a.secret
	case "GET " + configurationPath:
		answer = a.configuration
	case "PUT " + secretPath:
		a.requests = append(a.requests, "update secret")
		var update corev1.Secret
		if json.Unmarshal(body, &update) != nil || update.ResourceVersion != a.secret.ResourceVersion {
			conflict(w)
			return
		}
		version, _ := strconv.Atoi(a.secret.ResourceVersion)
		update.ResourceVersion = strconv.Itoa(version + 1)
		a.secret, answer = &update, &update
	case "PATCH " + configurationPath:
		a.requests = append(a.requests, "patch configuration")
		before, _ := json.Marshal(a.configuration)
		after, err := strategicpatch.StrategicMergePatch(before, body, admissionv1.ValidatingWebhookConfiguration{})
		if err != nil || json.Unmarshal(after, a.configuration) != nil {
			conflict(w)
			return
		}
		answer = a.configuration
	default:
		a.requests = append(a.requests, request)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func conflict(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusConflict)
	_ = json.NewEncoder(w).Encode(metav1.Status{Status: "Failure", Code: 409, Reason: metav1.StatusReasonConflict})
}

func (a *apiServer) authority(t *testing.T) *Authority {
	t.Helper()
	config := &rest.Config{Host: a.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	made, err := New(config, Options{
		Namespace: "ingress", Secret: "ca", Configuration: "sluice", Leads: func() bool { return true },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func look(t *testing.T, a *Authority, leads bool) {
	t.Helper()
	if err := a.look(t.Context(), leads); err != nil {
		t.Fatal(err)
	}
}

// TestTheLeaderWrites and nobody else, in an order in which a certificate is trusted before it is served.
func TestTheLeaderWrites(t *testing.T) {
	api := newAPIServer(t)
	leader, follower := api.authority(t), api.authority(t)
	look(t, follower, false)
	if _, err := follower.Certificate(nil); err == nil || api.requests != nil {
		t.Fatalf("a follower has made a certificate: %v", api.requests)
	}
	look(t, leader, true)
	look(t, leader, true)
	look(t, follower, false)
	if diff := cmp.Diff([]string{"patch configuration", "update secret"}, api.requests); diff != "" {
		t.Errorf("what was written (-want +got):\n%s", diff)
	}
	mine, err := leader.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err := follower.Certificate(nil); err != nil || !theirs.Leaf.Equal(mine.Leaf) {
		t.Errorf("the follower serves another certificate, or none: %v", err)
	}
	if mine.Leaf.VerifyHostname("sluice-admission.ingress.svc") != nil {
		t.Errorf("the certificate is for %v", mine.Leaf.DNSNames)
	}
	if hook := api.configuration.Webhooks[0]; string(hook.ClientConfig.CABundle) != string(api.secret.Data["ca"]) || hook.ClientConfig.Service == nil {
		t.Error("the API server does not trust the authority")
	}
}

// TestTheBundleIsPutBack after somebody has taken it out.
func TestTheBundleIsPutBack(t *testing.T) {
	api := newAPIServer(t)
	leader := api.authority(t)
	look(t, leader, true)
	api.configuration.Webhooks[0].ClientConfig.CABundle = []byte("\n")
	look(t, leader, true)
	if string(api.configuration.Webhooks[0].ClientConfig.CABundle) != string(api.secret.Data["ca"]) {
		t.Error("it is not back")
	}
}

// TestRotation has replicas serve what the leader makes when the present certificate is about to expire.
func TestRotation(t *testing.T) {
	api := newAPIServer(t)
	leader := api.authority(t)
	old, _, err := material{}.renewed(time.Now().Add(-300*24*time.Hour), []string{"sluice-admission.ingress.svc"})
	if err != nil {
		t.Fatal(err)
	}
	if api.secret.Data, err = old.data(); err != nil {
		t.Fatal(err)
	}
	look(t, leader, true)
	now, err := leader.Certificate(nil)
	if err != nil || now.Leaf.Equal(old.serving.Leaf) || time.Until(now.Leaf.NotAfter) < 364*24*time.Hour {
		t.Errorf("the certificate is the old one, %v", err)
	}
	if string(api.secret.Data["ca"]) != string(old.bundle()) {
		t.Error("the authority is another, though it is young")
	}
}

// TestTwoLeaders who do not know of each other: one has to begin again, and takes what the other has made.
func TestTwoLeaders(t *testing.T) {
	api := newAPIServer(t)
	one, two := api.authority(t), api.authority(t)
	stale := api.secret.DeepCopy()
	look(t, one, true)
	if _, err := two.renew(t.Context(), stale, material{}); err == nil {
		t.Fatal("the Secret was written twice")
	}
	look(t, two, true)
	a, errA := one.Certificate(nil)
	b, errB := two.Certificate(nil)
	if errA != nil || errB != nil || !a.Leaf.Equal(b.Leaf) || string(api.configuration.Webhooks[0].ClientConfig.CABundle) != string(api.secret.Data["ca"]) {
		t.Errorf("they do not agree: %v, %v", errA, errB)
	}
}

// TestRun serves as soon as it can, and never says what is in the Secret.
func TestRun(t *testing.T) {
	api := newAPIServer(t)
	api.secret.Data = map[string][]byte{"ca": []byte("garbage"), "key": []byte("very secret")}
	a := api.authority(t)
	log := make(lines, 100)
	a.options.Log = slog.New(slog.NewTextHandler(log, nil))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var said string
	for !strings.Contains(said, "has a certificate") {
		select {
		case line := <-log:
			said += line
		case <-time.After(20 * time.Second):
			t.Fatalf("there is no certificate: %s", said)
		}
	}
	if _, err := a.Certificate(nil); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(said, "filled anew") || strings.Contains(said, "very secret") {
		t.Errorf("the log is %s", said)
	}
}

// lines are those of a log.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
