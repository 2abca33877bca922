package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// run runs an offline command with standard input.
func run(t *testing.T, cmd *cobra.Command, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

const (
	oldIngress = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: old}\n"
	deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
)

func TestLintStatus(t *testing.T) {
	misspelt := strings.Replace(shop+service, "namespace: shop}", "namespace: shop, annotations: {nginx.ingress.kubernetes.io/ssl-redirct: x}}", 1)
	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  error // errProblems, nil, or any other
		out   string
	}{
		"nothing wrong":        {shop + service, nil, nil, ""},
		"Services elsewhere":   {shop, nil, nil, "<stdin>:8:68: info: Ingress shop/web: spec.rules[0].http.paths[0].backend.service.name: Service shop/web does not exist"},
		"no others":            {shop, []string{"--complete"}, errProblems, "<stdin>:8:68: error: "},
		"a warning":            {misspelt, nil, nil, "warning: "},
		"a warning, strict":    {misspelt, []string{"--strict"}, errProblems, "warning: "},
		"an old Ingress":       {oldIngress, nil, errProblems, "OutdatedVersion"},
		"nothing for us":       {deployment, nil, nil, ""},
		"no YAML":              {"a: [", nil, errAny, "UnreadableManifest"},
		"no object":            {"a: 1", nil, errAny, "has neither apiVersion nor kind"},
		"empty":                {"", nil, errAny, ""},
		"one broken, one good": {"a: [\n---\n" + shop + service, nil, errProblems, "UnreadableManifest"},
		"no such format":       {shop, []string{"--format", "xml"}, errAny, ""},
		"no such file":         {shop, []string{"-f", "missing.yaml"}, errAny, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, err := run(t, lintCommand(), c.stdin, append([]string{"-f", "-"}, c.args...)...)
			switch {
			case c.want == errAny && (err == nil || errors.Is(err, errProblems)), c.want != errAny && !errors.Is(err, c.want):
				t.Errorf("it ends with %v\n%s%s", err, out, errs)
			case !strings.Contains(out, c.out) || c.out == "" && out != "":
				t.Errorf("it prints\n%s", out)
			}
		})
	}
}

// errAny stands for an error that ends the program with status 2.
var errAny = errors.New("any")

func TestLintDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.yaml": shop, "sub/b.yml": oldIngress, "notes.txt": "a: ["} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, err := run(t, lintCommand(), "", "-f", dir)
	if !errors.Is(err, errProblems) || errs != "1 errors, 0 warnings, 1 infos\n" {
		t.Errorf("%v, %q", err, errs)
	}
	for _, want := range []string{dir + "/a.yaml:8:68: info", dir + "/sub/b.yml:1:1: error"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}
