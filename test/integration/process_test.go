//go:build integration

package integration

import (
	"fmt"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/test/golden"
)

// processSettings are ConfigMaps one after the other. Each changes something that a running NGINX has to change: listeners from
// all addresses to some and back, the number of workers and so of their sockets, modules, tables in shared memory.
var processSettings = []string{
	"{}",
	"{bind-address: '127.0.0.1,::1'}",
	"{bind-address: '127.0.0.1,127.0.0.2', worker-processes: '5'}",
	"{worker-processes: '1'}",
	"{disable-ipv6: 'true', worker-processes: '4'}",
	"{bind-address: 0.0.0.0, enable-brotli: 'true'}",
	"{use-http2: 'false', enable-aio-write: 'true', enable-multi-accept: 'false'}",
	"{bind-address: '127.0.0.1', max-worker-connections: '1', max-worker-open-files: '1'}",
	"{max-worker-connections: '0', error-log-level: debug, debug-connections: 127.0.0.0/8, ssl-session-cache-size: 20m}",
	"{variables-hash-max-size: '1', map-hash-bucket-size: '1', server-name-hash-bucket-size: '32768', use-gzip: 'true', enable-brotli: 'true'}",
	"{}",
}

const webIngress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  rules:
  - host: web.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}
`

// TestProcessSettingsChangeLive gives a running NGINX each of the processSettings, and asks it often enough that every socket
// that the kernel shares connections out to is tried: one that nobody accepts from would leave a client waiting.
func TestProcessSettingsChangeLive(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	fake, pair := certificate(t)
	basePods(t, pair)
	dir := stateDir(t)
	engine := startNGINX(t, dir)
	for n, data := range processSettings {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := golden.New(t, data, &txtar.Archive{Files: []txtar.File{
				{Name: "ingress.yaml", Data: []byte(webIngress)},
				{Name: "configmap.yaml", Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: controller, namespace: ingress-nginx}\ndata: " + data + "\n")},
				{Name: "requests", Data: []byte("GET http://web.example.com/\n> times 60\n< 200\nGET https://web.example.com/\n> times 20\n< 200\n")},
			}})
			c.Options.Translate.SelfSigned = fake
			c.Options.Render = renderOptions(t, dir)
			c.Options.Render.IPv6 = true
			if problems := c.Plan(t).Problems; len(problems) > 0 {
				t.Errorf("Problems are %v", problems)
			}
			serve(t, engine, c)
			for _, r := range c.Requests {
				r.Send(t, target)
			}
		})
	}
}
