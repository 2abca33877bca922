package translate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// lookup lets annotations see the objects they refer to, and notes which.
type lookup struct {
	cluster.Snapshot
	pairs pairs
	needs *map[need]bool
}

func (l lookup) ConfigMap(namespace, name string) map[string]string {
	put(l.needs, need{"ConfigMap", cluster.Name{Namespace: namespace, Name: name}}, true)
	switch m := l.Snapshot.ConfigMap(namespace, name); {
	case m == nil:
		return nil
	case m.Data == nil:
		return map[string]string{}
	default:
		return m.Data
	}
}

func (l lookup) Secret(namespace, name string) map[string][]byte {
	if s := l.secret(namespace, name); s != nil {
		return s.Data
	}
	return nil
}

func (l lookup) Credentials(namespace, name string) (*annotations.Credentials, error) {
	s := l.secret(namespace, name)
	if s == nil {
		return nil, nil
	}
	return l.pairs.readCredentials(s)
}

func (l lookup) secret(namespace, name string) *secret {
	put(l.needs, need{"Secret", cluster.Name{Namespace: namespace, Name: name}}, true)
	return l.Snapshot.Secret(namespace, name)
}

// readCredentials never quotes the Secret's content in an error.
func (all pairs) readCredentials(s *secret) (*annotations.Credentials, error) {
	var c annotations.Credentials
	var err error
	if text := s.Data["ca.crt"]; len(text) > 0 {
		if c.Authorities, err = readAuthorities(text); err != nil {
			return nil, err
		}
	}
	if text := s.Data["ca.crl"]; len(text) > 0 {
		if c.Revoked, err = readRevocations(text); err != nil {
			return nil, err
		}
	}
	if len(s.Data[corev1.TLSCertKey])+len(s.Data[corev1.TLSPrivateKeyKey]) == 0 {
		return &c, nil
	}
	pair, err := all.of(s)
	if err != nil {
		return nil, err
	}
	c.Pair = &pair.Certificate
	return &c, nil
}

func readAuthorities(text []byte) (string, error) {
	return rewritePEM(text, "ca.crt", "CERTIFICATE", func(der []byte) error {
		_, err := x509.ParseCertificate(der)
		return err
	})
}

func readRevocations(text []byte) (string, error) {
	return rewritePEM(text, "ca.crl", "X509 CRL", func(der []byte) error {
		_, err := x509.ParseRevocationList(der)
		return err
	})
}

// rewritePEM writes the blocks of a text anew, each once, so that NGINX's library cannot read something else in it.
func rewritePEM(text []byte, key, kind string, check func(der []byte) error) (string, error) {
	var out strings.Builder
	var seen [][]byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != kind {
			return "", fmt.Errorf("has something else than a %s in its %s", strings.ToLower(kind), key)
		}
		if err := check(block.Bytes); err != nil {
			return "", fmt.Errorf("has a block in its %s that is unreadable", key)
		}
		if !slices.ContainsFunc(seen, func(other []byte) bool { return bytes.Equal(other, block.Bytes) }) {
			seen = append(seen, block.Bytes)
			_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: block.Bytes}) // strings.Builder takes all
		}
	}
	if len(seen) == 0 {
		return "", errors.New("has nothing readable in its " + key)
	}
	return out.String(), nil
}
