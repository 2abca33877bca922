package translate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

type secret = corev1.Secret

// Pair is a certificate chain that has been checked against its key.
type Pair struct {
	ID          string // hash of the content
	Certificate nginx.Certificate
	Leaf        *x509.Certificate
}

type pairResult struct {
	pair *Pair
	err  error
}

// pairOf checks the pair of a TLS Secret. Checking one costs more than all else that is done with it.
func (t *translator) pairOf(s *secret) (*Pair, error) {
	r, known := t.options.Memory.pairs.get(s)
	if !known {
		r.pair, r.err = checkPair(s)
		t.options.Memory.pairs.set(s, r)
	}
	return r.pair, r.err
}

// checkPair never quotes the Secret's content in an error.
func checkPair(s *secret) (*Pair, error) {
	chain, key := s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey]
	switch {
	case len(chain) == 0:
		return nil, fmt.Errorf("has no %s", corev1.TLSCertKey)
	case len(key) == 0:
		return nil, fmt.Errorf("has no %s", corev1.TLSPrivateKeyKey)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, errors.New("has a certificate and a key that are unreadable or do not belong together")
	}
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, errors.New("has a certificate that is unreadable")
		}
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n", len(chain))
	sum.Write(chain)
	sum.Write(key)
	return &Pair{
		ID:          hex.EncodeToString(sum.Sum(nil)[:16]),
		Certificate: nginx.Certificate{Chain: string(chain), Key: nginx.NewSecret(string(key))},
		Leaf:        leaf,
	}, nil
}

// pair checks a Secret; when it is bad or gone bad, its last good version serves on.
func (t *translator) pair(name cluster.Name, object Object, field string) *Pair {
	s := t.snapshot.Secret(name.Namespace, name.Name)
	if s == nil {
		t.problem(Problem{
			Object: object, Field: field, Severity: cluster.Error, Reason: MissingSecret,
			Message: fmt.Sprintf("Secret %s does not exist; the default certificate is served", name),
		})
		return nil
	}
	pair, err := t.pairOf(s)
	if err == nil {
		t.result.Good.Secrets[name] = s
		return pair
	}
	consequence := "the default certificate is served"
	if good := t.snapshot.Fallback.Secrets[name]; good != nil {
		if pair, _ = t.pairOf(good); pair != nil {
			t.result.Good.Secrets[name] = good
			consequence = "its last good version is served"
		}
	}
	t.problem(Problem{
		Object: object, Field: field, Severity: cluster.Error, Reason: InvalidCertificate,
		Message: fmt.Sprintf("Secret %s %s; %s", name, err, consequence),
	})
	return pair
}

// certificate finds the certificate of a host, by ingress-nginx's rules: the oldest Ingress with a tls
// section decides, and if what it names cannot be used, the default certificate counts as the host's
// own. It returns whether the host has TLS, which is what redirects to https depend on.
func (t *translator) certificate(h *host) bool {
	if h.name == anyHost {
		return false
	}
	for _, i := range h.owner {
		if len(i.Spec.TLS) == 0 {
			continue
		}
		if name, field, found := t.secretFor(i, h.name); found && name != "" {
			t.use(h.name, i, cluster.Name{Namespace: i.Namespace, Name: name}, field)
		}
		return true
	}
	return false
}

// secretFor finds the Secret of a host in the tls section of an Ingress: the item that lists the host,
// else the first whose certificate is good for it.
func (t *translator) secretFor(i *ingress, name string) (secretName, field string, found bool) {
	for n, item := range i.Spec.TLS {
		if slices.ContainsFunc(item.Hosts, func(listed string) bool { return strings.EqualFold(listed, name) }) {
			return item.SecretName, fmt.Sprintf("spec.tls[%d].secretName", n), true
		}
	}
	for n, item := range i.Spec.TLS {
		if item.SecretName == "" {
			continue
		}
		if s := t.snapshot.Secret(i.Namespace, item.SecretName); s != nil {
			if pair, err := t.pairOf(s); err == nil && covers(pair.Leaf, name) {
				return item.SecretName, fmt.Sprintf("spec.tls[%d].secretName", n), true
			}
		}
	}
	return "", "", false
}

// use serves the certificate of a Secret for a host, if it can be used.
func (t *translator) use(host string, i *ingress, name cluster.Name, field string) {
	pair := t.pair(name, i.object(), field)
	if pair == nil {
		return
	}
	if !covers(pair.Leaf, host) {
		t.problem(Problem{
			Object: i.object(), Field: field, Severity: cluster.Error, Reason: HostNotCovered,
			Message: fmt.Sprintf("the certificate of Secret %s is not valid for host %s; the default certificate is served", name, host),
		})
		return
	}
	if !t.snapshot.Now.IsZero() && t.snapshot.Now.After(pair.Leaf.NotAfter) {
		t.problem(Problem{
			Object: i.object(), Field: field, Severity: cluster.Warning, Reason: ExpiredCertificate,
			Message: fmt.Sprintf("the certificate of Secret %s expired on %s; it is served all the same", name, pair.Leaf.NotAfter.UTC().Format(time.DateOnly)),
		})
	}
	t.result.State.Certificates[pair.ID] = pair.Certificate
	t.result.State.Hosts[host] = pair.ID
	t.result.Certificates = append(t.result.Certificates, CertificateUse{host, name, pair.Leaf.NotAfter})
}

// shareCertificate serves the certificate of a host for another name too, if it is valid for it.
func (t *translator) shareCertificate(host, name string) {
	id, ok := t.result.State.Hosts[host]
	if !ok || name == "" {
		return
	}
	pair, err := tls.X509KeyPair([]byte(t.result.State.Certificates[id].Chain), []byte(t.result.State.Certificates[id].Key.Reveal()))
	if err == nil && covers(pair.Leaf, name) {
		t.result.State.Hosts[name] = id
	}
}

// covers tells whether a certificate is valid for a host, which may be a wildcard. Certificates without
// any subject alternative name go by their common name, as in ingress-nginx.
func covers(leaf *x509.Certificate, host string) bool {
	names := leaf.DNSNames
	if len(names) == 0 && len(leaf.IPAddresses) == 0 {
		names = []string{leaf.Subject.CommonName}
	}
	for _, name := range names {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if name == host {
			return true
		}
		_, parent, _ := strings.Cut(host, ".")
		if suffix, wildcard := strings.CutPrefix(name, "*."); wildcard && suffix == parent && !strings.HasPrefix(host, "*") {
			return true
		}
	}
	return false
}

// defaultCertificate is what hosts without a certificate of their own serve.
func (t *translator) defaultCertificate() nginx.Certificate {
	name := t.options.DefaultSecret
	if name == (cluster.Name{}) {
		return t.options.SelfSigned
	}
	if pair := t.pair(name, Object{"Secret", name.Namespace, name.Name}, "data"); pair != nil {
		return pair.Certificate
	}
	return t.options.SelfSigned
}
