package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"k8s.io/client-go/util/cert"
)

// Keys of the Secret. The first three are those of ingress-nginx's.
const (
	bundleKey       = "ca"   // certificates of authorities, the one that signs first
	certificateKey  = "cert" // what is served
	keyKey          = "key"
	authorityKeyKey = "ca-key" // of the authority that signs
)

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	// skew is how far clocks of a cluster may be apart.
	skew = time.Hour
)

// material is the content of the Secret. The zero value is an empty one.
type material struct {
	authorities []*x509.Certificate // trusted ones; the first signs
	signer      *ecdsa.PrivateKey
	serving     *tls.Certificate
}

// parse reads a Secret. Errors never quote it.
func parse(data map[string][]byte) (material, error) {
	authorities, err := cert.ParseCertsPEM(data[bundleKey])
	if err != nil {
		return material{}, fmt.Errorf("key %s has no certificates", bundleKey)
	}
	block, _ := pem.Decode(data[authorityKeyKey])
	if block == nil {
		return material{}, fmt.Errorf("key %s has no key", authorityKeyKey)
	}
	signer, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil || !signer.PublicKey.Equal(authorities[0].PublicKey) {
		return material{}, fmt.Errorf("key %s does not belong to the first certificate of %s", authorityKeyKey, bundleKey)
	}
	serving, err := tls.X509KeyPair(data[certificateKey], data[keyKey])
	if err != nil {
		return material{}, fmt.Errorf("keys %s and %s are no pair", certificateKey, keyKey)
	}
	return material{authorities, signer, &serving}, nil
}

// data is the content of a Secret.
func (m material) data() (map[string][]byte, error) {
	signer, err := keyPEM(m.signer)
	if err != nil {
		return nil, err
	}
	serving, isOurs := m.serving.PrivateKey.(*ecdsa.PrivateKey)
	if !isOurs {
		return nil, errors.New("the key that is served is not of the kind that is made here")
	}
	key, err := keyPEM(serving)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		bundleKey: m.bundle(), authorityKeyKey: signer, certificateKey: certificatePEM(m.serving.Leaf), keyKey: key,
	}, nil
}

// bundle is what the API server is to trust.
func (m material) bundle() []byte {
	return certificatePEM(m.authorities...)
}

// renewed is the material with what is missing, or has lived for two thirds of its life, made anew. A new authority is
// trusted from then on, and signs from the next certificate on; the former is trusted until it expires. So the API server
// has heard of an authority long before it sees a certificate of it.
func (m material) renewed(now time.Time, names []string) (renewed material, changed bool, err error) {
	if m.signer == nil || isDue(m.authorities[0], now) {
		if err := m.addAuthority(now); err != nil {
			return m, false, err
		}
		changed = true
	}
	if m.serving == nil || isDue(m.serving.Leaf, now) || !m.serves(names) || !m.isTrusted(now) {
		if m.serving, err = sign(certificateTemplate(now, names), m.authorities[0], m.signer); err != nil {
			return m, false, fmt.Errorf("make a certificate for the webhook: %w", err)
		}
		changed = true
	}
	return m, changed, nil
}

func (m *material) addAuthority(now time.Time) error {
	trusted := m.authorities
	made, err := sign(authorityTemplate(now), nil, nil)
	if err != nil {
		return fmt.Errorf("make an authority for the webhook's certificate: %w", err)
	}
	m.authorities, m.signer = []*x509.Certificate{made.Leaf}, made.PrivateKey.(*ecdsa.PrivateKey)
	for _, a := range trusted {
		if now.Before(a.NotAfter) {
			m.authorities = append(m.authorities, a)
		}
	}
	return nil
}

// isDue tells whether a certificate has a third of its life left, or less, or comes from the future.
func isDue(c *x509.Certificate, now time.Time) bool {
	return now.Before(c.NotBefore) || now.After(c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore)/3))
}

func (m material) serves(names []string) bool {
	for _, name := range names {
		if m.serving.Leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

func (m material) isTrusted(now time.Time) bool {
	pool := x509.NewCertPool()
	for _, a := range m.authorities {
		pool.AddCert(a)
	}
	_, err := m.serving.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now})
	return err == nil
}

func authorityTemplate(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		// Authorities that follow each other have different names, so that verifiers tell them apart.
		Subject:   pkix.Name{CommonName: "Sluice admission webhook " + now.UTC().Format(time.RFC3339)},
		NotBefore: now.Add(-skew), NotAfter: now.Add(authorityLife),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
}

func certificateTemplate(now time.Time, names []string) *x509.Certificate {
	c := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Sluice admission webhook"},
		NotBefore: now.Add(-skew), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	return c
}

// sign makes a certificate with a new key. Without a parent it signs itself.
func sign(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func certificatePEM(certificates ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certificates {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes all
	}
	return b.Bytes()
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, errors.New("a key cannot be written")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
