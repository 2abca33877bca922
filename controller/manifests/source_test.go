package manifests

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

func ingress(name, host string) string {
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: shop}
spec: {rules: [{host: %s}]}
`, name, host)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // test data is no secret
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open watches a directory until the test ends.
func open(t *testing.T, dir string) *Source {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// waitFor waits until the hosts of all Ingresses are the given ones.
func waitFor(t *testing.T, s *Source, want string) cluster.Snapshot {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		snapshot := s.Snapshot()
		var hosts []string
		for _, i := range snapshot.Ingresses {
			hosts = append(hosts, i.Spec.Rules[0].Host)
		}
		if got := strings.Join(hosts, " "); got == want {
			return snapshot
		} else {
			select {
			case <-s.Changes():
			case <-deadline:
				t.Fatalf("the hosts are %q, want %q", got, want)
			}
		}
	}
}

func TestFilesComeChangeAndGo(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), ingress("a", "one"))
	s := open(t, dir)
	waitFor(t, s, "one")

	write(t, filepath.Join(dir, "a.yaml"), ingress("a", "two"))
	waitFor(t, s, "two")
	write(t, filepath.Join(dir, "team/b.yaml"), ingress("b", "three"))
	waitFor(t, s, "three two") // the last by name is first
	write(t, filepath.Join(dir, "team/b.yaml"), ingress("b", "four"))
	waitFor(t, s, "four two")
	if err := os.Rename(filepath.Join(dir, "a.yaml"), filepath.Join(dir, "a.yaml.off")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, s, "four")
	if err := os.RemoveAll(filepath.Join(dir, "team")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, s, "")
}

// A file that becomes unreadable keeps what it had, and a Note says so until it is mended.
func TestUnreadableFileKeepsItsObjects(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, ingress("a", "one"))
	s := open(t, dir)

	write(t, path, "kind: [Ingress\n")
	deadline := time.After(10 * time.Second)
	for len(s.Snapshot().Notes) == 0 {
		select {
		case <-s.Changes():
		case <-deadline:
			t.Fatal("no Note tells of the mistake")
		}
	}
	waitFor(t, s, "one")

	write(t, path, ingress("a", "two"))
	if snapshot := waitFor(t, s, "two"); len(snapshot.Notes) > 0 {
		t.Errorf("the file is mended, and still there is %+v", snapshot.Notes)
	}
}

// Objects that did not change stay the same ones: what is remembered of them goes by identity.
func TestUnchangedObjectsKeepTheirIdentity(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), ingress("a", "one"))
	write(t, filepath.Join(dir, "b.yaml"), ingress("b", "two"))
	s := open(t, dir)
	before := waitFor(t, s, "two one")
	write(t, filepath.Join(dir, "b.yaml"), ingress("b", "three"))
	after := waitFor(t, s, "three one")
	if before.Ingresses[1] != after.Ingresses[1] {
		t.Error("an Ingress in a file that nobody touched is another object")
	}
}

func TestOpenNeedsADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	write(t, file, "")
	for _, dir := range []string{file, file + "-missing"} {
		if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("Open(%s) = %v, want an error that names it", dir, err)
		}
	}
}
