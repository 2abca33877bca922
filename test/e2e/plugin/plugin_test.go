//go:build e2e

// Package plugin_test shows that `kubectl ingress` finds, in a cluster with a running release, what is planted there.
package plugin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestMain(m *testing.M) { suite.Main(m, suite.SluiceImage()) }

// soon is how long the cluster may take on a busy machine.
const soon = time.Minute

const release = "plugged"

// values are those of the release. The webhook would keep some of the mistakes out.
const values = `
controller:
  replicaCount: 2
  ingressClass: plugged
  ingressClassResource: {name: plugged, controllerValue: example.com/plugged}
  admissionWebhooks: {enabled: false}
  customTemplate: {configMapName: trap}
`

// install installs the release, with a template that makes what NGINX refuses of an annotation's value.
func install(t *testing.T) *suite.Sluice {
	t.Helper()
	repository, err := suite.Repository()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(repository, "templates", "location.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	const body = "      {{.Body}}\n"
	trap := strings.Replace(string(text), body, `      {{- range .Body}}
      {{- if eq .Name "proxy_next_upstream_tries"}}
      {{- $value := (index .Args 0).Value}}
      {{- if eq $value "101"}}
      no_such_directive on;
      {{- end}}
      {{- end}}
      {{- end}}
`+body, 1)
	if trap == string(text) {
		t.Fatal("location.tmpl has no body")
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: release}}
	if _, err := suite.Client(t).CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	template := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "trap"}, Data: map[string]string{"location.tmpl": trap}}
	if _, err := suite.Client(t).CoreV1().ConfigMaps(release).Create(t.Context(), template, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return suite.Install(t, release, values)
}

// finding is one of `doctor -o json`, or a Problem of `lint -o json`.
type finding struct {
	Check, State, Severity, Field, Reason, Cause, Message, Fix, Link string
	Object                                                           struct{ Kind, Namespace, Name string }
}

// plugin runs the plugin, and returns what it prints and its exit status.
func plugin(t *testing.T, arguments ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), soon)
	defer cancel()
	run := exec.CommandContext(ctx, program(t), arguments...)
	var out, problems bytes.Buffer
	run.Stdout, run.Stderr = &out, &problems
	err := run.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("kubectl ingress %s: %v\n%s", strings.Join(arguments, " "), err, problems.String())
	}
	if code := run.ProcessState.ExitCode(); code > 1 {
		return out.String() + problems.String(), code
	}
	return out.String(), run.ProcessState.ExitCode()
}

var built string

func program(t *testing.T) string {
	t.Helper()
	if built == "" {
		built = suite.Binary(t, "kubectl-ingress")
	}
	return built
}

func findings(t *testing.T, arguments ...string) []finding {
	t.Helper()
	text, _ := plugin(t, append(arguments, "-o", "json")...)
	var list []finding
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("read what %v prints: %v\n%s", arguments, err, text)
	}
	return list
}

const faults = `
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: wrong-class}
spec:
  ingressClassName: plugd
  rules: [{host: wrong-class.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: missing-secret}
spec:
  ingressClassName: plugged
  tls: [{hosts: [missing-secret.DOMAIN], secretName: absent}]
  rules: [{host: missing-secret.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: port-typo}
spec:
  ingressClassName: plugged
  rules: [{host: port-typo.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 8080}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: first}
spec:
  ingressClassName: plugged
  rules: [{host: shadow.DOMAIN, http: {paths: [{path: /cart, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: expired}
spec:
  ingressClassName: plugged
  tls: [{hosts: [expired.DOMAIN], secretName: over}]
  rules: [{host: expired.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: misspelt
  annotations: {nginx.ingress.kubernetes.io/ssl-redirct: "false"}
spec:
  ingressClassName: plugged
  rules: [{host: misspelt.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: dead-auth
  annotations: {nginx.ingress.kubernetes.io/auth-url: "http://empty.NAMESPACE.svc.cluster.local/check"}
spec:
  ingressClassName: plugged
  rules: [{host: dead-auth.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: refused
  annotations: {nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "101"}
spec:
  ingressClassName: plugged
  rules: [{host: refused.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
`

