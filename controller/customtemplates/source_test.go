package customtemplates

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTemplatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	before := s.Templates()
	path := filepath.Join(dir, "upstream.tmpl")
	if err := os.WriteFile(path, []byte("upstream {{.Name}} {\n    server 127.0.0.1:1;\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Changes():
	case <-time.After(10 * time.Second):
		t.Fatal("a new template is not noticed")
	}
	good := s.Templates()
	if good == before {
		t.Error("the set is the old one")
	}

	// One that could print unescaped text changes nothing.
	if err := os.WriteFile(path, []byte("# {{.Name}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "upstream.tmpl") {
		t.Errorf("the error is %v; it has to name the template", err)
	}
	if s.Templates() != good {
		t.Error("a bad template replaced the good ones")
	}
}

func TestOpenRefusesBadTemplates(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx.tmpl"), []byte("{{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a template that cannot be parsed is no error")
	}
	if _, err := Open(filepath.Join(dir, "missing"), slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("a directory that does not exist replaces nothing, and yet: %v", err)
	}
}
