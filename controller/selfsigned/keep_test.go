package selfsigned

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

func TestACertificateIsUsedAgainAfterARestart(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	keep := func(dir string, now time.Time) nginx.Certificate {
		t.Helper()
		c, err := Keep(dir, now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	dir := filepath.Join(t.TempDir(), "state")
	first := keep(dir, now)
	if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Fatalf("the file: %v, %v", info, err)
	}
	if again := keep(dir, now.Add(300*24*time.Hour)); again != first {
		t.Error("there is another certificate after a restart")
	}
	late := keep(dir, now.Add(340*24*time.Hour))
	if late == first {
		t.Error("it is used although it ends soon")
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(late.Chain), 0o600); err != nil {
		t.Fatal(err)
	}
	if keep(dir, now.Add(340*24*time.Hour)) == late {
		t.Error("half a file was used")
	}
	if keep("/proc/nowhere", now).Chain == "" {
		t.Error("there is no certificate where nothing can be written")
	}
}
