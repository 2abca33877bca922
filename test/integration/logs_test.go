//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const logsConfigMap = `
apiVersion: v1
kind: ConfigMap
metadata: {name: controller, namespace: ingress-nginx}
data:
  log-format-upstream: '[$host$request_uri $status $sluice_reason]'
  skip-access-log-urls: /unseen,~^/un.*\?
`

const answersOfOurs = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: locked
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: 10.9.9.9/32}
spec: {rules: [{host: locked.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: denied
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: nonsense}
spec: {rules: [{host: denied.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: limited
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/limit-rpm: "1", nginx.ingress.kubernetes.io/limit-burst-multiplier: "1"}
spec: {rules: [{host: limited.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: silent
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/enable-access-log: "false"}
spec: {rules: [{host: silent.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: slow
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: "1"}
spec:
  rules:
  - {host: slow.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
  - {host: empty.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}
  - {host: refusing.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: refusing, port: {number: 80}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: refusing, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: refusing-1, namespace: shop, labels: {kubernetes.io/service-name: refusing}}
addressType: IPv4
ports: [{name: http, port: 9199}]
endpoints: [{addresses: [127.0.30.9]}]
`

// The access log says why NGINX answered itself, and nothing where a pod did.
func TestLogsSayWhyNGINXAnswered(t *testing.T) {
	startPods(t, 1)
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			files := shop("shop.test", 1)
			files["configmap.yaml"], files["more.yaml"] = logsConfigMap, answersOfOurs
			d := startDaemon(t, ports{18581, 18582, 18583}, files, "--routing="+routing, "--configmap=ingress-nginx/controller")
			var want strings.Builder
			for _, r := range []struct {
				host, path string
				status     int
				reason     string
			}{
				{"shop.test", "/", 200, ""}, {"shop.test", "/?__status=503", 503, ""}, {"shop.test", "/?__status=502", 502, ""}, {"shop.test", "/unseen", 200, "-"},
				{"shop.test", "/unseen?", 200, "-"}, {"locked.test", "/", 403, "forbidden"}, {"denied.test", "/", 503, "denied"}, {"silent.test", "/", 200, "-"},
				{"limited.test", "/", 200, ""}, {"limited.test", "/", 200, ""}, {"limited.test", "/", 503, "limited"}, {"empty.test", "/", 503, "no-endpoints"},
				{"refusing.test", "/", 502, "unreachable"}, {"slow.test", "/?__delay=3s", 504, "timed-out"}, {"unknown.test", "/", 404, "-"},
			} {
				if err := d.serves(r.host, r.path, r.status, "")(); err != nil {
					t.Error(err)
				}
				if r.reason != "-" {
					fmt.Fprintf(&want, "[%s%s %d %s]\n", r.host, r.path, r.status, r.reason)
				}
			}
			d.eventually(time.Second, "the log has exactly these", func() error {
				log, err := os.ReadFile(filepath.Join(d.state, "access.log"))
				if err == nil && string(log) != want.String() {
					err = fmt.Errorf("it is\n%s, want\n%s", log, want.String())
				}
				return err
			})
		})
	}
}
