package diagnosis_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/diagnosis"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/persistent"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// healthy is a cluster in which nothing is wrong.
func healthy() diagnosis.Evidence {
	web := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1"}, Spec: networkingv1.IngressSpec{IngressClassName: new("nginx")},
	}
	class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: cluster.DefaultControllerClass}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "sluice-1"},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	return diagnosis.Evidence{
		Now: now,
		Controllers: []diagnosis.Controller{{
			Kind: "Deployment", Name: service, Pods: []*corev1.Pod{pod},
			Flags: diagnosis.Flags{Service: service, Lease: cluster.Name{Namespace: "ingress", Name: "leader"}, HasWebhook: true, WebhookConfiguration: "sluice"},
			Plan: controller.Plan{
				Claimed: []*networkingv1.Ingress{web}, Ingresses: 1,
				Snapshot:     cluster.New(cluster.Lists{Ingresses: []*networkingv1.Ingress{web}, Classes: []*networkingv1.IngressClass{class}}),
				Certificates: expires(now.Add(60 * 24 * time.Hour)),
			},
			Metrics: map[string]diagnosis.Metrics{"sluice-1": {LastGood: true, LastApplied: now.Add(-time.Minute)}},
		}},
		Leases: map[cluster.Name]*coordinationv1.Lease{{Namespace: "ingress", Name: "leader"}: {Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("sluice-1"), RenewTime: &metav1.MicroTime{Time: now.Add(-time.Second)}, LeaseDurationSeconds: new(int32(30)),
		}}},
		Services: map[cluster.Name]*corev1.Service{service: {
			Spec:   corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
			Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}}},
		}},
		Slices: map[cluster.Name][]*discoveryv1.EndpointSlice{service: {{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}}}}},
		Webhooks: []admissionv1.ValidatingWebhookConfiguration{{ObjectMeta: metav1.ObjectMeta{Name: "sluice"}, Webhooks: []admissionv1.ValidatingWebhook{{
			ClientConfig: admissionv1.WebhookClientConfig{CABundle: []byte("CA"), Service: &admissionv1.ServiceReference{Namespace: "ingress", Name: "sluice"}},
			Rules:        []admissionv1.RuleWithOperations{{Rule: admissionv1.Rule{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses"}}}},
		}}}},
	}
}

// expires are the certificates of a plan with one host.
func expires(end time.Time) persistent.Map[string, translate.CertificateUse] {
	const host = "shop.example.com"
	return persistent.Of(map[string]translate.CertificateUse{host: {Host: host, Secret: cluster.Name{Namespace: "shop", Name: "tls"}, Leaf: &x509.Certificate{NotAfter: end}}})
}

// notOK are the findings that are not in order, one line each.
func notOK(t *testing.T, findings []diagnosis.Finding) []string {
	t.Helper()
	var lines []string
	for _, f := range findings {
		if f.State == diagnosis.OK {
			continue
		}
		if f.Fix == "" || f.Link == "" {
			t.Errorf("%s: %s: it says nothing of what to do: %+v", f.Check, f.Cause, f)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", f.State, f.Check, f.Object, f.Cause))
	}
	return lines
}

func TestNothingIsWrongWithAHealthyCluster(t *testing.T) {
	findings := diagnosis.Examine(healthy())
	if diff := cmp.Diff([]string(nil), notOK(t, findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if len(findings) < 9 {
		t.Errorf("only %d checks were made", len(findings))
	}
}

// planted is what is wrong, and what is found.
type planted struct {
	change func(*diagnosis.Evidence)
	want   []string
}

var leader, service = cluster.Name{Namespace: "ingress", Name: "leader"}, cluster.Name{Namespace: "ingress", Name: "sluice"}

var inReplicas = map[string]planted{
	"no controller": {func(e *diagnosis.Evidence) { e.Controllers, e.Webhooks = nil, nil },
		[]string{"failed controller : no pod of an ingress controller was found"}},
	"a pod whose image cannot be pulled": {func(e *diagnosis.Evidence) {
		e.Controllers[0].Metrics = nil
		e.Controllers[0].Pods[0].Status = corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
			{Name: "controller", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}},
		}}
	}, []string{"failed controller Pod ingress/sluice-1: the pod is not ready: container controller waits: ImagePullBackOff no such image"}},
	"a container that ran out of memory": {func(e *diagnosis.Evidence) {
		e.Controllers[0].Pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "nginx", LastTerminationState: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", FinishedAt: metav1.NewTime(now.Add(-5 * time.Minute))},
		}}}
	}, []string{"warning controller Pod ingress/sluice-1: container nginx ended 5m ago with status 137 (OOMKilled), and was started again"}},
	"no class": {func(e *diagnosis.Evidence) {
		e.Controllers[0].Flags.Selection.ControllerClass = "example.com/other"
	}, []string{"failed class Deployment ingress/sluice: no IngressClass has spec.controller: example.com/other, so no spec.ingressClassName leads here"}},
	"an Ingress of a class that does not exist": {func(e *diagnosis.Evidence) {
		e.Controllers[0].Plan.Snapshot.Ingresses[0].Spec.IngressClassName = new("ngnix")
	}, []string{`failed class Ingress shop/web: no controller serves it: class "ngnix" does not exist`}},
	"two controllers": {func(e *diagnosis.Evidence) {
		e.Controllers = append(e.Controllers, diagnosis.Controller{Kind: "DaemonSet", Name: cluster.Name{Namespace: "old", Name: "nginx"}, IsForeign: true})
	}, []string{"failed rivals Deployment ingress/sluice: DaemonSet old/nginx takes the same objects: IngressClass nginx; 1 Ingresses, such as shop/web; both serve them, and both write their status by turns"}},
	"two controllers for other namespaces": {func(e *diagnosis.Evidence) {
		e.Controllers = append(e.Controllers, diagnosis.Controller{IsForeign: true})
		e.Controllers[0].Flags.Selection.WatchNamespace, e.Controllers[1].Flags.Selection.WatchNamespace = "shop", "other"
	}, nil},
}

