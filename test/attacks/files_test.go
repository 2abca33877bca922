package attacks

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

const twins = `
apiVersion: v1
kind: Namespace
metadata: {name: shop-a}
---
apiVersion: v1
kind: Secret
metadata: {name: b-ca, namespace: shop-a}
stringData: {ca.crt: {{authority good}}}
---
apiVersion: v1
kind: Secret
metadata: {name: a-b-ca, namespace: shop}
stringData: {ca.crt: {{authority other}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: b, namespace: shop-a, annotations: {nginx.ingress.kubernetes.io/auth-tls-secret: shop-a/b-ca}}
spec:
  tls: [{hosts: [one.example.com]}]
  rules: [{host: one.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a-b, namespace: shop, annotations: {nginx.ingress.kubernetes.io/auth-tls-secret: shop/a-b-ca}}
spec:
  tls: [{hosts: [two.example.com]}]
  rules: [{host: two.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}}]
`

// Namespace and name of two Secrets make the same text when they are put together, with a dash or without. Each host
// has the authorities of its own.
func TestNeighboursWithLikeNamesShareNoFile(t *testing.T) {
	c := golden.New(t, "twins", &txtar.Archive{Files: []txtar.File{{Name: "ingress.yaml", Data: []byte(twins)}}})
	plan := c.Plan(t)
	text, _ := plan.Files.Get("nginx.conf")
	tree, err := nginx.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{} // content by host
	everyDirective(tree, func(d nginx.Parsed) {
		host := ""
		for _, inner := range d.Block {
			switch inner.Name() {
			case "server_name":
				host = inner.Words[1]
			case "ssl_client_certificate":
				if !plainName.MatchString(inner.Words[1]) {
					t.Errorf("a file is called %q", inner.Words[1])
				}
				content, _ := plan.Files.Get(inner.Words[1])
				found[host] = string(content)
			}
		}
	})
	if found["one.example.com"] == "" || found["two.example.com"] == "" || found["one.example.com"] == found["two.example.com"] {
		t.Errorf("authorities by host: %.60q", found)
	}
}

// CVE-2026-42945 is about unnamed captures in rewrite, whose number counts only while the replacement has no question
// mark. In no case is there one of either.
func TestRewritesHaveNoNumberedCaptures(t *testing.T) {
	rewrites := 0
	for _, c := range Load(t) {
		for _, try := range c.Tries() {
			text, _ := c.With(t, try).Plan(t).Files.Get("nginx.conf")
			tree, err := nginx.Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			everyDirective(tree, func(d nginx.Parsed) {
				if d.Name() != "rewrite" || len(d.Words) < 3 {
					return
				}
				rewrites++
				if numbered.MatchString(d.Words[2]) || strings.Contains(strings.TrimSuffix(d.Words[2], "?"), "?") {
					t.Errorf("%s: %q", c.Name, d.Words)
				}
			})
		}
	}
	if rewrites == 0 {
		t.Error("nothing is rewritten")
	}
}

var numbered = regexp.MustCompile(`\$\{?[0-9]`)
