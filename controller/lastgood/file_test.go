package lastgood_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/lastgood"
)

func ingress(name string, annotation string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: "u-1", ResourceVersion: "7", Annotations: map[string]string{"a": annotation},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Spec:   networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "shop.example.com"}}},
		Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}}},
	}
}

func TestWhatIsKeptIsReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	bad, good := ingress("web", "bad"), ingress("web", "good")
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "controller"}, Data: map[string]string{"k": "v"}}
	kept := controller.Kept{
		Quarantine: cluster.NewQuarantine(cluster.RefusalOf(bad, "spec", "no"), cluster.RefusalOf(configMap, "data", "no")),
		Ingresses:  []*networkingv1.Ingress{good}, ConfigMap: configMap,
	}
	f := lastgood.New(dir, slog.New(slog.DiscardHandler))
	if err := f.Keep(kept); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the directory has %v, %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	again := lastgood.New(dir, slog.New(slog.DiscardHandler)).Kept()
	if _, refused := again.Quarantine.Of(bad); !refused {
		t.Error("the Ingress is no longer in quarantine")
	}
	if _, refused := again.Quarantine.Of(good); refused {
		t.Error("its last good version is")
	}
	if diff := cmp.Diff(kept.Quarantine.Refusals(), again.Quarantine.Refusals()); diff != "" {
		t.Error(diff)
	}
	if cluster.VersionOf(again.Ingresses[0]) != cluster.VersionOf(good) || again.Ingresses[0].ManagedFields != nil {
		t.Errorf("the last good version is %v", again.Ingresses[0])
	}
	if cluster.VersionOf(again.ConfigMap) != cluster.VersionOf(configMap) {
		t.Errorf("the ConfigMap is %v", again.ConfigMap)
	}

	if err := f.Keep(controller.Kept{}); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("with nothing to keep, there is %v", entries)
	}
}

func TestADamagedFileCountsAsNone(t *testing.T) {
	for name, text := range map[string]string{
		"cut off": `{"format":1,"refusals":[{"kind":"Ing`, "empty": "", "another format": `{"format":99}`, "not JSON": "\x00\x01",
		"a hole": `{"format":1,"ingresses":[null]}`, "huge": strings.Repeat(" ", 17<<20),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "refused.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		kept := lastgood.New(dir, slog.New(slog.NewTextHandler(&log, nil))).Kept()
		if len(kept.Quarantine.Refusals()) > 0 || len(kept.Ingresses) > 0 || kept.ConfigMap != nil {
			t.Errorf("%s: %v was read", name, kept)
		}
		if !strings.Contains(log.String(), "cannot be read") {
			t.Errorf("%s: the log says %q", name, log.String())
		}
	}
	var log bytes.Buffer
	if lastgood.New(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil))).Kept(); log.Len() > 0 {
		t.Errorf("without a file, the log says %q", log.String())
	}
}

func TestTheFileIsBounded(t *testing.T) {
	dir := t.TempDir()
	f := lastgood.New(dir, slog.New(slog.DiscardHandler))
	var kept controller.Kept
	for n := range 2000 {
		kept.Ingresses = append(kept.Ingresses, ingress(fmt.Sprint("web-", n), strings.Repeat("x", 100_000)))
		kept.Quarantine = kept.Quarantine.With(cluster.Refusal{Kind: "Ingress", Name: cluster.Name{Namespace: "shop", Name: fmt.Sprint(n)}, Version: "v"})
	}
	if err := f.Keep(kept); err != nil {
		t.Fatal(err)
	}
	again := f.Kept()
	if n := len(again.Quarantine.Refusals()); n != 1000 {
		t.Errorf("%d refusals are kept", n)
	}
	if len(again.Ingresses) == 0 {
		t.Error("no last good version is kept")
	}
	if info, err := os.Stat(filepath.Join(dir, "refused.json")); err != nil || info.Size() > 16<<20 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}
