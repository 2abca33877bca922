//go:build integration

package integration

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// issuer is an authority with an OCSP responder that is not on loopback, where nobody is asked.
type issuer struct {
	t           *testing.T
	certificate *x509.Certificate
	key         crypto.Signer
	issued      int64
	responder   string
}

func startIssuer(t *testing.T, address string) *issuer {
	t.Helper()
	i := &issuer{t: t, responder: "http://" + address}
	i.certificate, i.key = i.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "an issuer"}, IsCA: true, BasicConstraintsValid: true})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(i.answer)}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return i
}

func (i *issuer) answer(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	q, err := ocsp.ParseRequest(text)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	good := ocsp.Response{Status: ocsp.Good, SerialNumber: q.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	text, err = ocsp.CreateResponse(i.certificate, i.certificate, good, i.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text)
}

func (i *issuer) issue(template *x509.Certificate) (*x509.Certificate, crypto.Signer) {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	i.issued++
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(i.issued), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := i.certificate, i.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		i.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return c, key
}

// secret is a manifest of a TLS Secret with a new certificate.
func (i *issuer) secret(name, host string) string {
	i.t.Helper()
	leaf, key := i.issue(&x509.Certificate{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, OCSPServer: []string{i.responder}})
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		i.t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s, namespace: shop}\ndata: {tls.crt: %s, tls.key: %s}\n",
		name, encoded(block("CERTIFICATE", leaf.Raw)+block("CERTIFICATE", i.certificate.Raw)), encoded(block("PRIVATE KEY", text)))
}

// stapled returns a check that clients who ask for the host get the certificate with this serial number, and a staple that is about it
// or none.
func (i *issuer) stapled(d *daemon, host string, serial int64, wanted bool) func() error {
	return func() error {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.ports.https), &tls.Config{ServerName: host, MaxVersion: version, InsecureSkipVerify: true}) //nolint:gosec // looked at below
			if err != nil {
				return err
			}
			state := conn.ConnectionState()
			conn.Close()
			leaf := state.PeerCertificates[0]
			if leaf.SerialNumber.Int64() != serial {
				return fmt.Errorf("certificate %s of %s", leaf.SerialNumber, leaf.Subject)
			}
			if !wanted {
				if state.OCSPResponse != nil {
					return errors.New("there is a staple")
				}
				continue
			}
			r, err := ocsp.ParseResponseForCert(state.OCSPResponse, leaf, i.certificate)
			if err != nil || r.Status != ocsp.Good {
				return fmt.Errorf("a staple of %d bytes: %w", len(state.OCSPResponse), err)
			}
		}
		return nil
	}
}

const ocspConfigMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: controller, namespace: ingress}\ndata: {enable-ocsp: %q}\n"

// Clients get what the issuer says of the certificate that they get, as soon as it has said it, without a reload.
func TestStaples(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	for routing := range modes {
		t.Run(routing, func(t *testing.T) {
			i := startIssuer(t, "10.244.9.1:9480")
			startPods(t, 1)
			manifests := shop("shop.test", 1)
			manifests["ingress.yaml"] += "  tls: [{hosts: [shop.test], secretName: web}]\n"
			manifests["web.yaml"], manifests["default.yaml"] = i.secret("web", "shop.test"), i.secret("default", "other.test")
			web, byDefault := i.issued-1, i.issued
			manifests["configmap.yaml"] = fmt.Sprintf(ocspConfigMap, "false")
			d := startDaemon(t, ports{18591, 18592, 18593}, manifests,
				"--routing", routing, "--configmap", "ingress/controller", "--default-ssl-certificate", "shop/default")
			reloads := d.reloads()
			for host, serial := range map[string]int64{"shop.test": web, "unknown.test": byDefault} {
				if err := i.stapled(d, host, serial, false)(); err != nil {
					t.Errorf("with the key off: %s: %v", host, err)
				}
			}

			d.write("configmap.yaml", fmt.Sprintf(ocspConfigMap, "true"))
			d.eventually(10*time.Second, "the host's certificate has a staple", i.stapled(d, "shop.test", web, true))
			d.eventually(10*time.Second, "so has the default certificate", i.stapled(d, "unknown.test", byDefault, true))
			if text, err := d.fetch("/metrics"); err != nil || !strings.Contains(text, `sluice_ocsp_questions_total{result="good"} 2`) {
				t.Errorf("the metrics do not say that two answers were good (%v)", err)
			}

			d.write("web.yaml", i.secret("web", "shop.test"))
			d.eventually(10*time.Second, "another certificate has another staple", i.stapled(d, "shop.test", i.issued, true))

			d.write("configmap.yaml", fmt.Sprintf(ocspConfigMap, "false"))
			d.eventually(10*time.Second, "no staple is left with the key off", i.stapled(d, "shop.test", i.issued, false))
			d.eventually(10*time.Second, "nor for the default certificate", i.stapled(d, "unknown.test", byDefault, false))
			if now := d.reloads(); now != reloads {
				t.Errorf("NGINX was reloaded %v times", now-reloads)
			}

			// In dynamic mode, workers themselves reject names that nobody has.
			d.write("plain.yaml", strings.ReplaceAll(shopIngress("plain.test", "/"), "name: web, namespace: shop}", "name: plain, namespace: shop}"))
			d.write("configmap.yaml", strings.Replace(fmt.Sprintf(ocspConfigMap, "true"), "{enable", "{ssl-reject-handshake: \"true\", enable", 1))
			d.eventually(10*time.Second, "the default certificate of a known host has a staple", func() error {
				if i.stapled(d, "unknown.test", byDefault, true)() == nil || i.stapled(d, "unknown.test", byDefault, false)() == nil {
					return errors.New("names that nobody has are not rejected yet")
				}
				return i.stapled(d, "plain.test", byDefault, true)()
			})
		})
	}
}
