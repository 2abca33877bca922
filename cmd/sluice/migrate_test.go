package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// running is an ingress-nginx with some arguments.
func running(args string) string {
	return `---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: controller, namespace: edge}
spec: {template: {spec: {containers: [{image: example.com/ingress-nginx/controller, args: [/nginx-ingress-controller, ` + args + `]}]}}}
`
}

const edgeConfigMap = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: edge}
data: {use-proxy-protocl: "true", proxy-body-size: 8m}
`

func TestMigrateStatus(t *testing.T) {
	dir := t.TempDir()
	values := filepath.Join(dir, "values.yaml")
	broken := filepath.Join(dir, "broken.yaml")
	if err := errors.Join(
		os.WriteFile(values, []byte("controller: {config: {proxy-body-sise: 8m}, extraArgs: {no-such-flag: x}}\n"), 0o600),
		os.WriteFile(broken, []byte("controller: [\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  error
		out   string
	}{
		"nothing to do":          {shop + service, nil, nil, "0 settings of 1 Ingresses"},
		"flags":                  {shop + running("--v=2, --http-port=81"), nil, nil, "nothing  flag http-port: same (<stdin>:13:"},
		"a flag of nobody":       {shop + running("--no-such-flag"), nil, errProblems, "work     flag no-such-flag: not supported"},
		"the ConfigMap":          {edgeConfigMap + running("--configmap=$(POD_NAMESPACE)/settings"), nil, nil, "look     key use-proxy-protocl: unknown to both"},
		"another ConfigMap":      {edgeConfigMap + running("--configmap=$(POD_NAMESPACE)/settings"), []string{"--configmap", "a/b"}, nil, "flag configmap"},
		"the controller's class": {shop + running("--ingress-class=edge") + class, nil, nil, "1 Ingresses have other classes"},
		"values":                 {shop, []string{"--values", values}, errProblems, "did you mean proxy-body-size?"},
		"no values":              {shop, []string{"--values", dir + "/none"}, errAny, ""},
		"broken values":          {shop, []string{"--values", broken}, errAny, ""},
		"a bad selection":        {shop + running("--configmap=settings"), nil, errAny, ""},
		"no object":              {"a: 1", nil, errAny, ""},
		"no such format":         {shop, []string{"--format", "pdf"}, errAny, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := run(t, migrateCommand(), c.stdin, append([]string{"-f", "-"}, c.args...)...)
			switch {
			case c.want == errAny && (err == nil || errors.Is(err, errProblems)), c.want != errAny && !errors.Is(err, c.want):
				t.Errorf("it ends with %v\n%s", err, out)
			case !strings.Contains(out, c.out):
				t.Errorf("it prints\n%s", out)
			}
		})
	}
}

const class = `---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: example.com/edge}
`

// TestMigrateKnowsEveryFlag holds that every flag without effect is known, and that the values which ingress-nginx has by default ask for
// nothing.
func TestMigrateKnowsEveryFlag(t *testing.T) {
	var args []string
	for _, f := range inert {
		if value := strings.Trim(controllerCommand().Flags().Lookup(f.name).DefValue, "[]"); value != "" {
			args = append(args, "--"+f.name+"="+value)
		}
	}
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := run(t, migrateCommand(), running(strings.Trim(string(text), "[]")), "-f", "-", "--format", "json")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var report struct{ Items []struct{ Name string } }
	if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Items) != len(args) {
		t.Errorf("the report has %d items for %d flags (%v)", len(report.Items), len(args), err)
	}
}
