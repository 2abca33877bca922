package watch

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

func idle(t testing.TB, o Options) *Source {
	s, err := newSource(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReferences(t *testing.T) {
	for _, test := range []struct {
		what string
		ing  *networkingv1.Ingress
		want string
	}{
		{"rules and tls", ingress("shop", "web", withTLS("tls"), withTLS(""), withTLS("tls")), "Secret shop/tls, Service shop/web"},
		{"default backend", ingress("shop", "web", func(i *networkingv1.Ingress) { b := backend("other"); i.Spec.DefaultBackend = &b }), "Service shop/other, Service shop/web"},
		{"backend that is no Service", ingress("shop", "web", func(i *networkingv1.Ingress) {
			i.Spec.DefaultBackend = &networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: "Bucket", Name: "b"}}
			i.Spec.Rules = append(i.Spec.Rules, networkingv1.IngressRule{Host: "b.example"})
		}), "Service shop/web"},
		{"auth-secret", ingress("shop", "web", annotated("auth-secret", " users "), annotated("auth-secret-type", "auth-map")), "Secret shop/users, Service shop/web"},
		{"of its own namespace", ingress("shop", "web", annotated("auth-tls-secret", "shop/ca")), "Secret shop/ca, Service shop/web"},
		{"of another namespace", ingress("shop", "web", annotated("proxy-ssl-secret", "blog/ca")), "Service shop/web"},
		{"ConfigMaps", ingress("shop", "web", annotated("custom-headers", "infra/a"), annotated("auth-proxy-set-headers", "b"), annotated("new-configmap", "c")),
			"ConfigMap infra/a, ConfigMap shop/b, ConfigMap shop/c, Service shop/web"},
		{"fastcgi", ingress("shop", "web", annotated("fastcgi-params-configmap", "infra/a")), "ConfigMap shop/a, Service shop/web"},
		{"default-backend", ingress("shop", "web", annotated("default-backend", "sorry")), "Service shop/sorry, Service shop/web"},
		{"another prefix", ingress("shop", "web", func(i *networkingv1.Ingress) { i.Annotations["example.com/auth-secret"] = "users" }), "Service shop/web"},
		{"no names", ingress("shop", "web", annotated("auth-secret", "../../nodes"), annotated("custom-headers", "a,b"), annotated("new-configmap", "a/b/c"), withTLS("a b")), "Service shop/web"},
	} {
		var got []string
		for _, ref := range idle(t, Options{}).references(test.ing) {
			got = append(got, fmt.Sprintf("%s %s", ref.kind, ref.name))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: got %v, want %s", test.what, got, test.want)
		}
	}
}

func TestSecretsKeepOnlyWhatCanServe(t *testing.T) {
	data := map[string][]byte{"tls.crt": nil, "tls.key": nil, "ca.crt": nil, "keystore.jks": nil, "alice": nil}
	for kind, want := range map[corev1.SecretType][]string{
		corev1.SecretTypeTLS:                 {"ca.crt", "tls.crt", "tls.key"},
		corev1.SecretTypeOpaque:              {"alice", "ca.crt", "keystore.jks", "tls.crt", "tls.key"},
		corev1.SecretTypeServiceAccountToken: nil,
		"helm.sh/release.v1":                 nil,
	} {
		s := &corev1.Secret{ObjectMeta: metaOf("shop", "tls"), Type: kind, Data: maps.Clone(data)}
		s.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
		for range 2 {
			stripSecret(s)
		}
		if got := slices.Sorted(maps.Keys(s.Data)); !slices.Equal(got, want) || s.ManagedFields != nil || s.Type != kind {
			t.Errorf("%s: kept %v, want %v", kind, got, want)
		}
	}
}

