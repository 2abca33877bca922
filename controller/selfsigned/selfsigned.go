// Package selfsigned makes the certificate that hosts without one of their own serve.
package selfsigned

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

// Names and lifetime are those of ingress-nginx's certificate: monitoring recognises it by them.
const (
	commonName   = "Kubernetes Ingress Controller Fake Certificate"
	organization = "Acme Co"
	dnsName      = "ingress.local"
	lifetime     = 365 * 24 * time.Hour
)

// New makes a certificate with a new RSA key of 2048 bits, valid from now for a year.
func New(now time.Time) (nginx.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nginx.Certificate{}, fmt.Errorf("make a key for the default certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nginx.Certificate{}, fmt.Errorf("make a serial number for the default certificate: %w", err)
	}
	template := x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName, Organization: []string{organization}},
		DNSNames:              []string{dnsName},
		NotBefore:             now,
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nginx.Certificate{}, fmt.Errorf("make the default certificate: %w", err)
	}
	return nginx.Certificate{
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   nginx.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))),
	}, nil
}
