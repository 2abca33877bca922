//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

// No value that a setting takes may keep NGINX from starting: it would stop everybody's changes.

// TestNGINXTakesTheEdgesOfAnnotations tries each edge of each annotation on a host of its own, with every protocol.
func TestNGINXTakesTheEdgesOfAnnotations(t *testing.T) {
	var hosts []map[string]string
	for _, e := range annotations.Reference() {
		for _, value := range e.Edges {
			for _, protocol := range []string{"HTTP", "AUTO_HTTP", "GRPC"} {
				host := map[string]string{
					"backend-protocol": protocol, "rewrite-target": "/$1", "temporal-redirect": "https://example.com/", "from-to-www-redirect": "true",
				}
				switch e.Key {
				case "":
					continue
				case "permanent-redirect", "permanent-redirect-code":
					delete(host, "temporal-redirect")
					host["permanent-redirect"] = "https://example.com/"
				}
				for _, group := range []string{"auth-tls-", "proxy-ssl-"} {
					if strings.HasPrefix(e.Key, group) {
						host[group+"secret"] = "shop/edges"
					}
				}
				host[e.Key] = value
				hosts = append(hosts, host)
			}
		}
	}
	takes(t, nil, hosts)
}

// TestNGINXTakesTheEdgesOfTheConfigMap tries each edge of each key.
func TestNGINXTakesTheEdgesOfTheConfigMap(t *testing.T) {
	hosts := []map[string]string{
		{}, {"backend-protocol": "GRPC"}, {"proxy-buffer-size": "1g"}, {"proxy-buffers-number": "2"}, {"allowlist-source-range": "10.0.0.1"},
	}
	for _, e := range annotations.Reference() {
		for _, value := range e.Edges {
			if e.ConfigKey != "" {
				takes(t, map[string]string{e.ConfigKey: value}, hosts)
			}
		}
	}
}

// TestNGINXTakesAllBuffersTogether tries sizes together that NGINX compares with each other, some of them given by
// the ConfigMap.
func TestNGINXTakesAllBuffersTogether(t *testing.T) {
	sizes := map[string][]string{
		"proxy-buffers-number":     {"", "2", "3", "65536"},
		"proxy-buffer-size":        {"", "1k", "1025", "1g"},
		"proxy-busy-buffers-size":  {"", "1k", "8k", "9223372036854775807"},
		"proxy-max-temp-file-size": {"", "0", "1", "9223372036854775807"},
	}
	hosts := []map[string]string{{}}
	for key, values := range sizes {
		var more []map[string]string
		for _, host := range hosts {
			for _, value := range values {
				h := map[string]string{key: value}
				for k, v := range host {
					h[k] = v
				}
				more = append(more, h)
			}
		}
		hosts = more
	}
	takes(t, nil, hosts)
	for key, values := range sizes {
		for _, value := range values[1:] {
			takes(t, map[string]string{key: value}, hosts)
		}
	}
}

// fakeCertificate is made once: it takes longer than a test of NGINX's.
var fakeCertificate nginx.Certificate

// takes checks that NGINX takes a configuration with a host for each set of annotations, and that none is refused.
func takes(t *testing.T, config map[string]string, hosts []map[string]string) {
	t.Helper()
	objects := []string{"apiVersion: v1\nkind: Secret\nmetadata: {name: edges, namespace: shop}\nstringData: {ca.crt: {{authority good}}, " +
		"ca.crl: {{revocations good/x}}, tls.crt: {{certificate good/x}}, tls.key: {{key good/x}}}\n"}
	for n, host := range hosts {
		objects = append(objects, ingressOf(t, n, host))
	}
	archive := &txtar.Archive{Files: []txtar.File{{Name: "ingress.yaml", Data: []byte(strings.Join(objects, "\n---\n"))}}}
	if config != nil {
		archive.Files = append(archive.Files, txtar.File{Name: "configmap.yaml", Data: document(t, "v1", "ConfigMap", map[string]any{
			"metadata": map[string]any{"namespace": "ingress-nginx", "name": "controller"}, "data": config,
		})})
	}
	c := golden.New(t, "values", archive)
	dir := stateDir(t)
	if len(fakeCertificate.Chain) == 0 {
		fakeCertificate, _ = certificate(t)
	}
	c.Options.Translate.SelfSigned = fakeCertificate
	c.Options.Render = renderOptions(t, dir)
	plan := c.Plan(t)
	for _, p := range plan.Problems {
		if p.Reason == annotations.InvalidValue && !strings.Contains(p.Message, "lie between 300 and") && !strings.Contains(p.Message, "https URL") {
			t.Errorf("%s %s: %s", p.Object, p.Field, p.Message)
		}
	}
	output := refusal(t, dir, plan.Files)
	if output == "" {
		return
	}
	culprit := "the ConfigMap"
	if m := regexp.MustCompile(`nginx\.conf:(\d+)`).FindStringSubmatch(output); m != nil {
		line, _ := strconv.Atoi(m[1])
		if n, err := strconv.Atoi(strings.TrimPrefix(plan.Files.Layout.At(line).String(), "Ingress shop/v")); err == nil {
			culprit = fmt.Sprintf("%.200v", hosts[n])
		}
	}
	t.Errorf("ConfigMap %.200v: NGINX refuses %s:\n%.1000s", config, culprit, output)
}

func ingressOf(t *testing.T, n int, values map[string]string) string {
	name := "v" + strconv.Itoa(n)
	all := map[string]string{}
	for key, value := range values {
		all["nginx.ingress.kubernetes.io/"+key] = value
	}
	path := map[string]any{
		"path": "/x/(.*)", "pathType": "ImplementationSpecific",
		"backend": map[string]any{"service": map[string]any{"name": "echo", "port": map[string]any{"number": 80}}},
	}
	return string(document(t, "networking.k8s.io/v1", "Ingress", map[string]any{
		"metadata": map[string]any{"namespace": "shop", "name": name, "annotations": all},
		"spec": map[string]any{
			"tls":   []any{map[string]any{"hosts": []string{name + ".example.com"}}},
			"rules": []any{map[string]any{"host": name + ".example.com", "http": map[string]any{"paths": []any{path}}}},
		},
	}))
}

// document writes an object as JSON, which is YAML too.
func document(t *testing.T, version, kind string, content map[string]any) []byte {
	t.Helper()
	content["apiVersion"], content["kind"] = version, kind
	text, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// refusal has NGINX test a configuration and returns what it complains of, "" if nothing.
func refusal(t *testing.T, dir string, files nginx.Files) string {
	t.Helper()
	for _, f := range files.List {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "/usr/sbin/nginx", "-t", "-q", "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")).CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
}