var inTheLoop = map[string]planted{
	"a leader that is silent": {func(e *diagnosis.Evidence) {
		e.Leases[leader].Spec.RenewTime = &metav1.MicroTime{Time: now.Add(-3 * time.Minute)}
	}, []string{"failed lease Lease ingress/leader: sluice-1 leads, and has not said so for 3m"}},
	"another controller's Lease": {func(e *diagnosis.Evidence) { e.Leases[leader].Spec.HolderIdentity = new("other-1") },
		[]string{"failed lease Lease ingress/leader: other-1 leads, which is no pod of this controller"}},
	"a Lease that may not be read": {func(e *diagnosis.Evidence) {
		delete(e.Leases, leader)
		e.Unread = []diagnosis.Unread{{What: "Lease ingress/leader", Err: errors.New("forbidden")}}
	}, []string{"unknown access : Lease ingress/leader cannot be read: forbidden"}},
	"a configuration that fails": {func(e *diagnosis.Evidence) {
		e.Controllers[0].Metrics["sluice-1"] = diagnosis.Metrics{LastApplied: now.Add(-3 * time.Hour), Failures: map[string]float64{"test": 4, "push": 0}}
	}, []string{"failed apply Pod ingress/sluice-1: the newest configuration could not be loaded; that of 3h ago is live, and endpoints go on changing; failed: test 4 times"}},
	"a quarantined object": {func(e *diagnosis.Evidence) {
		e.Controllers[0].Metrics["sluice-1"] = diagnosis.Metrics{LastGood: true, LastApplied: now, Quarantined: 1}
		about := corev1.ObjectReference{Kind: "Ingress", Namespace: "shop", Name: "web", UID: "1"}
		e.Refusals = []corev1.Event{
			{Reason: "RefusedByNGINX", Message: "older", InvolvedObject: about, LastTimestamp: metav1.NewTime(now.Add(-time.Hour))},
			{Reason: "RefusedByNGINX", Message: "newer", InvolvedObject: about, LastTimestamp: metav1.NewTime(now)},
			{Reason: "RefusedByNGINX", Message: "gone", InvolvedObject: corev1.ObjectReference{Kind: "Ingress", Namespace: "shop", Name: "web", UID: "0"}},
		}
	}, []string{"failed quarantine Ingress shop/web: newer"}},
	"an Event of a quarantine that is over": {func(e *diagnosis.Evidence) {
		e.Refusals = []corev1.Event{{Reason: "RefusedByNGINX", InvolvedObject: corev1.ObjectReference{UID: "1"}}}
	}, nil},
}

