//go:build integration

package integration

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/test/pods"
)

// nextService is the Service next with pod 2, which is not one of shop's.
const nextService = `
apiVersion: v1
kind: Service
metadata: {name: next, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: next-1, namespace: shop, labels: {kubernetes.io/service-name: next}}
addressType: IPv4
ports: [{name: http, port: 9180}]
endpoints: [{addresses: [127.0.30.2]}]
`

// shopCanary makes next a canary on shop.test, with further annotations.
func shopCanary(annotations string) string {
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: next
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/canary: "true", %s}
spec:
  rules:
  - host: shop.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: next, port: {number: 80}}}}]}
`, strings.ReplaceAll(annotations, "canary-", "nginx.ingress.kubernetes.io/canary-"))
}

// podFor sends a request to shop.test with a header and returns the pod that answered.
func (d *daemon) podFor(name, value string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", d.ports.http), nil)
	if err != nil {
		return "", err
	}
	req.Host = "shop.test"
	req.Header.Set(name, value)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	pod := regexp.MustCompile(`"pod":"([^"]*)"`).FindSubmatch(body)
	if err != nil || pod == nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d, %v: %s", resp.StatusCode, err, body)
	}
	return string(pod[1]), nil
}

// takes returns a check that requests with the header are answered by the pod: so many that it is not by chance.
func (d *daemon) takes(name, value, pod string) func() error {
	return func() error {
		for range 20 {
			got, err := d.podFor(name, value)
			if err != nil {
				return err
			}
			if got != pod {
				return fmt.Errorf("with %s: %s, %s answers, not %s", name, value, got, pod)
			}
		}
		return nil
	}
}

// share is the part of so many requests to shop.test that pod 2 answers. Every one has to be answered.
func (d *daemon) share(t *testing.T, requests int) float64 {
	t.Helper()
	var taken, failed atomic.Int64
	var wait sync.WaitGroup
	const senders = 8
	for range senders {
		wait.Go(func() {
			for range requests / senders {
				switch pod, err := d.podFor("X-None", ""); {
				case err != nil:
					failed.Add(1)
				case pod == podAddress(2):
					taken.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, requests)
	}
	return float64(taken.Load()) / float64(requests)
}

// step is a weight of a canary, and the share of the requests that it stands for. Chance decides about each request, so the number
// that a canary takes is binomial. Two points off, or seven tenths of a small share, are at least five and a half standard
// deviations, sqrt(p(1-p)/requests): a run in 10 million at the most gets there, which takes more than 10,000 requests for a
// weight of 50. At 0 and 100 there is no chance.
type step struct {
	weight   string
	want     float64
	requests int
}

// Weights, headers and cookies are data, and so is a canary itself: none of them reloads NGINX. Shares are what the
// weights say. The same code draws in both modes, so that dynamic gets fewer steps.
func TestCanaryRollout(t *testing.T) {
	none, tenth, all := step{`canary-weight: "0"`, 0, 10_000}, step{`canary-weight: "10"`, 0.1, 10_000}, step{`canary-weight: "100"`, 1, 10_000}
	t.Run("compiled", func(t *testing.T) {
		rollOut(t, "compiled", "canaries changed, no reload", none, step{`canary-weight: "1"`, 0.01, 10_000}, tenth, step{`canary-weight: "50"`, 0.5, 20_000},
			step{`canary-weight: "20", canary-weight-total: "200"`, 0.1, 10_000}, all)
	})
	t.Run("dynamic", func(t *testing.T) { rollOut(t, "dynamic", "routes changed", none, tenth, all) })
}

func rollOut(t *testing.T, mode, logged string, steps ...step) {
	startPods(t, 1)
	pods.Start(t, podAddress(2), "next", nil)
	manifests := shop("shop.test", 1)
	manifests["next.yaml"] = nextService
	d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+mode)
	reloads := d.reloads()
	for n, step := range steps {
		// The header marks the step: what answers to it has the step's weight.
		value := fmt.Sprintf("step-%d", n)
		d.write("canary.yaml", shopCanary(fmt.Sprintf("canary-by-header: X-Step-%d, canary-by-header-value: %s, %s", n, value, step.weight)))
		d.eventually(5*time.Second, "the canary takes what the header says", d.takes(fmt.Sprintf("X-Step-%d", n), value, podAddress(2)))
		got := d.share(t, step.requests)
		t.Logf("%s: %.2f %%", step.weight, 100*got)
		within := min(0.02, 0.7*step.want)
		if step.want == 1 {
			within = 0
		}
		if math.Abs(got-step.want) > within {
			t.Errorf("%s: %.2f %% of the requests are taken, want %.0f ± %.1f", step.weight, 100*got, 100*step.want, 100*within)
		}
	}
	d.eventually(5*time.Second, "the log says what changed", d.logs(logged))
	d.eventually(5*time.Second, "the access log names the canary", func() error {
		log, err := os.ReadFile(filepath.Join(d.state, "access.log"))
		for _, want := range []string{"[shop-web-80] [shop-next-80] " + podAddress(2), "[shop-web-80] [] " + podAddress(1)} {
			if err == nil && !strings.Contains(string(log), want) {
				err = fmt.Errorf("no line has %s", want)
			}
		}
		return err
	})

	d.write("canary.yaml", shopCanary(`canary-by-cookie: try`))
	d.eventually(5*time.Second, "there is no weight any more", d.takes("Cookie", "a=b", podAddress(1)))
	d.eventually(5*time.Second, "the cookie decides", d.takes("Cookie", "a=b; try=always", podAddress(2)))
	d.write("canary.yaml", "")
	d.eventually(5*time.Second, "without the canary all is as before", d.takes("Cookie", "try=always", podAddress(1)))
	if now := d.reloads(); now != reloads {
		t.Errorf("%v reloads", now-reloads)
	}
}
