package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs the certificates by which the parts of one control plane know each other.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// identity is a key and its certificate, as PEM.
type identity struct{ certificate, key []byte }

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate("sluice-e2e")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &authority{parsed, key}, err
}

func certificate(name string, groups ...string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // never: the system's source of randomness does not fail
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: groups},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
}

// client certifies a user of the API.
func (a *authority) client(name string, groups ...string) (identity, error) {
	return a.sign(certificate(name, groups...))
}

// server certifies who answers at the addresses and names.
func (a *authority) server(addresses []net.IP, names []string) (identity, error) {
	template := certificate("kube-apiserver")
	template.IPAddresses, template.DNSNames = addresses, names
	return a.sign(template)
}

func (a *authority) sign(template *x509.Certificate) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return identity{}, err
	}
	text, err := keyPEM(key)
	return identity{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), text}, err
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

// writeSecrets writes what the components need: pki/ with the certificates of the API server and the key of service
// accounts, and a kubeconfig for everybody.
func (c *Cluster) writeSecrets() error {
	a, err := newAuthority()
	if err != nil {
		return err
	}
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	accountsKey, err := keyPEM(accounts)
	if err != nil {
		return err
	}
	server, err := a.server(
		[]net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serverAddress), net.ParseIP(serverClusterIP)},
		[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
	)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"ca.crt": a.pem(), "server.crt": server.certificate, "server.key": server.key, "accounts.key": accountsKey,
		"audit.yaml": []byte(auditPolicy),
	} {
		if err := writeFile(c.path("pki", name), text); err != nil {
			return err
		}
	}
	return c.writeKubeconfigs(a)
}

func writeFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
}
