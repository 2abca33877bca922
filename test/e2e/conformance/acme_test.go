//go:build e2e

package conformance_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"hash/adler32"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// solver is what cert-manager 1.18 makes for one HTTP-01 challenge (RFC 8555 section 8.3): a Pod, a Service and an Ingress
// of their own beside the Ingress whose certificate is wanted, and with a class in one of two ways.
type solver struct {
	host, token string
	annotation  bool // the class is in the annotation, not in the spec
	pathType    networkingv1.PathType
}

func (v solver) path() string { return "/.well-known/acme-challenge/" + v.token }

// metadata has the labels by which cert-manager finds its objects again.
func (v solver) metadata() metav1.ObjectMeta {
	sum := func(text string) string { return fmt.Sprint(adler32.Checksum([]byte(text))) }
	return metav1.ObjectMeta{GenerateName: "cm-acme-http-solver-", Labels: map[string]string{
		"acme.cert-manager.io/http-domain":   sum(v.host),
		"acme.cert-manager.io/http-token":    sum(v.token),
		"acme.cert-manager.io/http01-solver": "true",
	}}
}

const solverPort = 8089

// pod answers with what it was asked for; cert-manager's answers with the token and the key of the account.
func (v solver) pod() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: v.metadata(), Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyOnFailure,
		Containers: []corev1.Container{{
			Name: "acmesolver", Image: "example/echo", Args: []string{fmt.Sprintf("-listen=$(POD_IP):%d", solverPort)},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: solverPort}},
			Env: []corev1.EnvVar{
				{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
				{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
			},
		}},
	}}
}

func (v solver) service() *corev1.Service {
	return &corev1.Service{ObjectMeta: v.metadata(), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, Selector: v.metadata().Labels,
		Ports: []corev1.ServicePort{{Name: "http", Port: solverPort, TargetPort: intstr.FromInt32(solverPort)}},
	}}
}

func (v solver) ingress(service, class string) *networkingv1.Ingress {
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: solverPort}}}
	path := networkingv1.HTTPIngressPath{Path: v.path(), PathType: &v.pathType, Backend: backend}
	ingress := &networkingv1.Ingress{ObjectMeta: v.metadata(), Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
		Host: v.host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{path}}},
	}}}}
	ingress.Annotations = map[string]string{"nginx.ingress.kubernetes.io/whitelist-source-range": "0.0.0.0/0,::/0"}
	if v.annotation {
		ingress.Annotations["kubernetes.io/ingress.class"] = class
	} else {
		ingress.Spec.IngressClassName = &class
	}
	return ingress
}

// present makes the objects and returns when the API server has taken the last of them.
func (s site) present(v solver) (at time.Time, remove func()) {
	s.Helper()
	api := suite.Client(s)
	pod, err := api.CoreV1().Pods(s.namespace).Create(s.Context(), v.pod(), metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
	service, err := api.CoreV1().Services(s.namespace).Create(s.Context(), v.service(), metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
	ingress, err := api.NetworkingV1().Ingresses(s.namespace).Create(s.Context(), v.ingress(service.Name, unasked), metav1.CreateOptions{})
	at = time.Now()
	if err != nil {
		s.Fatal(err)
	}
	return at, func() {
		s.Helper()
		s.deleteIngress(ingress.Name)
		if err := api.CoreV1().Services(s.namespace).Delete(s.Context(), service.Name, metav1.DeleteOptions{}); err != nil {
			s.Error(err)
		}
		if err := api.CoreV1().Pods(s.namespace).Delete(s.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
			s.Error(err)
		}
	}
}

// unasked is a release, and its class, that takes Ingresses which its webhook would refuse.
const unasked = "unasked"

// TestChallengesAreAnswered within a second, although the hosts redirect to https, keep everybody out, and match by regular
// expressions.
func TestChallengesAreAnswered(t *testing.T) {
	s := newSite(t, "web").at(suite.Install(t, unasked, valuesFor(unasked, "admissionWebhooks: {enabled: false}")))
	s.guarded("denied", "nginx.ingress.kubernetes.io/enable-modsecurity: maybe")
	s.guarded("listed", "nginx.ingress.kubernetes.io/whitelist-source-range: 192.0.2.1")
	s.wantStatus(503, "http://denied.DOMAIN/") // a guard that cannot be read lets nobody in
	s.wantStatus(308, "http://listed.DOMAIN/")
	s.wantStatus(403, "https://listed.DOMAIN/")

	const times, longest = 10, time.Second
	var took []time.Duration
	for i := range times {
		v := solver{host: s.text([]string{"denied.DOMAIN", "listed.DOMAIN"}[i%2]), token: randomToken(t), annotation: i%4 < 2, pathType: networkingv1.PathTypeExact}
		if i >= times/2 {
			v.pathType = networkingv1.PathTypeImplementationSpecific
		}
		at, remove := s.present(v)
		s.get("http://"+v.host+v.path(), func(a suite.Answer) error {
			if a.Status != 200 || !strings.HasPrefix(a.Pod, "cm-acme-http-solver-") || !strings.Contains(a.Body, fmt.Sprintf(`"path":%q`, v.path())) {
				return fmt.Errorf("status %d of pod %q: %s", a.Status, a.Pod, a.Body)
			}
			return nil
		})
		took = append(took, time.Since(at))
		remove()
	}
	sorted := slices.Sorted(slices.Values(took))
	t.Logf("measured: a challenge is answered after p50 %v, max %v, in order %v", sorted[times/2], sorted[times-1], took)
	if sorted[times/2] > longest { // a busy machine may hold up some
		t.Errorf("half of the challenges took longer than %v", longest)
	}
	s.wantStatus(503, "http://denied.DOMAIN/")
}

// guarded is an Ingress that lets nobody in, with regular expressions and a certificate that is yet to come.
func (s site) guarded(name, annotation string) {
	s.Helper()
	s.of(name, `annotations: {
		`+annotation+`, nginx.ingress.kubernetes.io/force-ssl-redirect: "true",
		nginx.ingress.kubernetes.io/use-regex: "true", nginx.ingress.kubernetes.io/rewrite-target: /$1}`,
		"ingressClassName: "+unasked+", tls: [{hosts: ["+name+".DOMAIN], secretName: "+name+"}],")
	s.patchIngress(name, `{"spec": {"rules": [{"host": "`+s.text(name+".DOMAIN")+`", "http": {"paths": [
		{"path": "/(.*)", "pathType": "ImplementationSpecific", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}`)
}

// randomToken is one as certificate authorities choose it.
func randomToken(t testing.TB) string {
	t.Helper()
	var bits [32]byte
	if _, err := rand.Read(bits[:]); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(bits[:])
}
