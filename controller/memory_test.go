package controller_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	random "math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/fleet"
)

// A plan that remembers earlier ones equals one that remembers nothing.
func TestMemoryChangesNoPlan(t *testing.T) {
	for name, options := range modes {
		t.Run(name, func(t *testing.T) { compareMemory(t, options) })
	}
}

func compareMemory(t *testing.T, options func(testing.TB) controller.Options) {
	r := random.New(random.NewPCG(1, 2))
	o, lists := options(t), fleet.Lists(12, 8080, "10.0.0.1", "10.0.0.2")
	o.Translate.ConfigMap = cluster.Name{Namespace: "n", Name: "c"}
	o.Translate.DefaultBackend = cluster.Name{Namespace: "team-0", Name: "svc-0-1"}
	for _, ingress := range lists.Ingresses {
		secret := tlsSecrets()[r.IntN(2)].DeepCopy()
		secret.Namespace, secret.Name = ingress.Namespace, "a"
		lists.Secrets = append(lists.Secrets, secret)
		ingress.Spec.TLS = []networkingv1.IngressTLS{{SecretName: "a"}}
	}
	var good cluster.Fallback
	for step := range 400 {
		for range 1 + r.IntN(3) {
			change(r, &lists)
		}
		remembering, fresh := o, options(t)
		fresh.Translate.ConfigMap, fresh.Translate.DefaultBackend = o.Translate.ConfigMap, o.Translate.DefaultBackend
		snapshot := cluster.New(lists)
		snapshot.Fallback, snapshot.Now = good, noon.Add(time.Duration(step)*time.Minute)
		got, err := remembering.Plan(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		want, err := fresh.Plan(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		good = got.Good
		for _, rest := range [][2]any{{got.Good, want.Good}, {got.Claimed, want.Claimed}, {got.Ingresses, want.Ingresses}, {got.Certificates, want.Certificates}} {
			if !reflect.DeepEqual(rest[0], rest[1]) {
				t.Fatalf("step %d: the plans differ:\n%v\n%v", step, rest[0], rest[1])
			}
		}
		// In dynamic mode a configuration may have shapes that only former routes need.
		if o.Routing == controller.Compiled && !reflect.DeepEqual(got.Files, want.Files) || !reflect.DeepEqual(got.Dynamic, want.Dynamic) || !reflect.DeepEqual(got.Problems, want.Problems) {
			t.Fatalf("step %d: the plans differ:\n%v\n%v", step, got.Problems, want.Problems)
		}
	}
}

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// tlsSecrets are certificates for all hosts of a fleet, one of which expires while a test goes on, and Secrets that have none.
var tlsSecrets = sync.OnceValue(func() []*corev1.Secret {
	secret := func(chain, key []byte) *corev1.Secret {
		return &corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: chain, corev1.TLSPrivateKeyKey: key}}
	}
	soon, soonKey := certificate(noon.Add(200*time.Minute), "*.example.com")
	late, lateKey := certificate(noon.Add(time.Hour*24*365), "*.example.com", "host-1.example.com")
	return []*corev1.Secret{secret(soon, soonKey), secret(late, lateKey), secret(late, lateKey), secret(soon, lateKey), secret(nil, nil)}
})

func certificate(notAfter time.Time, names ...string) (chain, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: notAfter.AddDate(-1, 0, 0), NotAfter: notAfter, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// change replaces one object of the lists by another version, as a source does: objects are never changed.
func change(r *random.Rand, l *cluster.Lists) {
	i := r.IntN(len(l.Ingresses))
	namespace := l.Ingresses[i].Namespace
	switch r.IntN(12) {
	case 0, 1, 2, 3, 4:
		ingress := l.Ingresses[i].DeepCopy()
		changeIngress(r, ingress)
		l.Ingresses[i] = ingress
	case 5:
		s := r.IntN(len(l.Slices))
		old := l.Slices[s]
		l.Slices[s] = fleet.Slice(old.Namespace, old.Labels["kubernetes.io/service-name"], 8080, fmt.Sprintf("10.1.0.%d", r.IntN(200)))
	case 6: // a Service loses its port, says what is spoken there, or gets an address
		s := r.IntN(len(l.Services))
		service := l.Services[s].DeepCopy()
		service.Spec.Ports[0].Port, service.Spec.ClusterIP = int32(80+r.IntN(2)), pick(r, "", "10.96.0.1")
		protocol := pick(r, "http", "https", "unheard of")
		service.Spec.Ports[0].AppProtocol = &protocol
		l.Services[s] = service
	case 7:
		if r.IntN(4) == 0 {
			l.ConfigMaps = []*corev1.ConfigMap{{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"},
				Data:       map[string]string{"proxy-read-timeout": fmt.Sprint(r.IntN(3) + 60), "nonsense": "x", "global-allowed-response-headers": "X-One"},
			}}
		} else if len(l.ConfigMaps) > 0 {
			headers := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "h"}, Data: map[string]string{pick(r, "X-One", "X-One", "X-Two"): "1"}}
			l.ConfigMaps = []*corev1.ConfigMap{l.ConfigMaps[0], headers}
		}
	case 8, 9:
		all := tlsSecrets()
		secret := all[r.IntN(len(all))].DeepCopy()
		secret.Namespace, secret.Name = namespace, pick(r, "a", "b")
		l.Secrets = slices.DeleteFunc(l.Secrets, func(s *corev1.Secret) bool { return cluster.NameOf(s) == cluster.NameOf(secret) })
		if r.IntN(4) > 0 {
			l.Secrets = append(l.Secrets, secret)
		}
	case 10: // an Ingress comes, with much that another has
		ingress := l.Ingresses[i].DeepCopy()
		ingress.Name = fmt.Sprint("new-", r.IntN(4))
		ingress.CreationTimestamp = metav1.NewTime(noon.Add(time.Duration(r.IntN(60)) * time.Minute))
		l.Ingresses = slices.DeleteFunc(l.Ingresses, func(other *networkingv1.Ingress) bool { return cluster.NameOf(other) == cluster.NameOf(ingress) })
		l.Ingresses = append(l.Ingresses, ingress)
	case 11:
		if len(l.Ingresses) > 8 {
			l.Ingresses = slices.Delete(l.Ingresses, i, i+1)
		}
	}
}

