//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// countedShop has a host, an alias of it, and a wildcard whose requests are not logged; its settings cost a reload each time they change in either mode.
func countedShop(timeout int) map[string]string {
	files := shop("shop.test", 1)
	files["ingress.yaml"] = fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/server-alias: alias.test
    nginx.ingress.kubernetes.io/proxy-read-timeout: "%d"
spec:
  rules:
  - {host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: wild, namespace: shop, annotations: {nginx.ingress.kubernetes.io/enable-access-log: "false"}}
spec:
  rules:
  - {host: "*.wild.test", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
`, timeout)
	return files
}

// sent counts requests by what their series have to say.
type sent struct {
	d  *daemon
	mu sync.Mutex
	by map[string]float64
}

// send sends requests over some connections at a time.
func (s *sent) send(host, counted, method string, n int) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range n / 4 {
				req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d/some/path", s.d.ports.http), nil)
				if err != nil {
					s.d.t.Error(err)
					return
				}
				req.Host = host
				resp, err := client.Do(req)
				if err != nil {
					s.d.t.Error(err)
					return
				}
				resp.Body.Close()
				if counted == "" {
					continue
				}
				s.mu.Lock()
				s.by[fmt.Sprintf("%s %s %d", counted, method, resp.StatusCode)]++
				s.mu.Unlock()
			}
		})
	}
	all.Wait()
}

// counted are the values of a metric of requests by host, method and status.
func (d *daemon) counted(name string) (map[string]float64, error) {
	text, err := d.fetch("/metrics")
	all := map[string]float64{}
	for _, line := range regexp.MustCompile(`(?m)^nginx_ingress_controller_`+name+`\{(.*)\} (\S+)$`).FindAllStringSubmatch(text, -1) {
		label := func(name string) string {
			_, rest, _ := strings.Cut(","+line[1], ","+name+`="`)
			value, _, _ := strings.Cut(rest, `"`)
			return value
		}
		if ingress := label("namespace") + "/" + label("ingress") + "/" + label("service") + label("path"); ingress != "shop/web/web/" && ingress != "shop/wild/web/" {
			return nil, fmt.Errorf("a series is of %s: %s", ingress, line[0])
		}
		value, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			return nil, err
		}
		all[label("host")+" "+label("method")+" "+label("status")] += value
	}
	return all, err
}

// askAllTheTime reads the metrics until stop is called.
func (d *daemon) askAllTheTime() (stop func()) {
	var asking sync.WaitGroup
	stopped := make(chan struct{})
	asking.Go(func() {
		for {
			select {
			case <-stopped:
				return
			default:
				if _, err := d.counted("requests"); err != nil {
					d.t.Error(err)
					return
				}
			}
		}
	})
	return func() { close(stopped); asking.Wait() }
}

// Every request counts once, however many workers and generations of them serve, and whoever asks meanwhile.
func TestRequestsAreCounted(t *testing.T) {
	startPods(t, 1)
	for _, routing := range []string{"compiled", "dynamic"} {
		for _, apart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s apart=%v", routing, apart), func(t *testing.T) {
				flags := []string{"--enable-metrics", "--routing=" + routing}
				if apart {
					state := stateDir(t)
					startDataplane(t, state)
					flags = append(flags, "--state-dir", state, "--dataplane-socket", socketIn(state),
						"--access-log", filepath.Join(state, "access.log"), "--error-log", filepath.Join(state, "error.log"))
				}
				d := startDaemon(t, ports{18581, 18582, 18583}, countedShop(60), flags...)
				s := &sent{d: d, by: map[string]float64{}}
				s.send("shop.test", "shop.test", http.MethodGet, 200)
				stop := d.askAllTheTime()
				for n := range 3 {
					reloads := d.reloads()
					d.write("ingress.yaml", countedShop(61 + n)["ingress.yaml"])
					s.send("alias.test", "shop.test", http.MethodGet, 200)
					s.send("a.wild.test", "*.wild.test", http.MethodPost, 200)
					s.send("b.wild.test", "*.wild.test", "MADEUP", 200)
					s.send("unknown.test", "", http.MethodGet, 40)
					d.eventually(10*time.Second, "it is reloaded", func() error {
						if d.reloads() == reloads {
							return fmt.Errorf("not yet")
						}
						return nil
					})
				}
				stop()
				want := map[string]float64{}
				for key, n := range s.by {
					want[strings.Replace(key, "MADEUP", "others", 1)] = n
				}
				for _, name := range []string{"requests", "request_duration_seconds_count", "response_size_count", "bytes_sent_count"} {
					d.eventually(10*time.Second, "all of "+name+" is counted", func() error {
						got, err := d.counted(name)
						if diff := cmp.Diff(want, got); err == nil && diff != "" {
							err = fmt.Errorf("they are (-sent +counted):\n%s", diff)
						}
						return err
					})
				}
				d.write("ingress.yaml", "")
				d.eventually(10*time.Second, "series of an Ingress that is gone are gone", func() error {
					got, err := d.counted("requests")
					if err == nil && len(got) > 0 {
						err = fmt.Errorf("there are %v", got)
					}
					return err
				})
			})
		}
	}
}
