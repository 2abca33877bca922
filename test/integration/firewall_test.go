//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// firewalled is an Ingress with the firewall, and with the given annotations besides.
func firewalled(name, annotations string) string {
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/enable-modsecurity: "true"
%s
spec:
  rules:
  - host: %[1]s.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
`, name, annotations)
}

const rawSnippets = `
apiVersion: v1
kind: ConfigMap
metadata: {name: controller, namespace: ingress}
data: {allow-snippet-annotations: "true", annotations-risk-level: Critical}
`

// What the firewall only detects is in the audit log, which goes where the access log does by default, and has no secrets of
// clients. Rules that ModSecurity does not take are found, and cost their own Ingress only.
func TestFirewall(t *testing.T) {
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			startPods(t, 1)
			manifests := shop("shop.test", 1)
			manifests["detects.yaml"] = firewalled("detects", `    nginx.ingress.kubernetes.io/enable-owasp-core-rules: "true"`)
			manifests["controller.yaml"] = rawSnippets
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+routing, "--configmap=ingress/controller")

			d.attack(t, "detects.test", http.StatusOK)
			d.eventually(5*time.Second, "the attack is in the audit log", d.logs(`{"transaction":`, `"ruleId":"930120"`))
			if strings.Contains(d.log.String(), "open-sesame") {
				t.Error("the log has the client's cookie")
			}
			d.log.Clear()
			d.attack(t, "shop.test", http.StatusOK)

			d.write("blocks.yaml", firewalled("blocks", `    nginx.ingress.kubernetes.io/enable-owasp-core-rules: "true"
    nginx.ingress.kubernetes.io/modsecurity-snippet: SecRuleEngine On`))
			d.eventually(5*time.Second, "the new host is served", d.serves("blocks.test", "/", http.StatusOK, ""))
			d.attack(t, "blocks.test", http.StatusForbidden)

			d.write("bad.yaml", firewalled("bad", `    nginx.ingress.kubernetes.io/modsecurity-snippet: SecRule ARGS`))
			d.eventually(20*time.Second, "the Problem is told", d.logs("RefusedByNGINX", `object="Ingress shop/bad"`, "modsecurity"))
			d.eventually(5*time.Second, "the others are served", d.serves("blocks.test", "/", http.StatusOK, ""))
			d.eventually(5*time.Second, "nobody gets past the bad rules", d.serves("bad.test", "/", http.StatusServiceUnavailable, ""))
		})
	}
}

// attack sends a request that the core rules know.
func (d *daemon) attack(t *testing.T, host string, want int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/?file=../../../../etc/passwd", d.ports.http), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Cookie", "session=open-sesame")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		t.Errorf("%s answers %d, want %d", host, resp.StatusCode, want)
	}
}