var around = map[string]planted{
	"a webhook that is left over": {func(e *diagnosis.Evidence) { e.Webhooks[0].Webhooks[0].ClientConfig.Service.Name = "gone" },
		[]string{"failed webhook ValidatingWebhookConfiguration sluice: it asks Service ingress/gone, which does not exist: the API server refuses every change of an Ingress that it is asked about"}},
	"a webhook that nobody trusts": {func(e *diagnosis.Evidence) {
		e.Webhooks[0].Webhooks[0].ClientConfig.CABundle = nil
		e.Webhooks[0].Webhooks[0].FailurePolicy = new(admissionv1.Ignore)
	}, []string{"failed webhook ValidatingWebhookConfiguration sluice: it has no certificate authority, so the API server does not trust the webhook: changes of Ingresses are stored unseen"}},
	"no webhook although the controller answers": {func(e *diagnosis.Evidence) { e.Webhooks = nil },
		[]string{"failed webhook Deployment ingress/sluice: the controller answers reviews, but there is no ValidatingWebhookConfiguration sluice that asks it about Ingresses: mistakes are stored unseen"}},
	"a load balancer without an address": {func(e *diagnosis.Evidence) { e.Services[service].Status = corev1.ServiceStatus{} },
		[]string{"failed service Service ingress/sluice: it waits for the address of a load balancer"}},
	"a Service without endpoints": {func(e *diagnosis.Evidence) {
		e.Slices[service][0].Endpoints[0].Conditions.Ready = new(false)
	}, []string{
		"failed webhook ValidatingWebhookConfiguration sluice: it asks Service ingress/sluice, which has no ready endpoint: the API server refuses every change of an Ingress that it is asked about",
		"failed service Service ingress/sluice: it has no ready endpoint: nobody gets through to the controller",
	}},
	"a certificate that expires soon": {func(e *diagnosis.Evidence) { e.Controllers[0].Plan.Certificates = expires(now.Add(50 * time.Hour)) },
		[]string{"warning certificates Secret shop/tls: the certificate of shop.example.com expires in 2d"}},
	"a Problem, told once": {func(e *diagnosis.Evidence) {
		problem := translate.Problem{Object: translate.Object{Kind: "Ingress", Namespace: "shop", Name: "web"}, Severity: cluster.Error, Reason: translate.MissingSecret, Message: "gone"}
		e.Controllers[0].Plan.Problems = translate.Problems{problem, problem}
	}, []string{"failed problems Ingress shop/web: gone"}},
}

// asks has the Ingress ask a Service of the cluster, which is there unless it is changed.
func asks(target string, change func(*diagnosis.Evidence)) func(*diagnosis.Evidence) {
	return func(e *diagnosis.Evidence) {
		c, name := &e.Controllers[0], cluster.Name{Namespace: "auth", Name: "login"}
		c.Plan.AnnotationsPrefix = "nginx.ingress.kubernetes.io"
		c.Plan.Claimed[0].Annotations = map[string]string{"nginx.ingress.kubernetes.io/auth-url": target}
		e.Services[name] = &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []corev1.ServicePort{{Port: 8080}}}}
		e.Slices[name] = []*discoveryv1.EndpointSlice{{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.2"}}}}}
		change(e)
	}
}

