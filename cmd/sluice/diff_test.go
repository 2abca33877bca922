package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiffStatus(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old, cluster := write("old.yaml", shop), write("cluster.yaml", strings.TrimPrefix(service, "\n---"))
	limited := write("limited.yaml", strings.Replace(shop, "namespace: shop}", `namespace: shop, annotations: {nginx.ingress.kubernetes.io/limit-rps: "5"}}`, 1))
	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  error // errChanges, nil, or any other
		out   string
	}{
		"nothing changes":          {"", []string{old, old, "-f", cluster}, nil, "nothing changes\n"},
		"a limit":                  {"", []string{old, limited, "-f", cluster}, errChanges, `metadata.annotations[nginx.ingress.kubernetes.io/limit-rps] (` + limited + `:2): now "5"`},
		"from standard input":      {shop, []string{"-", limited, "-f", cluster}, errChanges, "+ guard: limits"},
		"a problem goes":           {shop + service, []string{old, "-"}, errChanges, "problems that are gone\n  error: Ingress shop/web"},
		"markdown":                 {"", []string{old, limited, "--format", "markdown"}, errChanges, "### What changes"},
		"dynamic routing":          {"", []string{old, limited, "--routing", "dynamic"}, errChanges, "+    location @"},
		"no such format":           {"", []string{old, limited, "--format", "xml"}, errAny, ""},
		"no such file":             {"", []string{old, "missing.yaml"}, errAny, ""},
		"one version":              {"", []string{old}, errAny, ""},
		"standard input for both":  {shop, []string{"-", "-"}, errAny, ""},
		"standard input is shared": {service, []string{old, limited, "-f", "-"}, errAny, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, err := run(t, diffCommand(), c.stdin, c.args...)
			switch {
			case c.want == errAny && (err == nil || errors.Is(err, errChanges)), c.want != errAny && !errors.Is(err, c.want):
				t.Errorf("it ends with %v\n%s%s", err, out, errs)
			case !strings.Contains(out, c.out) || c.out == "" && out != "":
				t.Errorf("it prints\n%s", out)
			}
		})
	}
}

// TestDiffIsCut holds that there are no more lines than people read, unless they ask for all.
func TestDiffIsCut(t *testing.T) {
	many := ""
	for _, name := range strings.Split("a b c d e f g h i j k l m n o p q r s t u v w x y z", " ") {
		many += "---\n" + strings.Replace(strings.Replace(shop, "shop.example.com", name+".example.com", 1), "name: web, namespace", "name: "+name+", namespace", 1)
	}
	old := filepath.Join(t.TempDir(), "old.yaml")
	if err := os.WriteFile(old, []byte(service[len("\n---"):]), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(args ...string) (lines, rest int) {
		out, _, _ := run(t, diffCommand(), service+many, append([]string{old, "-", "--format", "json"}, args...)...)
		var report struct {
			NginxConf struct {
				Diff []string
				Rest int
			}
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return len(report.NginxConf.Diff), report.NginxConf.Rest
	}
	lines, rest := read()
	all, none := read("--full")
	if lines != 100 || rest == 0 || lines+rest != all || none != 0 {
		t.Errorf("%d lines and a rest of %d; in full %d and %d", lines, rest, all, none)
	}
}
