package translate

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/persistent"
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

// pairs are those of TLS Secrets that have been checked. Checking one costs more than all else that is done with it.
type pairs map[*secret]pairResult

func (all pairs) of(s *secret) (*Pair, error) {
	r, known := all[s]
	if !known {
		r.pair, r.err = checkPair(s)
		all[s] = r
	}
	return r.pair, r.err
}

// forget drops those of Secrets that are neither there any more nor served on, if there are many of them.
func (all pairs) forget(s cluster.Snapshot, good persistent.Map[cluster.Name, *secret]) {
	if len(all) < 2*good.Len()+16 {
		return
	}
	maps.DeleteFunc(all, func(of *secret, _ pairResult) bool {
		name := cluster.NameOf(of)
		return of != good.At(name) && of != s.Secret(name.Namespace, name.Name)
	})
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
	normal, err := normalPair(pair)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n%s%s", len(normal.Chain), normal.Chain, normal.Key.Reveal())
	return &Pair{ID: hex.EncodeToString(sum.Sum(nil)[:16]), Certificate: normal, Leaf: leaf}, nil
}

// normalPair writes a pair anew, so that NGINX's library cannot read something else in it than we did, or refuse
// it: one pair that it cannot read would keep all others from the workers as well.
func normalPair(pair tls.Certificate) (nginx.Certificate, error) {
	var chain strings.Builder
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nginx.Certificate{}, errors.New("has a certificate in its chain that is unreadable")
		}
		if err := checkStrength(c); err != nil {
			return nginx.Certificate{}, err
		}
		_ = pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // strings.Builder takes all
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nginx.Certificate{}, errors.New("has a key of a kind that is not supported")
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return nginx.Certificate{Chain: chain.String(), Key: nginx.NewSecret(string(text))}, nil
}

// checkStrength refuses what OpenSSL refuses at its security level 2, Debian's default. As the default certificate,
// such a one would keep NGINX from starting.
func checkStrength(c *x509.Certificate) error {
	if key, is := c.PublicKey.(*rsa.PublicKey); is && key.N.BitLen() < 2048 {
		return fmt.Errorf("has an RSA key of %d bits, fewer than the 2048 that NGINX takes", key.N.BitLen())
	}
	switch c.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		if !bytes.Equal(c.RawIssuer, c.RawSubject) {
			return fmt.Errorf("has a certificate that is signed with %s, which is too weak", c.SignatureAlgorithm)
		}
	}
	return nil
}

// pair checks a Secret; when it is bad or gone bad, its last good version serves on.
func (t *translator) pair(name cluster.Name, object Object, field string) *Pair {
	consequence := "the default certificate is served"
	if name == t.options.DefaultSecret {
		consequence = "the default certificate is a self-made one"
	}
	s := t.secret(name)
	if s == nil {
		t.problem(Problem{
			Object: object, Field: field, Severity: cluster.Error, Reason: MissingSecret,
			Message: fmt.Sprintf("Secret %s does not exist; %s", name, consequence),
		})
		return nil
	}
	pair, err := t.pairs.of(s)
	if err == nil {
		put(&t.group.secrets, name, s)
		return pair
	}
	if good := t.snapshot.Fallback.Secrets.At(name); good != nil {
		if pair, _ = t.pairs.of(good); pair != nil {
			put(&t.group.secrets, name, good)
			consequence = "its last good version is served"
		}
	}
	t.problem(Problem{
		Object: object, Field: field, Severity: cluster.Error, Reason: InvalidCertificate,
		Message: fmt.Sprintf("Secret %s %s; %s", name, err, consequence),
	})
	return pair
}

// findCertificates finds the certificate of every host.
func (t *translator) findCertificates() {
	for _, h := range t.hostsInOrder() {
		t.certificate(h)
	}
}

// certificate finds the certificate of a host, by ingress-nginx's rules: the oldest Ingress with a tls
// section decides, and if what it names cannot be used, the default certificate counts as the host's
// own, so that requests are redirected to https.
func (t *translator) certificate(h *host) {
	for _, i := range h.owner {
		if len(i.Spec.TLS) == 0 {
			continue
		}
		t.hasTLS[h.name] = true
		name, field, found := t.secretFor(i, h.name)
		switch {
		case !found:
			t.noSecretFor(i, h.name)
		case name != "":
			t.use(h.name, i, cluster.Name{Namespace: i.Namespace, Name: name}, field)
		}
		return
	}
}

// secretFor finds the Secret of a host in the tls section of an Ingress: the item that lists the host,
// else the first whose certificate is good for it.
func (t *translator) secretFor(i *ingress, name string) (secretName, field string, found bool) {
	for n, item := range i.Spec.TLS {
		if slices.ContainsFunc(item.Hosts, func(listed string) bool { return strings.EqualFold(listed, name) }) {
			return item.SecretName, secretField(n), true
		}
	}
	for n, item := range i.Spec.TLS {
		if item.SecretName == "" {
			continue
		}
		if pair := t.goodPair(cluster.Name{Namespace: i.Namespace, Name: item.SecretName}); pair != nil && covers(pair.Leaf, name) {
			return item.SecretName, secretField(n), true
		}
	}
	return "", "", false
}

func secretField(n int) string { return "spec.tls[" + strconv.Itoa(n) + "].secretName" }

// goodPair is the pair of a Secret, or its last good one, or nil.
func (t *translator) goodPair(name cluster.Name) *Pair {
	for _, s := range []*secret{t.secret(name), t.snapshot.Fallback.Secrets.At(name)} {
		if s == nil {
			return nil // one that was deleted shall not be served on
		}
		if pair, err := t.pairs.of(s); err == nil {
			return pair
		}
	}
	return nil
}

// noSecretFor reports that the tls section of an Ingress has nothing for one of its hosts. That costs more than a
// certificate: as in ingress-nginx, requests to the host are redirected to https all the same.
func (t *translator) noSecretFor(i *ingress, host string) {
	for n, item := range i.Spec.TLS {
		if len(item.Hosts) == 0 && item.SecretName != "" {
			t.pair(cluster.Name{Namespace: i.Namespace, Name: item.SecretName}, i.object(), secretField(n))
		}
	}
	t.problem(Problem{
		Object: i.object(), Field: "spec.tls", Severity: cluster.Warning, Reason: HostNotCovered,
		Message: fmt.Sprintf("no item lists host %s or has a certificate that is valid for it; the default certificate is served, and http redirected to it", host),
	})
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
	t.expires(pair.Leaf.NotAfter)
	put(&t.group.pairs, pair.ID, pair)
	put(&t.group.hosts, host, pair.ID)
	t.group.uses = append(t.group.uses, CertificateUse{host, name, pair.Leaf})
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

// defaultCertificate is what hosts without a certificate of their own serve, and the id of its staple, "" if it names no
// responder.
func (t *translator) defaultCertificate() (certificate nginx.Certificate, staple string) {
	name := t.options.DefaultSecret
	if name == (cluster.Name{}) {
		return t.options.SelfSigned, ""
	}
	pair := t.pair(name, Object{"Secret", name.Namespace, name.Name}, "data")
	switch {
	case pair == nil:
		return t.options.SelfSigned, ""
	case len(pair.Leaf.OCSPServer) == 0:
		return pair.Certificate, ""
	}
	return pair.Certificate, pair.ID
}
