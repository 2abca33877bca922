package lint_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/lint"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

// builtIn are the templates, made once.
var builtIn = sync.OnceValues(func() (*templates.Set, error) { return templates.New(nil) })

// check lints files as of a time.
func check(t *testing.T, files map[string][]byte, now time.Time, complete bool) lint.Findings {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: text}
	}
	objects, notes := cluster.Load(fsys)
	snapshot := cluster.FromObjects(objects)
	snapshot.Notes, snapshot.Places, snapshot.Now = notes, objects.Places(), now
	set, err := builtIn()
	if err != nil {
		t.Fatal(err)
	}
	options := controller.Options{
		Translate: translate.Options{Selection: cluster.Selection{ClassesOptional: true}, ReportUnclaimed: true},
		Render:    golden.Render, Templates: set,
	}
	plan, err := options.Plan(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return lint.Check(lint.Input{Plan: plan, Objects: objects.Lists(), Texts: files, Complete: complete})
}

// TestCases lints the manifests of each case. A section "complete" says that there are no others.
func TestCases(t *testing.T) {
	golden.CheckFormats(t, "testdata", func(t *testing.T, files map[string][]byte) func(io.Writer, string) error {
		_, complete := files["complete"]
		delete(files, "complete")
		findings := check(t, files, golden.Now, complete)
		return func(w io.Writer, format string) error { return lint.Formats[format](w, findings, "1.2.3") }
	})
}

// TestCertificateThatEndsSoon looks at one certificate as of several days before its end.
func TestCertificateThatEndsSoon(t *testing.T) {
	pair := golden.PairOf("good/alice")
	files := map[string][]byte{"tls.yaml": tlsManifests(t, pair)}
	end := pair.Leaf.NotAfter
	for days, want := range map[int]bool{-1: false, 0: true, 29: true, 31: false} {
		t.Run(fmt.Sprint(days), func(t *testing.T) {
			findings := check(t, files, end.Add(-time.Duration(days)*24*time.Hour), true)
			at := slices.IndexFunc(findings, func(f lint.Finding) bool { return f.Reason == lint.CertificateEnds })
			if (at >= 0) != want {
				t.Fatalf("findings are %v", findings)
			}
			if at >= 0 && (findings[at].Line != 6 || findings[at].Column != 3) {
				t.Errorf("it is at %d:%d", findings[at].Line, findings[at].Column)
			}
		})
	}
}

// tlsManifests are a Secret with the pair and an Ingress for the host alice that serves it.
func tlsManifests(t *testing.T, pair tls.Certificate) []byte {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Secret
metadata:
  name: alice
data:
  tls.crt: %s
  tls.key: %s
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {tls: [{hosts: [alice], secretName: alice}], rules: [{host: alice}]}
`, encoded("CERTIFICATE", pair.Certificate[0]), encoded("PRIVATE KEY", private))
}

// TestSARIF looks for what the schema of SARIF 2.1.0 requires, and for what it bounds.
func TestSARIF(t *testing.T) {
	files := map[string][]byte{
		"a dir/100%.yaml": []byte("kind: Ingress\napiVersion: networking.k8s.io/v1beta1\nmetadata: {name: old}\n"),
		"b.yaml":          []byte("a: [\n"),
	}
	var out bytes.Buffer
	if err := lint.Formats["sarif"](&out, check(t, files, golden.Now, true), "1.2.3"); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct{ ID, HelpURI string }
				}
			}
			ColumnKind string
			Results    []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || len(log.Runs[0].Results) < 2 {
		t.Fatalf("the log is %s", out.String())
	}
	run := log.Runs[0]
	if run.ColumnKind != "unicodeCodePoints" {
		t.Errorf("columns are of kind %q", run.ColumnKind)
	}
	for _, r := range run.Results {
		if r.Message.Text == "" || !slices.Contains([]string{"none", "note", "warning", "error"}, r.Level) || run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("a result is %+v", r)
		}
		for _, l := range r.Locations {
			if _, err := url.ParseRequestURI("/" + l.PhysicalLocation.ArtifactLocation.URI); err != nil {
				t.Errorf("a URI is none: %v", err)
			}
			if region := l.PhysicalLocation.Region; region != nil && region.StartLine < 1 {
				t.Errorf("a region is %+v", region)
			}
		}
	}
}

// FuzzCheck holds that no manifest stops it, and that in every format a finding is lines of its own making.
func FuzzCheck(f *testing.F) {
	f.Add("apiVersion: extensions/v1beta1\nkind: IngressList\nitems: [{metadata: {name: \"a\\n::error::b\"}, spec: {backend: 1, rules: [{http: {paths: [1, {backend: {serviceName: [1]}}]}}]}}]\n")
	f.Add("{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"Ingress\", \"metadata\": {\"name\": \"a\"}, \"spec\": {\"rules\": [{\"host\": \"a\", \"http\": {\"paths\": [{\"path\": \"/(\"}]}}]}}")
	f.Fuzz(func(t *testing.T, text string) {
		findings := check(t, map[string][]byte{"a.yaml": []byte(text)}, golden.Now, false)
		var out bytes.Buffer
		if err := lint.Formats["github"](&out, findings, ""); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); lines != len(findings) {
			t.Errorf("%d findings are %d lines:\n%s", len(findings), lines, out.String())
		}
		for _, f := range findings {
			if strings.Contains(f.Object.String()+f.Field+f.Message, "\n") {
				t.Errorf("a finding has a line end: %+v", f)
			}
		}
	})
}

// TestFormatsOfNothing holds that no findings make valid output too.
func TestFormatsOfNothing(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(lint.Formats)) {
		var out bytes.Buffer
		if err := lint.Formats[name](&out, nil, "1.2.3"); err != nil {
			t.Error(err)
		}
		isJSON := name == "json" || name == "sarif"
		if isJSON != json.Valid(out.Bytes()) || strings.Contains(out.String(), "null") {
			t.Errorf("%s writes %q", name, out.String())
		}
	}
}