func TestServicesThatFlagsNameKeepTheirAddresses(t *testing.T) {
	source := idle(t, Options{Services: []cluster.Name{named("infra", "self")}})
	for namespace, keeps := range map[string]bool{"infra": true, "shop": false} {
		s := aService(namespace, "self")
		s.Spec.ClusterIP, s.Spec.ExternalIPs, s.Spec.Selector = "10.96.0.1", []string{"192.0.2.1"}, map[string]string{"a": "b"}
		s.Spec.Ports[0].NodePort = 30080
		s.Annotations = map[string]string{corev1.AnnotationTopologyMode: "auto", "other": "x"}
		distribution := corev1.ServiceTrafficDistributionPreferSameZone
		s.Spec.TrafficDistribution = &distribution
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.2"}}
		for range 2 {
			source.stripService(s)
		}
		if s.Spec.ClusterIP == "" || s.Spec.Selector != nil || s.Spec.Ports[0].NodePort != 0 || len(s.Annotations) != 1 ||
			s.Annotations[corev1.AnnotationTopologyMode] != "auto" || s.Spec.TrafficDistribution == nil || *s.Spec.TrafficDistribution != distribution {
			t.Errorf("kept: %+v", s)
		}
		if (len(s.Spec.ExternalIPs) > 0) != keeps || (len(s.Status.LoadBalancer.Ingress) > 0) != keeps {
			t.Errorf("%s: external addresses: %v, %v", namespace, s.Spec.ExternalIPs, s.Status)
		}
	}
}

func TestClassesKeepWhatProblemsAreAbout(t *testing.T) {
	class := nginxClass()
	class.Labels = map[string]string{"other": "x"}
	class.Annotations = map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true", "other": "x"}
	class.Spec.Parameters = &networkingv1.IngressClassParametersReference{Kind: "Settings", Name: "edge"}
	for range 2 {
		stripClass(class)
	}
	if class.Labels != nil || len(class.Annotations) != 1 || class.Spec.Controller == "" || class.Spec.Parameters == nil {
		t.Errorf("kept: %+v", class)
	}
}

func TestSlicesKeepWhatBalancersUse(t *testing.T) {
	s := aSlice("shop", "web-a", "web", "10.0.0.1")
	node, ready := "node-1", true
	hints := discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "a"}}, ForNodes: []discoveryv1.ForNode{{Name: node}}}
	s.Endpoints[0].NodeName, s.Endpoints[0].Conditions.Ready = &node, &ready
	s.Endpoints[0].TargetRef = &corev1.ObjectReference{Name: "web-1"}
	s.Endpoints[0].Hints = hints.DeepCopy()
	s.Labels["other"] = "x"
	stripSlice(s)
	want := []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}, Hints: &hints}}
	if !reflect.DeepEqual(s.Endpoints, want) || len(s.Labels) != 1 {
		t.Errorf("kept: %+v", s)
	}
}

// An outage is said once for each kind, and so is its end. That we may not is said when it has lasted.
func TestOutagesAreSaidOnce(t *testing.T) {
	var text bytes.Buffer
	c := newContact(slog.New(slog.NewTextHandler(&text, nil)), nil)
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("may not"))
	for i := range 4 {
		c.failed("Secret", "shop", errors.New("connection refused"))
		c.result("Secret", "blog", denied)
		c.result("Secret", "shop", apierrors.NewResourceExpired("too old"))
		c.result("Secret", "shop", errors.New("transport has told of this"))
		c.forClientGo().Error(errors.New("connection refused"), "failed")
		if i == 1 {
			c.grace = 0 // as if the time had passed
		}
	}
	c.reached("Secret")
	c.reached("Secret")
	c.result("Secret", "blog", nil)
	c.result("Secret", "blog", denied)
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], "refused") || !strings.Contains(lines[1], "may not") || !strings.Contains(lines[2], "again") ||
		!strings.Contains(lines[3], "may not") {
		t.Errorf("said:\n%s", text.String())
	}
}

func TestWhatPathsAreAbout(t *testing.T) {
	for path, want := range map[string][2]string{
		"/api/v1/secrets":                 {"Secret", ""},
		"/api/v1/namespaces/shop/secrets": {"Secret", "shop"},
		"/api/v1/namespaces":              {"Namespace", ""},
		"/k8s/c/apis/networking.k8s.io/v1/namespaces/shop/ingresses": {"Ingress", "shop"},
	} {
		if kind, namespace := aboutWhat(path); kind != want[0] || namespace != want[1] {
			t.Errorf("%s: %s in %s", path, kind, namespace)
		}
	}
}
