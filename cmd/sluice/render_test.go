package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const shop = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  rules:
  - host: shop.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
`

const service = `
---
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}},
  {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "web-1", "namespace": "shop",
   "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4", "ports": [{"name": "", "port": 8080}],
   "endpoints": [{"addresses": ["10.0.0.1"]}]}]}
`

// render runs the command with standard input.
func render(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, problems bytes.Buffer
	cmd := renderCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&problems)
	err = cmd.Execute()
	return out.String(), problems.String(), err
}

func TestRenderFromStandardInput(t *testing.T) {
	out, problems, err := render(t, shop+service, "-f", "-")
	if err != nil || problems != "" {
		t.Fatalf("%v\n%s", err, problems)
	}
	for _, want := range []string{"server_name shop.example.com;", "upstream shop_web_80 {", "server 10.0.0.1:8080;"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if again, _, _ := render(t, service+"---"+shop, "-f", "-"); again != out {
		t.Error("the order of the objects changes the output")
	}
}

func TestRenderReportsErrors(t *testing.T) {
	out, problems, err := render(t, shop, "-f", "-")
	if !errors.Is(err, errProblems) {
		t.Errorf("the error is %v", err)
	}
	if !strings.Contains(problems, "<stdin>:2: error: Ingress shop/web: spec.rules[0]") || !strings.Contains(problems, "MissingService") {
		t.Errorf("the Problems are %q", problems)
	}
	if !strings.Contains(out, "server_name shop.example.com;") {
		t.Error("what is good is not printed")
	}
}

func TestRenderOneHost(t *testing.T) {
	out, _, err := render(t, shop+service, "-f", "-", "--host", "shop.example.com")
	if err != nil || !strings.HasPrefix(strings.TrimSpace(out), "server {") || strings.Contains(out, "http {") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := render(t, shop+service, "-f", "-", "--host", "no.example.com"); err == nil || !strings.Contains(err.Error(), "no.example.com") {
		t.Errorf("an unknown host gives %v", err)
	}
}

func TestRenderAnnotated(t *testing.T) {
	limited := strings.Replace(shop, "namespace: shop}", `namespace: shop, annotations: {nginx.ingress.kubernetes.io/limit-rps: "5"}}`, 1) + service
	const want = "  # from Ingress shop/web metadata.annotations[nginx.ingress.kubernetes.io/limit-rps]\n"
	for _, args := range [][]string{nil, {"--host", "shop.example.com"}} {
		out, _, err := render(t, limited, append(args, "-f", "-", "--annotate")...)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v\n%s", err, out)
		}
		plain, _, _ := render(t, limited, append(args, "-f", "-")...)
		if stripped := regexp.MustCompile("(?m)  # from [^#\n]+$").ReplaceAllString(out, ""); stripped != plain {
			t.Errorf("without comments, %v gives\n%s", args, stripped)
		}
	}
	if _, _, err := render(t, limited, "-f", "-", "--annotate", "--host", "no.example.com"); err == nil || !strings.Contains(err.Error(), "no.example.com") {
		t.Errorf("an unknown host gives %v", err)
	}
}

func TestRenderToADirectory(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(filepath.Join(in, "shop.yaml"), []byte(shop+service), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems, err := render(t, "", "-f", in, "-o", out); err != nil {
		t.Fatalf("%v\n%s", err, problems)
	}
	for _, name := range []string{"nginx.conf", "upstreams.conf", "default.crt", "default.key"} {
		info, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			t.Error(err)
		} else if name == "default.key" && info.Mode().Perm() != 0o600 {
			t.Errorf("the key can be read by others: %s", info.Mode())
		}
	}
	first, _ := os.ReadFile(filepath.Join(out, "nginx.conf"))
	if _, _, err := render(t, "", "-f", in, "-o", out); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(filepath.Join(out, "nginx.conf")); !bytes.Equal(first, second) {
		t.Error("a second run writes other bytes")
	}
}

func TestRenderRefusesWrongArguments(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-f", "/no/such/file"}, {"-f", "-", "extra"}, {"-f", "-", "--configmap", "no-slash"}, {"-f", "-", "--nonsense"},
	} {
		if _, _, err := render(t, shop, args...); err == nil || errors.Is(err, errProblems) {
			t.Errorf("%v gives %v", args, err)
		}
	}
}
