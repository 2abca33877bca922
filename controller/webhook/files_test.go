package webhook_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/controller/webhook"
)

// certificateFiles are those of a new certificate.
func certificateFiles(t testing.TB) *webhook.Files {
	t.Helper()
	dir := t.TempDir()
	f := &webhook.Files{Certificate: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	renew(t, f)
	return f
}

func renew(t testing.TB, f *webhook.Files) {
	t.Helper()
	pair, err := selfsigned.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.Certificate, pair.Chain)
	write(t, f.Key, pair.Key.Reveal())
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFilesAreReadAgain when they change, and what was good stays while they are bad.
func TestFilesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := certificateFiles(t)
		get := func() string {
			pair, err := f.Get(nil)
			if err != nil {
				t.Fatal(err)
			}
			return string(pair.Certificate[0])
		}
		first := get()
		renew(t, f)
		if get() != first {
			t.Error("they are read more than once a second")
		}
		time.Sleep(time.Second) // of the bubble's clock
		second := get()
		if second == first {
			t.Error("the new certificate is not used")
		}
		write(t, f.Key, "nothing")
		time.Sleep(time.Second)
		if get() != second {
			t.Error("a certificate without its key is used")
		}
	})
}

func TestFilesThatAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := certificateFiles(t)
		key, err := os.ReadFile(f.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(f.Key); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second is within the same second
			if pair, err := f.Get(&tls.ClientHelloInfo{}); err == nil {
				t.Errorf("there is a certificate: %v", pair)
			}
		}
		write(t, f.Key, string(key))
		time.Sleep(time.Second)
		if _, err := f.Get(nil); err != nil {
			t.Error(err)
		}
	})
}