// shadowed is younger than what has its path.
const shadowed = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shadowed}
spec:
  ingressClassName: plugged
  rules: [{host: shadow.DOMAIN, http: {paths: [{path: /cart, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
`

// TestDoctorFindsWhatIsPlanted with one command, and nothing before it was planted.
func TestDoctorFindsWhatIsPlanted(t *testing.T) {
	s := install(t)
	namespace := suite.Namespace(t)
	suite.Within(t, soon, func() error {
		text, status := plugin(t, "doctor", "--verbose")
		if status != 0 {
			return fmt.Errorf("with nothing planted, doctor ends with %d:\n%s", status, text)
		}
		return nil
	})

	apply := func(documents string) {
		suite.Apply(t, namespace, strings.NewReplacer("DOMAIN", namespace+".example", "NAMESPACE", namespace).Replace(documents))
	}
	secret, _ := suite.TLSSecretUntil(t, time.Now().Add(-time.Hour), "over", "expired."+namespace+".example")
	if _, err := suite.Client(t).CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	apply(faults)
	suite.Within(t, soon, func() error { // ages have whole seconds
		first, err := suite.Client(t).NetworkingV1().Ingresses(namespace).Get(t.Context(), "first", metav1.GetOptions{})
		if err == nil && time.Since(first.CreationTimestamp.Time) < 2*time.Second {
			err = errors.New("it is too young")
		}
		return err
	})
	apply(shadowed)

	for ingress, want := range map[string]string{
		"wrong-class": "NotClaimed", "missing-secret": "MissingSecret", "first": "NoEndpoints", "port-typo": "MissingServicePort",
		"shadowed": "DuplicatePath", "expired": "CertificateExpired", "misspelt": "UnknownAnnotation", "refused": "RefusedByNGINX",
	} {
		suite.Within(t, soon, func() error { return wantFinding(findings(t, "doctor", "-n", namespace), ingress, want) })
	}

	other := suite.Install(t, "rival", strings.NewReplacer("customTemplate: {configMapName: trap}", "", "name: plugged", "name: rival").Replace(values))
	list := findings(t, "doctor", "-n", namespace)
	isDead := func(f finding) bool { return f.Check == "asked" && f.Object.Name == "dead-auth" && f.State == "failed" }
	if !slices.ContainsFunc(list, isDead) {
		t.Errorf("doctor does not say that nobody answers what auth-url asks: %+v", list)
	}
	if !slices.ContainsFunc(list, func(f finding) bool {
		return f.Check == "rivals" && f.State == "failed" && strings.Contains(f.Cause, "IngressClass plugged") && f.Fix != "" && f.Link != ""
	}) {
		t.Errorf("doctor does not say that two controllers have the class: %+v", list)
	}
	other.Uninstall(t)

	t.Run("list", func(t *testing.T) { wantList(t, namespace) })
	t.Run("bundle", wantBundle)
	t.Run("diff", func(t *testing.T) { wantDiff(t, namespace) })
	t.Run("others", func(t *testing.T) { wantOthers(t, s, namespace) })
}

func wantFinding(list []finding, ingress, reason string) error {
	for _, f := range list {
		if f.Object.Name != ingress || f.Reason != reason {
			continue
		}
		if f.Cause == "" || f.Fix == "" || !strings.Contains(f.Link, "/docs/reasons.md#"+strings.ToLower(reason)) {
			return fmt.Errorf("of Ingress %s it says too little: %+v", ingress, f)
		}
		return nil
	}
	return fmt.Errorf("doctor finds no %s on Ingress %s: %+v", reason, ingress, list)
}

// wantList wants a line for each path, with what is behind it.
func wantList(t *testing.T, namespace string) {
	text, _ := plugin(t, "list", "-n", namespace, "-o", "json")
	var list []struct {
		Ingress, Host, Path, Service, Port, TLS, Class, Served string
		Ready, Total                                           int
		Problems                                               []string
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range list {
		got[r.Ingress] = fmt.Sprintf("%s:%s %d/%d %s %s %v", r.Service, r.Port, r.Ready, r.Total, r.TLS, r.Served, r.Problems)
	}
	for ingress, want := range map[string]string{
		"missing-secret": "empty:80 0/0 default yes [MissingSecret NoEndpoints]",
		"shadowed":       "empty:80 0/0 none no [DuplicatePath]",
	} {
		if got[ingress] != want {
			t.Errorf("of Ingress %s, list says %q, want %q", ingress, got[ingress], want)
		}
	}
}

// wantDiff wants to be told what a manifest would change, of an Ingress that it gives no namespace, and nothing to be changed.
func wantDiff(t *testing.T, namespace string) {
	manifest := filepath.Join(t.TempDir(), "misspelt.yaml")
	text := strings.ReplaceAll(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: misspelt
  annotations: {nginx.ingress.kubernetes.io/permanent-redirect: "https://elsewhere.example/"}
spec:
  ingressClassName: plugged
  rules: [{host: misspelt.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}}]
`, "DOMAIN", namespace+".example")
	if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first has changed nothing
		text, status := plugin(t, "diff", "-n", namespace, "-f", manifest)
		if status != 1 {
			t.Errorf("diff ends with %d, want 1:\n%s", status, text)
		}
		for _, want := range []string{
			"misspelt." + namespace + ".example\n", "redirect", "https://elsewhere.example/", "Ingress " + namespace + "/misspelt metadata.annotations[", "(UnknownAnnotation)",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("diff does not say %q:\n%s", want, text)
			}
		}
	}
}

// wantOthers runs the other commands that need no shell in a pod.
func wantOthers(t *testing.T, s *suite.Sluice, namespace string) {
	for _, c := range []struct {
		arguments string
		status    int
		want      []string
	}{
		{"lint", 1, []string{"error: Ingress " + namespace + "/missing-secret: spec.tls[0].secretName: ", "(UnknownAnnotation)"}},
		{"certs", 0, []string{"expired." + namespace + ".example", "(expired)"}},
		{"conf --host misspelt." + namespace + ".example", 0, []string{"server_name misspelt." + namespace + ".example;"}},
		{"conf", 0, []string{"server_name misspelt." + namespace + ".example;"}},
		{"conf --annotate --host misspelt." + namespace + ".example", 0, []string{"# from Ingress " + namespace + "/misspelt spec.rules[0].host"}},
		{"backends --live=false", 0, []string{namespace + "_empty_80", "the Service has no endpoints"}},
		{"backends --list", 0, []string{namespace + "_empty_80"}},
		{"events", 0, []string{"MissingSecret", "Ingress " + namespace + "/missing-secret"}},
		{"general", 0, []string{"deployment " + release + "/" + s.Controller(), "--controller-class=example.com/plugged"}},
		{"info", 0, []string{"Service cluster IP address: 10.", "LoadBalancer IP: " + s.Address}},
		{"logs", 0, []string{"level=INFO"}},
		{"backends --live " + namespace + "_empty_80", 0, []string{namespace + "_empty_80", "the Service has no endpoints"}},
		{"conf --live", 0, []string{"server_name misspelt." + namespace + ".example;"}},
		{"certs --live --host expired." + namespace + ".example", 0, []string{"CN=expired." + namespace + ".example", "(expired)"}},
		{"general --live", 0, []string{`"configuration": "`}},
		{"exec -- sluice version", 0, []string{"sluice "}},
		{"exec -- sluice render", 2, nil},
		{"explain http://port-typo." + namespace + ".example/", 1, []string{"503"}},
		{"routes --reloads", 0, []string{"NGINX", "Ingress " + namespace + "/"}},
	} {
		text, status := plugin(t, append([]string{"-n", namespace}, strings.Fields(c.arguments)...)...)
		if status != c.status {
			t.Errorf("%s ends with %d, want %d:\n%s", c.arguments, status, c.status, text)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", c.arguments, want, text)
			}
		}
	}
}

// wantBundle wants what is of use, and no key.
func wantBundle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if text, status := plugin(t, "bundle", "--file", path); status != 0 {
		t.Fatalf("bundle ends with %d: %s", status, text)
	}
	text, err := exec.Command("tar", "--extract", "--gzip", "--to-stdout", "--file", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"RefusedByNGINX", "name: missing-secret", "server_name misspelt.", "level=INFO"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the bundle has no %q", want)
		}
	}
	if strings.Contains(string(text), "PRIVATE KEY") {
		t.Error("the bundle has a private key")
	}
}