func pick(r *random.Rand, words ...string) string { return words[r.IntN(len(words))] }

func changeIngress(r *random.Rand, ingress *networkingv1.Ingress) {
	switch r.IntN(6) {
	case 0:
		key := pick(r, "rewrite-target", "app-root", "server-alias", "permanent-redirect", "denylist-source-range", "from-to-www-redirect", "service-upstream", "canary", "custom-http-errors", "custom-headers")
		ingress.Annotations = map[string]string{
			"nginx.ingress.kubernetes.io/" + key:          pick(r, "/x", "true", "true", "bad value", "host-3.example.com", "a.host-3.example.com,b.example.com", "10.0.0.0/8", "404,503", "n/h"),
			"nginx.ingress.kubernetes.io/default-backend": pick(r, "", "svc-0-1", "svc-1-1", "none"),
		}
		if r.IntN(2) == 0 { // for a Service that others use too, or that shares it with a canary
			key, value, _ := strings.Cut(pick(r, "affinity=cookie", "affinity=cookie", "load-balance=ewma", "upstream-hash-by=$host"), "=")
			ingress.Annotations["nginx.ingress.kubernetes.io/"+key] = value
		}
		return
	case 1: // nothing but a default backend, perhaps none that exists
		ingress.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: pick(r, "svc-0-1", "svc-1-1", "none"), Port: networkingv1.ServiceBackendPort{Number: 80},
		}}
		if r.IntN(8) == 0 {
			ingress.Spec.Rules = nil
		}
		return
	}
	if len(ingress.Spec.Rules) == 0 {
		return
	}
	rule := &ingress.Spec.Rules[0]
	switch r.IntN(4) {
	case 0: // share a host with another
		rule.Host = fleet.Host(r.IntN(24))
	case 1:
		rule.Host = pick(r, "*.example.com", "*.host-3.example.com", "www.host-3.example.com", "")
	case 2: // a certificate that is chosen, or named
		ingress.Spec.TLS = []networkingv1.IngressTLS{{SecretName: pick(r, "a", "b")}}[:r.IntN(2)]
		if r.IntN(2) == 0 {
			ingress.Spec.TLS = append(ingress.Spec.TLS, networkingv1.IngressTLS{Hosts: []string{rule.Host}, SecretName: pick(r, "a", "b", "none")})
		}
	case 3:
		rule.HTTP.Paths[0].Path = pick(r, "/", "/api", "/other")
	}
}

// A wildcard host with a certificate makes hosts below it redirect to https, though no Ingress of theirs has changed.
func TestHostFollowsItsWildcard(t *testing.T) {
	o, lists := options(t), fleet.Lists(2, 8080, "10.0.0.1")
	lists.Ingresses[1].Spec.Rules[0].Host = "*.example.com"
	withTLS := lists.Ingresses[1].DeepCopy()
	withTLS.Spec.TLS = []networkingv1.IngressTLS{{}}
	snapshot := cluster.New(lists)
	for n, wildcard := range []*networkingv1.Ingress{lists.Ingresses[1], withTLS, lists.Ingresses[1]} {
		snapshot = snapshot.With(cluster.Changes{Ingresses: map[cluster.Name]*networkingv1.Ingress{cluster.NameOf(wildcard): wildcard}})
		plan, err := o.Plan(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		snapshot.Fallback = plan.Good
		at := slices.IndexFunc(plan.Config.Servers, func(s *nginx.Server) bool { return s.Name == fleet.Host(0) })
		if redirects := plan.Config.Servers[at].Locations[0].ToHTTPS != nil; redirects != (n == 1) {
			t.Errorf("plan %d: the host redirects: %v", n, redirects)
		}
	}
}
