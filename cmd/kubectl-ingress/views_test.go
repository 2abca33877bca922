package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/compare"
	"github.com/sluice-ingress/sluice/controller/customtemplates"
	"github.com/sluice-ingress/sluice/controller/diagnosis"
	"github.com/sluice-ingress/sluice/controller/manifests"
	"github.com/sluice-ingress/sluice/controller/view"
)

var update = flag.Bool("update", false, "write the goldens anew")

// planOf makes the plan of the objects in testdata.
func planOf(t *testing.T) controller.Plan {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "objects.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, notes := cluster.Decode("objects.yaml", text)
	if len(notes) > 0 {
		t.Fatalf("objects.yaml: %+v", notes)
	}
	set, err := customtemplates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := read(&replicas{})
	if err != nil {
		t.Fatal(err)
	}
	snapshot := cluster.FromObjects(objects)
	snapshot.Now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	plan, err := controller.Options{Translate: c.translation, Render: c.render, Templates: set}.Plan(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestViews compares what commands print of a plan with testdata/views.txtar.
func TestViews(t *testing.T) {
	plan := planOf(t)
	var got txtar.Archive
	add := func(name string, print func(b *bytes.Buffer) error) {
		var b bytes.Buffer
		if err := print(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got.Files = append(got.Files, txtar.File{Name: name, Data: b.Bytes()})
	}
	add("list -A -o wide", func(b *bytes.Buffer) error { return columns(b, routeRows(view.Of(plan).Routes(), true, true)) })
	add("list -o json", func(b *bytes.Buffer) error { return js.print(b, view.Of(plan).Routes()[:1]) })
	add("certs", func(b *bytes.Buffer) error {
		return columns(b, certificateRows(view.Of(plan).Certificates(), plan.Snapshot.Now))
	})
	add("backends --live=false", func(b *bytes.Buffer) error {
		views, err := (&kube{}).viewBackends(t.Context(), nil, plan, []string{"shop_web_http", "shop_gone_80"}, false)
		if err != nil {
			return err
		}
		return columns(b, backendRows(views))
	})
	add("doctor", func(b *bytes.Buffer) error {
		printFindings(b, diagnosis.Examine(diagnosis.Evidence{Now: plan.Snapshot.Now, Controllers: []diagnosis.Controller{
			{Kind: "Deployment", Name: cluster.Name{Namespace: "ingress", Name: "sluice"}, Plan: plan},
		}}), true)
		return nil
	})
	path := filepath.Join("testdata", "views.txtar")
	if *update {
		if err := os.WriteFile(path, txtar.Format(&got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(txtar.Format(&got))); diff != "" {
		t.Errorf("run with -update if this is right (-want +got):\n%s", diff)
	}
}

func TestTextsOfUsersCannotMoveTheCursor(t *testing.T) {
	var b bytes.Buffer
	if err := columns(&b, [][]string{{"a\x1b[2Jb", "c\nd"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "a?[2Jb   c?d\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Reset()
	printFindings(&b, []diagnosis.Finding{{State: diagnosis.Failed, Cause: "x\x1b[31m", Fix: "y\r"}}, false)
	if strings.ContainsAny(b.String(), "\x1b\r") {
		t.Errorf("a finding has control characters: %q", b.String())
	}
}

// TestWorkersAnswer reads what workers say of a backend, with tables in the form that they have prepared.
func TestWorkersAnswer(t *testing.T) {
	plan := planOf(t)
	const text = `{"generation": 3, "endpoints": [{"address": "10.244.0.1", "port": 8080}], "routes": {"_": {"/": [{"anything": 1}]}},
		"hash_by": {"key": ["", "uri"]}, "affinity": {"cookie": {"name": "route"}, "ingresses": []}}`
	want := view.Backend{Name: "shop_web_http", Source: "pod-1", Balance: "cookie route", Peers: []view.Peer{
		{Address: "10.244.0.1", Port: 8080, State: "serves"},
		{Address: "10.244.0.2", State: "out", Why: "its pod is not ready"},
		{Address: "10.244.0.3", State: "out", Why: "its pod terminates"},
	}}
	got, err := view.Of(plan).Live("shop_web_http", "pod-1", json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
}

// TestManifestsAreApplied compares the objects of testdata with themselves and with manifests on top.
func TestManifestsAreApplied(t *testing.T) {
	plan := planOf(t)
	set, err := customtemplates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := read(&replicas{})
	if err != nil {
		t.Fatal(err)
	}
	options := controller.Options{Translate: c.translation, Render: c.render, Templates: set}
	compared := func(applied string) compare.Report {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(applied), 0o600); err != nil {
			t.Fatal(err)
		}
		objects, notes, err := manifests.Read([]string{dir}, nil, "", nil)
		if err != nil || len(notes) > 0 {
			t.Fatalf("%v %v", err, notes)
		}
		r, err := compare.Snapshots(options, plan.Snapshot, compare.Applied(plan.Snapshot, objects, time.Date(2026, 7, 2, 0, 0, 0, 0, time.UTC)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	same, err := os.ReadFile(filepath.Join("testdata", "objects.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if r := compared(string(same)); !r.IsEmpty() {
		t.Errorf("the same objects change %+v", r)
	}
	r := compared(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: added, namespace: shop}
spec:
  ingressClassName: nginx
  rules: [{host: added.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`)
	if len(r.Changes) != 2 || r.Changes[0].Host != "added.example.com" || r.Changes[0].Action != compare.Added {
		t.Errorf("an Ingress changes %+v", r)
	}
}
