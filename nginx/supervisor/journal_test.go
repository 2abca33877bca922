package supervisor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
)

// app is a state with one backend for each address.
func app(addresses ...string) dynamic.State {
	var s dynamic.State
	for i, a := range addresses {
		s.Backends = s.Backends.With(fmt.Sprint("app", i), dynamic.Backend{Endpoints: []dynamic.Endpoint{{Address: a, Port: 80}}})
	}
	return s
}

// read folds what a state file says.
func read(t *testing.T, path string) (all dynamic.Update, lines int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
		var u dynamic.Update
		if err := json.Unmarshal(line, &u); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if u.Reset != (i == 0) {
			t.Fatalf("line %d: reset is %v", i+1, u.Reset)
		}
		if u.Generation <= all.Generation {
			t.Fatalf("line %d: generation %d after %d", i+1, u.Generation, all.Generation)
		}
		fold(&all, u)
		lines++
	}
	return all, lines
}

func newTestJournal(t *testing.T) *journal {
	return &journal{path: filepath.Join(t.TempDir(), "sub", "state.jsonl"), log: slog.New(slog.DiscardHandler)}
}

func TestJournalGrowsAndIsCompacted(t *testing.T) {
	j := newTestJournal(t)
	old := app()
	old.Certificates = old.Certificates.With("c", nginx.Certificate{Chain: "chain", Key: nginx.NewSecret("key")})
	j.add(dynamic.Full(old, 1))
	most := 0
	for i := range 2500 {
		next := app(fmt.Sprintf("10.0.%d.%d", i/250, i%250), "10.1.0.1")
		if i%2 == 0 {
			next.Backends = next.Backends.Without("app1")
		}
		u := dynamic.Changed(old, next, uint64(i+2))
		u.Removed = dynamic.Gone(old, next, 0).Removed
		j.add(u)
		if err := j.flush(); err != nil {
			t.Fatal(err)
		}
		old = next
		most = max(most, j.lines)
		if j.lines > linesMost || j.size > smallFile && j.size > 2*j.full {
			t.Fatalf("the file has %d lines, %d bytes; the first line has %d", j.lines, j.size, j.full)
		}
	}
	if most < 100 {
		t.Errorf("the file was written anew after %d lines already", most)
	}
	all, lines := read(t, j.path)
	want := dynamic.Full(old, 2501)
	if !reflect.DeepEqual(all.Backends, want.Backends) || all.Generation != 2501 || len(all.Certificates) != 0 {
		t.Errorf("the file gives generation %d, %d certificates and %v, want %v", all.Generation, len(all.Certificates), all.Backends, want.Backends)
	}
	if lines != j.lines+1 {
		t.Errorf("the file has %d lines, thought to be %d", lines, j.lines+1)
	}
	info, err := os.Stat(j.path)
	if err != nil || info.Mode() != 0o600 || int(info.Size()) != j.size {
		t.Errorf("the file has mode %v and %d bytes, thought to be %d (%v)", info.Mode(), info.Size(), j.size, err)
	}
}

func TestJournalKeepsCertificates(t *testing.T) {
	j := newTestJournal(t)
	s := app("10.0.0.1")
	s.Certificates = s.Certificates.With("c", nginx.Certificate{Chain: "chain", Key: nginx.NewSecret("key")})
	j.add(dynamic.Full(s, 1))
	next := app("10.0.0.2")
	next.Certificates = s.Certificates
	j.add(dynamic.Changed(s, next, 2))
	j.isTorn = true // have it written anew
	if err := j.flush(); err != nil {
		t.Fatal(err)
	}
	all, _ := read(t, j.path)
	if got := all.Certificates["c"]; got != (dynamic.Certificate{Certificate: "chain", Key: "key"}) {
		t.Errorf("the certificate has become %d and %d bytes", len(got.Certificate), len(got.Key))
	}
}

func TestJournalRecoversFromAFailedWrite(t *testing.T) {
	j := newTestJournal(t)
	j.add(dynamic.Full(app("10.0.0.1"), 1))
	if err := j.flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(j.path, j.path+".away"); err != nil {
		t.Fatal(err)
	}
	j.add(dynamic.Changed(app("10.0.0.1"), app("10.0.0.2"), 2))
	if err := j.flush(); err == nil || !strings.Contains(err.Error(), "write the state file") {
		t.Fatalf("the failure is %v", err)
	}
	if err := j.flush(); err != nil {
		t.Fatal(err)
	}
	all, lines := read(t, j.path)
	if lines != 1 || all.Generation != 2 || all.Backends["app0"].Endpoints[0].Address != "10.0.0.2" {
		t.Errorf("the file has %d lines and gives %v", lines, all.Backends)
	}
}

// Whatever a state may hold is in the file, and goes from there.
func TestFoldKnowsAllOfAState(t *testing.T) {
	full := dynamic.State{
		Settings:     dynamic.Settings{Ndots: 1},
		Backends:     persistent.Of(map[string]dynamic.Backend{"b": {}}),
		Certificates: persistent.Of(map[string]nginx.Certificate{"c": {Chain: "chain"}}),
		Hosts:        persistent.Of(map[string]string{"h": "c"}),
		Staples:      persistent.Of(map[string]dynamic.Staple{"c": {Response: []byte("good"), Until: 1}}),
		Routes:       dynamic.Routes{Hosts: persistent.Of(map[string]*dynamic.Host{"h": {}}), Names: []dynamic.NamePattern{{Key: "~h", Host: "h"}}},
	}
	value := reflect.ValueOf(full)
	for i := range value.NumField() {
		if value.Field(i).IsZero() {
			t.Fatalf("this test says nothing of %s", value.Type().Field(i).Name)
		}
	}
	var all dynamic.Update
	fold(&all, dynamic.Full(dynamic.State{}, 1))
	fold(&all, dynamic.Changed(dynamic.State{}, full, 2))
	if want := dynamic.Full(full, 2); !reflect.DeepEqual(all, want) {
		t.Errorf("folded: %+v, want %+v", all, want)
	}
	fold(&all, dynamic.Gone(full, dynamic.State{}, 3))
	if n := len(all.Backends) + len(all.Certificates) + len(all.Hosts) + len(all.Staples) + len(all.Routes); n > 0 {
		t.Errorf("%d entries are left", n)
	}
}