var login = cluster.Name{Namespace: "auth", Name: "login"}

var asked = map[string]planted{
	"an auth service": {asks("http://login.auth.svc.cluster.local:8080/check?u=$request_uri", func(*diagnosis.Evidence) {}), nil},
	"an auth service elsewhere": {asks("https://login.example.com/check", func(e *diagnosis.Evidence) {
		delete(e.Services, login)
	}), nil},
	"a dead auth service": {asks("http://login.auth.svc.cluster.local:8080/check", func(e *diagnosis.Evidence) { delete(e.Slices, login) }),
		[]string{"failed asked Ingress shop/web: Service auth/login, which is asked about each request, has no ready endpoint; requests get 500"}},
	"an auth service that is not there": {asks("http://login.auth.svc:8080/check", func(e *diagnosis.Evidence) { delete(e.Services, login) }),
		[]string{"failed asked Ingress shop/web: Service auth/login, which is asked about each request, does not exist; requests get 500"}},
	"an auth service on another port": {asks("http://login.auth.svc.cluster.local/check", func(*diagnosis.Evidence) {}),
		[]string{"failed asked Ingress shop/web: Service auth/login, which is asked about each request, has no port 80; requests get 500"}},
	"a dead auth service for all": {asks("", func(e *diagnosis.Evidence) {
		delete(e.Slices, login)
		c := &e.Controllers[0]
		c.ConfigMap = cluster.Name{Namespace: "ingress", Name: "settings"}
		c.Plan.Snapshot = cluster.New(cluster.Lists{
			Ingresses: c.Plan.Claimed, Classes: slices.Collect(maps.Values(maps.Collect(c.Plan.Snapshot.Classes.All()))),
			ConfigMaps: []*corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "settings"}, Data: map[string]string{"global-auth-url": "http://login.auth.svc:8080"}}},
		})
	}), []string{"failed asked ConfigMap ingress/settings: Service auth/login, which is asked about each request, has no ready endpoint; requests get 500"}},
	"an auth service that may not be looked at": {asks("http://login.auth.svc:8080/check", func(e *diagnosis.Evidence) {
		delete(e.Services, login)
		e.Unread = []diagnosis.Unread{{What: "Service auth/login", Err: errors.New("forbidden")}}
	}), []string{"unknown access : Service auth/login cannot be read: forbidden"}},
}

func TestFindings(t *testing.T) {
	for _, list := range []map[string]planted{inReplicas, inTheLoop, around, asked} {
		for name, c := range list {
			t.Run(name, func(t *testing.T) {
				e := healthy()
				c.change(&e)
				if diff := cmp.Diff(c.want, notOK(t, diagnosis.Examine(e))); diff != "" {
					t.Errorf("findings (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestProblemsHaveTheWordsOfTheDocumentation(t *testing.T) {
	f := diagnosis.OfProblem(translate.Problem{Reason: translate.RefusedByNGINX})
	if !strings.HasPrefix(f.Fix, "change the field") || !strings.HasSuffix(f.Link, "/docs/reasons.md#refusedbynginx") {
		t.Errorf("of RefusedByNGINX: fix %q, link %q", f.Fix, f.Link)
	}
}

// TestChecksAreDocumented wants the page that findings link to to have a section for each check.
func TestChecksAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kubectl-ingress.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []string{
		diagnosis.CheckAccess, diagnosis.CheckController, diagnosis.CheckClass, diagnosis.CheckRivals, diagnosis.CheckLease, diagnosis.CheckApply,
		diagnosis.CheckQuarantine, diagnosis.CheckWebhook, diagnosis.CheckService, diagnosis.CheckCertificates, diagnosis.CheckAsked, diagnosis.CheckProblems,
	} {
		if !strings.Contains(string(page), "\n### "+check+"\n") {
			t.Errorf("docs/kubectl-ingress.md has no section %s", check)
		}
	}
}
