//go:build e2e

package conformance_test

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// author writes Ingresses and is told what kubectl prints as warnings.
type author struct {
	site
	client *kubernetes.Clientset

	mu       sync.Mutex
	warnings []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (a *author) HandleWarningHeader(_ int, _, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.warnings = append(a.warnings, text)
}

// newAuthor has two replicas, any of which is asked, and waits until they are.
func newAuthor(t *testing.T) *author {
	t.Helper()
	a := &author{site: newSite(t, "web").at(suite.Install(t, "judge", valuesFor("judge", "replicaCount: 2")))}
	config := suite.Config(t)
	config.WarningHandler = a
	var err error
	if a.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	suite.Within(t, time.Minute, func() error {
		if err := a.create("asked", guarded, "/", metav1.DryRunAll); !isRefusal(err) {
			return fmt.Errorf("the API server does not ask yet: %w", cmp.Or(err, errors.New("it was stored")))
		}
		return nil
	})
	return a
}

const (
	prefix  = "nginx.ingress.kubernetes.io/"
	guarded = prefix + `allowlist-source-range: office`
	refusal = `metadata.annotations[` + prefix + `allowlist-source-range]: "office" has the item "office", which is neither an address nor a network such as 10.0.0.0/8; its paths answer 503 (InvalidAnnotationValue)`
)

func (a *author) ingressOf(name, annotations, path string) *networkingv1.Ingress {
	a.Helper()
	var ing networkingv1.Ingress
	if err := yaml.Unmarshal([]byte(a.text(fmt.Sprintf(`
metadata: {name: %s, annotations: {%s}}
spec:
  ingressClassName: judge
  rules: [{host: DOMAIN, http: {paths: [{path: %s, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`, name, annotations, path))), &ing); err != nil {
		a.Fatal(err)
	}
	return &ing
}

func (a *author) create(name, annotations, path string, dryRun ...string) error {
	a.Helper()
	_, err := a.client.NetworkingV1().Ingresses(a.namespace).Create(a.Context(), a.ingressOf(name, annotations, path), metav1.CreateOptions{DryRun: dryRun})
	return err
}

// isRefusal tells whether the webhook has refused an Ingress, and not the API server something else.
func isRefusal(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), `admission webhook "validate.nginx.ingress.kubernetes.io" denied the request: Ingress `)
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	t.Run("refuses and warns", a.refusesAndWarns)
	t.Run("large Ingresses", a.takesLargeIngresses)
	t.Run("its certificate", a.renewsItsCertificate)
}

// refusesAndWarns has the API server refuse what is bad, by the words of the Event that it would have got, and warn of
// the rest.
func (a *author) refusesAndWarns(t *testing.T) {
	if err := a.create("bad", guarded, "/"); !isRefusal(err) || !strings.Contains(err.Error(), "Ingress "+a.namespace+"/bad: "+refusal) {
		t.Errorf("a bad Ingress: %v", err)
	}
	if _, err := a.client.NetworkingV1().Ingresses(a.namespace).Get(t.Context(), "bad", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a bad Ingress was stored: %v", err)
	}

	a.warnings = nil
	if err := a.create("good", prefix+`ssl-redirct: "true", `+prefix+`proxy-body-size: lots`, "/"); err != nil {
		t.Fatalf("a good Ingress: %v", err)
	}
	for _, want := range []string{"ssl-redirct]: no annotation has this name, so it has no effect; did you mean ssl-redirect? (UnknownAnnotation)", `proxy-body-size]: "lots" is not a size`} {
		if !slices.ContainsFunc(a.warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("no warning has %q: %q", want, a.warnings)
		}
	}
	a.wantFrom("web", "http://DOMAIN/")

	suite.Within(t, soon, func() error { // until both replicas have heard of the other
		if err := a.create("second", "", "/", metav1.DryRunAll); !isRefusal(err) || !strings.Contains(err.Error(), "already served by Ingress "+a.namespace+"/good") {
			return fmt.Errorf("a path that another serves: %v", err)
		}
		return nil
	})
	update := a.ingressOf("good", guarded, "/")
	if _, err := a.client.NetworkingV1().Ingresses(a.namespace).Update(t.Context(), update, metav1.UpdateOptions{}); !isRefusal(err) {
		t.Errorf("a good Ingress made bad: %v", err)
	}
	foreign := a.ingressOf("foreign", guarded, "/")
	*foreign.Spec.IngressClassName = "somebody-elses"
	if _, err := a.client.NetworkingV1().Ingresses(a.namespace).Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Errorf("a bad one of another class: %v", err)
	}
}

// takesLargeIngresses as they fit into etcd, in the time that the API server gives.
func (a *author) takesLargeIngresses(t *testing.T) {
	large := a.ingressOf("large", guarded, "/")
	http := large.Spec.Rules[0].HTTP
	for n := range 8000 {
		path := http.Paths[0]
		path.Path = fmt.Sprintf("/%s/%d", strings.Repeat("x", 50), n)
		http.Paths = append(http.Paths, path)
	}
	start := time.Now()
	for range 5 {
		if _, err := a.client.NetworkingV1().Ingresses(a.namespace).Create(t.Context(), large, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); !isRefusal(err) {
			t.Errorf("a large Ingress: %.300v", err)
		}
	}
	t.Logf("five large Ingresses took %v", time.Since(start))
}

// renewsItsCertificate and answers all the time: with failurePolicy Ignore, a bad Ingress would pass otherwise.
func (a *author) renewsItsCertificate(t *testing.T) {
	secrets := suite.Client(t).CoreV1().Secrets(a.Namespace)
	var aged []byte
	suite.Within(t, soon, func() error {
		secret, err := secrets.Get(t.Context(), "judge-sluice-admission-ca", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if aged, err = agedCertificate(secret.Data); err != nil {
			return err
		}
		_, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
		return err
	})
	reviews := 0
	suite.Within(t, 3*time.Minute, func() error {
		if err := a.create("bad", guarded, "/", metav1.DryRunAll); !isRefusal(err) {
			t.Fatalf("after %d reviews nobody was asked: %v", reviews, err)
		}
		reviews++
		secret, err := secrets.Get(t.Context(), "judge-sluice-admission-ca", metav1.GetOptions{})
		if err == nil && bytes.Equal(secret.Data["cert"], aged) {
			err = errors.New("the old certificate is still there")
		}
		return err
	})
	t.Logf("%d reviews meanwhile", reviews)
}

// agedCertificate puts a certificate into a Secret that is due: 30 days are left of 360.
func agedCertificate(data map[string][]byte) ([]byte, error) {
	ca, _ := pem.Decode(data["ca"])
	caKey, _ := pem.Decode(data["ca-key"])
	leaf, _ := pem.Decode(data["cert"])
	if ca == nil || caKey == nil || leaf == nil {
		return nil, errors.New("the Secret is not filled yet")
	}
	authority, err := x509.ParseCertificate(ca.Bytes)
	if err != nil {
		return nil, err
	}
	signer, err := x509.ParseECPrivateKey(caKey.Bytes)
	if err != nil {
		return nil, err
	}
	template, err := x509.ParseCertificate(leaf.Bytes)
	if err != nil {
		return nil, err
	}
	template.SerialNumber = big.NewInt(2)
	template.NotBefore, template.NotAfter = time.Now().AddDate(0, 0, -330), time.Now().AddDate(0, 0, 30)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	data["cert"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	data["key"] = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	return data["cert"], nil
}
