package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller"
)

// certificate is that of a host. It never has a key.
type certificate struct {
	Host     string    `json:"host"`
	Ingress  string    `json:"ingress,omitempty"`
	Secret   string    `json:"secret,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	Names    []string  `json:"names,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"notAfter,omitzero"`
	Served   string    `json:"served"` // yes, default (the default certificate), or, live, what a pod says
	Why      string    `json:"why,omitempty"`
	Pods     []string  `json:"pods,omitempty"` // that were asked
}

func certsCommand(k *kube) *cobra.Command {
	var output format
	var host string
	var live bool
	where := scope{k: k}
	cmd := &cobra.Command{
		Use:   "certs [--host HOST]",
		Short: "Show which certificate each host serves, and until when; never a key",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			c, plan, err := k.chosenPlan(ctx)
			if err != nil {
				return err
			}
			list := slices.DeleteFunc(certificatesOf(plan), func(c certificate) bool {
				namespace, _, _ := strings.Cut(c.Ingress, "/")
				return host != "" && c.Host != host || host == "" && !where.has(namespace)
			})
			if live {
				if list, err = k.liveCertificates(ctx, c, list, host); err != nil {
					return err
				}
			}
			if output.isData() {
				return output.print(k.Out, list)
			}
			return columns(k.Out, certificateRows(list, time.Now()))
		}),
	}
	addFormat(cmd, &output, js, yml)
	where.add(cmd)
	cmd.Flags().StringVar(&host, "host", "", "only this host, of any namespace")
	cmd.Flags().BoolVar(&live, "live", false, "ask the pods which certificate clients get")
	return cmd
}

// certificatesOf are those that Ingresses ask for by spec.tls, with what is served for them.
func certificatesOf(plan controller.Plan) []certificate {
	list := []certificate{}
	for _, ing := range plan.Claimed {
		for i, entry := range ing.Spec.TLS {
			for _, host := range entry.Hosts {
				c := certificate{Host: host, Ingress: ing.Namespace + "/" + ing.Name, Served: "default"}
				if entry.SecretName != "" {
					c.Secret = ing.Namespace + "/" + entry.SecretName
				} else {
					c.Why = "no Secret is named"
				}
				if secret := plan.Snapshot.Secret(ing.Namespace, entry.SecretName); secret != nil {
					c.describe(leafOf(secret))
				}
				if use, is := plan.Certificates.Get(host); is && use.Secret.String() == c.Secret {
					c.Served = "yes"
				} else if is {
					c.Served, c.Why = "no", "the host serves that of Secret "+use.Secret.String()
				}
				for _, p := range plan.Problems {
					of := p.Object.Kind == "Ingress" && p.Object.Namespace == ing.Namespace && p.Object.Name == ing.Name
					if of && strings.HasPrefix(p.Field, fmt.Sprintf("spec.tls[%d]", i)) {
						c.Why = p.Message
					}
				}
				list = append(list, c)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b certificate) int { return strings.Compare(a.Host, b.Host) })
	return list
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

func (c *certificate) describe(leaf *x509.Certificate) {
	if leaf == nil {
		return
	}
	c.Subject, c.Issuer, c.NotAfter, c.Names = leaf.Subject.String(), leaf.Issuer.String(), leaf.NotAfter, leaf.DNSNames
}

// liveCertificates asks the pods, by a handshake for each host.
func (k *kube) liveCertificates(ctx context.Context, c *controllerSeen, planned []certificate, host string) ([]certificate, error) {
	hosts := []string{}
	for _, p := range planned {
		hosts = append(hosts, p.Host)
	}
	if host != "" {
		hosts = []string{host}
	}
	if hosts = slices.Compact(hosts); len(hosts) == 0 {
		return nil, nil
	}
	answers, err := k.askAll(ctx, c, append([]string{"certs", "--https-port=" + strconv.Itoa(c.render.HTTPSPort), "--"}, hosts...)...)
	if err != nil {
		return nil, err
	}
	var list []certificate
	for _, a := range answers {
		var shown []struct {
			certificate
			Error string `json:"error"`
		}
		if err := json.Unmarshal(a.text, &shown); err != nil {
			return nil, fmt.Errorf("read the answer of pod %s: %w", a.pods[0], err)
		}
		for _, s := range shown {
			s.Served, s.Why, s.Pods = "yes", s.Error, a.pods
			if s.Error != "" {
				s.Served = "no"
			}
			list = append(list, s.certificate)
		}
	}
	return list, nil
}

func certificateRows(list []certificate, now time.Time) [][]string {
	rows := [][]string{{"HOST", "SECRET", "SUBJECT", "NAMES", "EXPIRES", "SERVED", "WHY"}}
	for _, c := range list {
		expires := "-"
		if !c.NotAfter.IsZero() {
			expires = c.NotAfter.UTC().Format(time.DateOnly)
			if left := c.NotAfter.Sub(now); left < 0 {
				expires += " (expired)"
			} else {
				expires += fmt.Sprintf(" (%dd)", int(left.Hours()/24))
			}
		}
		rows = append(rows, []string{c.Host, orNone(c.Secret), orNone(c.Subject), orNone(strings.Join(c.Names, ",")), expires, c.Served, orNone(c.Why)})
	}
	return rows
}
