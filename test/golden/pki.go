package golden

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Cases have certificates by name, the same in every run: keys are made of the names, and signatures of Ed25519 have no
// randomness. Objects have them as {{WHAT NAME}} in place of a text:
//
//	{{authority good}}          certificate of an authority
//	{{certificate good/alice}}  certificate that the authority good has signed, for CN=alice,O=golden, and for the host alice
//	{{key good/alice}}          its key
//	{{revocations good/alice}}  list of the authority good that revokes it, and no other
var placeholder = regexp.MustCompile(`\{\{(authority|certificate|key|revocations) ([\w./ =,-]+)\}\}`)

func fill(text []byte) []byte {
	return placeholder.ReplaceAllFunc(text, func(found []byte) []byte {
		parts := placeholder.FindSubmatch(found)
		return []byte(strconv.Quote(string(pemOf(string(parts[1]), string(parts[2])))))
	})
}

func pemOf(what, name string) []byte {
	issuer, subject, _ := strings.Cut(name, "/")
	kind, der := "CERTIFICATE", []byte(nil)
	switch what {
	case "authority":
		der = authority(issuer).Raw
	case "certificate":
		der = signed(issuer, subject).Raw
	case "key":
		kind, der = "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key(name)))
	case "revocations":
		kind, der = "X509 CRL", must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: from, NextUpdate: until,
			RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: serial(name), RevocationTime: from}},
		}, authority(issuer), key(issuer)))
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

var from, until = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // the names decide everything
	}
	return value
}

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func serial(name string) *big.Int {
	sum := sha256.Sum256([]byte("serial " + name))
	return new(big.Int).SetBytes(sum[:8])
}

func authority(name string) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: serial(name), Subject: pkix.Name{CommonName: name, Organization: []string{"golden"}}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key(name).Public(), key(name)))))
}

func signed(issuer, subject string) *x509.Certificate {
	name := issuer + "/" + subject
	template := &x509.Certificate{
		SerialNumber: serial(name), Subject: pkix.Name{CommonName: subject, Organization: []string{"golden"}}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if !strings.ContainsAny(subject, " =,") {
		template.DNSNames = []string{subject}
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, authority(issuer), key(name).Public(), key(issuer)))))
}

// PairOf is the certificate of that name, as in good/alice, with its key.
func PairOf(name string) tls.Certificate {
	return must(tls.X509KeyPair(pemOf("certificate", name), pemOf("key", name)))
}

// Authorities is the pool of one authority.
func Authorities(name string) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(authority(name))
	return pool
}
