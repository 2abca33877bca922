package view

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// TLSHost is a host that an Ingress asks a certificate for by spec.tls.
type TLSHost struct {
	Host     string
	Ingress  cluster.Name
	Secret   string    // its name in the namespace of the Ingress; "" if none is named
	NotAfter time.Time // of the certificate that the host serves; zero if that is the default one

	index int // in spec.tls
}

// Certificate is that of a host. It never has a key.
type Certificate struct {
	Host     string    `json:"host"`
	Ingress  string    `json:"ingress,omitempty"`
	Secret   string    `json:"secret,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	Names    []string  `json:"names,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"notAfter,omitzero"`
	Served   string    `json:"served"` // yes, no, default (the default certificate), or, live, what a pod says
	Why      string    `json:"why,omitempty"`
	Pods     []string  `json:"pods,omitempty"` // that were asked
}

// TLSHosts are those of all Ingresses that the controller claims.
func (v *View) TLSHosts() []TLSHost {
	var list []TLSHost
	for _, ing := range v.plan.Claimed {
		for i, entry := range ing.Spec.TLS {
			for _, host := range entry.Hosts {
				one := TLSHost{Host: host, Ingress: cluster.NameOf(ing), Secret: entry.SecretName, index: i}
				if leaf := v.plan.Certificates.At(host).Leaf; leaf != nil {
					one.NotAfter = leaf.NotAfter
				}
				list = append(list, one)
			}
		}
	}
	return list
}

// Certificates are those of all TLSHosts, by host.
func (v *View) Certificates() []Certificate {
	list := []Certificate{}
	for _, h := range v.TLSHosts() {
		list = append(list, v.Certificate(h))
	}
	slices.SortStableFunc(list, func(a, b Certificate) int { return strings.Compare(a.Host, b.Host) })
	return list
}

// Certificate is the one that a host asks for, with what is served for it.
func (v *View) Certificate(h TLSHost) Certificate {
	c := Certificate{Host: h.Host, Ingress: h.Ingress.String(), Served: "default"}
	if h.Secret != "" {
		c.Secret = h.Ingress.Namespace + "/" + h.Secret
	} else {
		c.Why = "no Secret is named"
	}
	if secret := v.plan.Snapshot.Secret(h.Ingress.Namespace, h.Secret); secret != nil {
		c.describe(leafOf(secret))
	}
	if use, is := v.plan.Certificates.Get(h.Host); is && use.Secret.String() == c.Secret {
		c.Served = "yes"
	} else if is {
		c.Served, c.Why = "no", "the host serves that of Secret "+use.Secret.String()
	}
	for _, p := range v.problems[h.Ingress] {
		if strings.HasPrefix(p.Field, fmt.Sprintf("spec.tls[%d]", h.index)) {
			c.Why = p.Message
		}
	}
	return c
}

// leafOf is the certificate of a TLS Secret; nil if it cannot be read.
func leafOf(s *corev1.Secret) *x509.Certificate {
	block, _ := pem.Decode(s.Data[corev1.TLSCertKey])
	if block == nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil // the Problem of the plan says so
	}
	return leaf
}

func (c *Certificate) describe(leaf *x509.Certificate) {
	if leaf == nil {
		return
	}
	c.Subject, c.Issuer, c.NotAfter, c.Names = leaf.Subject.String(), leaf.Issuer.String(), leaf.NotAfter, leaf.DNSNames
}
