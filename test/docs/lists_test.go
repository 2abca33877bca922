package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/metrics"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// TestReasonsAreDocumented compares the headings of docs/reasons.md with the constants of type Reason.
func TestReasonsAreDocumented(t *testing.T) {
	var documented []string
	for _, line := range read(t, "docs/reasons.md").lines {
		if name, is := strings.CutPrefix(line, "## "); is {
			documented = append(documented, name)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(reasons(t), documented); diff != "" {
		t.Errorf("docs/reasons.md has other headings than there are reasons (-code +docs):\n%s", diff)
	}
}

// reasons are the values of the constants of type Reason, in order.
func reasons(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, dir := range []string{"annotations", "controller/translate", "controller/lint"} {
		files, err := filepath.Glob(filepath.Join(top, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, is := n.(*ast.ValueSpec)
				if !is {
					return true
				}
				if kind, named := spec.Type.(*ast.Ident); !named || kind.Name != "Reason" {
					return true
				}
				for _, value := range spec.Values {
					if literal, is := value.(*ast.BasicLit); is {
						text, _ := strconv.Unquote(literal.Value)
						list = append(list, text)
					}
				}
				return true
			})
		}
	}
	slices.Sort(list)
	return list
}

// TestReasonsHappen renders objects with every mistake there is. What docs/reasons.md shows of a reason is what comes
// out, and every reason comes out.
func TestReasonsHappen(t *testing.T) {
	program, err := sluice()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	writeSecrets(t, filepath.Join(dir, "secrets.yaml"))
	printed := map[string]bool{}
	happened := map[string]bool{}
	for _, args := range [][]string{
		{"lint", "-f", "lint.yaml", "-f", "secrets.yaml"},
		{"render", "-f", "mistakes.yaml", "-f", "secrets.yaml", "--configmap", "ingress/missing"},
		{"render", "-f", "classes.yaml"},
		{"render", "-f", "configmap.yaml", "--configmap", "ingress/strict"},
		{"render", "-f", "disabled.yaml", "--disable-catch-all", "--disable-svc-external-name"},
	} {
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		var problems strings.Builder
		if cmd.Stderr = &problems; args[0] == "lint" {
			cmd.Stdout, cmd.Stderr = &problems, nil
		}
		_ = cmd.Run() // the status is 1, as there are errors
		for _, line := range strings.Split(problems.String(), "\n") {
			// Where the object stands is left out: that says something of the test data only.
			if place := regexp.MustCompile(`^\S+\.yaml:\d+(:\d+)?: `).FindString(line); place != "" {
				line = line[len(place):]
			}
			// This date is always that of a day soon.
			line = regexp.MustCompile(`expires on \d{4}-\d\d-\d\d`).ReplaceAllString(line, "expires on 2031-01-01")
			printed[line] = true
			if found := regexp.MustCompile(`\((\w+)\)$`).FindStringSubmatch(line); found != nil {
				happened[found[1]] = true
			}
		}
	}
	printed[refusedByNGINX(t)], happened[string(translate.RefusedByNGINX)] = true, true
	if diff := cmp.Diff(reasons(t), slices.Sorted(maps.Keys(happened))); diff != "" {
		t.Errorf("testdata does not show all reasons (-reasons +shown):\n%s", diff)
	}
	shown := map[string]bool{}
	for _, b := range blocks(t, read(t, "docs/reasons.md")) {
		if b.heading == eventsHeading {
			continue
		}
		for _, line := range b.lines {
			shown[b.heading] = true
			if !printed[line] || !strings.HasSuffix(line, "("+b.heading+")") {
				t.Errorf("docs/reasons.md:%d: this is not what is printed for %s:\n%s", b.line+1, b.heading, line)
			}
		}
	}
	for _, reason := range reasons(t) {
		if !shown[reason] {
			t.Errorf("docs/reasons.md has no example of %s", reason)
		}
	}
	if t.Failed() {
		t.Logf("printed:\n%s", strings.Join(slices.Sorted(maps.Keys(printed)), "\n"))
	}
}

// refusedByNGINX is a Problem that only a running NGINX brings about, as sluice render would print it.
func refusedByNGINX(t *testing.T) string {
	t.Helper()
	const key = "nginx.ingress.kubernetes.io/proxy-read-timeout"
	refused := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "refused", Annotations: map[string]string{key: "7"}}}
	snapshot := cluster.New(cluster.Lists{Ingresses: []*networkingv1.Ingress{refused}})
	snapshot.Quarantine = cluster.NewQuarantine(cluster.RefusalOf(refused, "metadata.annotations["+key+"]", `"proxy_read_timeout" directive invalid value`))
	result := translate.Translate(snapshot, translate.Options{Selection: cluster.Selection{WithoutClass: true}})
	if len(result.Problems) != 1 {
		t.Fatalf("Problems are %v", result.Problems)
	}
	p := result.Problems[0]
	return fmt.Sprintf("%s: %s: %s: %s (%s)", p.Severity, p.Object, p.Field, p.Message, p.Reason)
}

// writeSecrets writes the TLS Secrets that testdata refers to: one for another host, one that has expired, and one that
// will soon.
func writeSecrets(t *testing.T, path string) {
	t.Helper()
	year := func(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }
	text := secret(t, "blog-tls", "blog.example.com", year(2020), year(2120)) +
		secret(t, "old-tls", "old.example.com", year(2020), year(2021)) +
		secret(t, "soon-tls", "soon.example.com", year(2020), time.Now().AddDate(0, 0, 10))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func secret(t *testing.T, name, host string, from, to time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: from, NotAfter: to}
	certificate, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	indented := func(kind string, der []byte) string {
		text := strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		return "    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
	}
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: shop}\nstringData:\n  tls.crt: |\n" +
		indented("CERTIFICATE", certificate) + "  tls.key: |\n" + indented("PRIVATE KEY", private) + "---\n"
}

// TestMetricsAreDocumented compares the tables of docs/metrics.md with the metrics that are registered.
func TestMetricsAreDocumented(t *testing.T) {
	described := regexp.MustCompile(`fqName: "((?:sluice|nginx_ingress_controller)_\w+)".*variableLabels: \{([^}]*)\}`)
	registered := map[string]string{}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		all := metrics.New(metrics.Identity{})
		all.Admission()
		all.Requests(metrics.RequestOptions{PerHost: true})
		all.Registry.Describe(descriptions)
		close(descriptions)
	}()
	for d := range descriptions {
		if found := described.FindStringSubmatch(d.String()); found != nil {
			registered[found[1]] = found[2]
		}
	}
	documented := map[string]string{}
	row := regexp.MustCompile("^\\| `(\\w+)` \\| \\w+ \\| (.*?) \\|")
	for _, line := range read(t, "docs/metrics.md").lines {
		if found := row.FindStringSubmatch(line); found != nil {
			documented[found[1]] = strings.NewReplacer("`", "", " ", "", "–", "").Replace(found[2])
		}
	}
	if diff := cmp.Diff(registered, documented); diff != "" {
		t.Errorf("docs/metrics.md lists other metrics or labels than there are (-registered +documented):\n%s", diff)
	}
}
