package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/controller/explain"
)

// explained runs the command with manifests on standard input.
func explained(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := explainCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{"-f", "-"}, args...))
	cmd.SetIn(strings.NewReader(shop + service))
	cmd.SetOut(&out)
	err := cmd.Execute()
	return out.String(), err
}

func TestExplainNamesWhoAnswers(t *testing.T) {
	out, err := explained(t, "POST", "shop.example.com/a?b", "-H", "X-A: b", "--cookie", "c=d", "--client-ip", "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Ingress shop/web spec.rules[0].http.paths[0] (<stdin>:2)", "POST /a?b, over HTTP", "10.0.0.1:8080", "X-Real-IP: 192.0.2.7", "1 of 1 endpoints",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestExplainSaysTheSameOfBothRoutings(t *testing.T) {
	compiled, err := explained(t, "shop.example.com/a")
	if err != nil {
		t.Fatal(err)
	}
	if dynamic, err := explained(t, "shop.example.com/a", "--routing", "dynamic"); err != nil || dynamic != compiled {
		t.Errorf("compiled:\n%s\ndynamic (%v):\n%s", compiled, err, dynamic)
	}
}

func TestExplainEndsWithTheStatusOfErrors(t *testing.T) {
	if out, err := explained(t, "http://nobody.example.com/"); !errors.Is(err, errProblems) || !strings.Contains(out, "NGINX says 404") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestExplainPrintsForPrograms(t *testing.T) {
	for format, read := range map[string]func(text string, d *explain.Decision) error{
		"json": func(text string, d *explain.Decision) error { return json.Unmarshal([]byte(text), d) },
		"yaml": func(text string, d *explain.Decision) error { return yaml.Unmarshal([]byte(text), d) },
	} {
		out, err := explained(t, "-o", format, "shop.example.com/a")
		if err != nil {
			t.Fatal(err)
		}
		var d explain.Decision
		if err := read(out, &d); err != nil || !d.Outcome.Served() || d.Outcome.Backend.URI != "/a" || d.Host.Object != "Ingress shop/web" {
			t.Errorf("%s: %v\n%s", format, err, out)
		}
	}
}

func TestExplainRefusesWrongArguments(t *testing.T) {
	for _, args := range [][]string{
		{}, {"ftp://a/"}, {"http:///a"}, {"a", "-o", "xml"}, {"a", "-H", "no colon"}, {"a", "--cookie", "a"}, {"a", "--client-ip", "here"}, {"a", "--body-size", "-1"}, {"a", "b", "c"},
	} {
		if _, err := explained(t, args...); err == nil || errors.Is(err, errProblems) {
			t.Errorf("%v gives %v", args, err)
		}
	}
}
