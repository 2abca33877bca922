package golden

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// CheckFormats checks every case of a directory whose sections want/FORMAT are what a report is in that format, or writes these with
// -update. Read makes the report of all other sections.
func CheckFormats(t *testing.T, dir string, read func(t *testing.T, files map[string][]byte) (write func(w io.Writer, format string) error)) {
	t.Helper()
	for _, path := range Files(t, dir) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range archive.Files {
				if !strings.HasPrefix(f.Name, "want/") {
					files[f.Name] = f.Data
				}
			}
			write := read(t, files)
			for i, f := range archive.Files {
				format, isWant := strings.CutPrefix(f.Name, "want/")
				if !isWant {
					continue
				}
				var out bytes.Buffer
				if err := write(&out, format); err != nil {
					t.Fatal(err)
				}
				archive.Files[i].Data = out.Bytes()
				if diff := cmp.Diff(string(f.Data), out.String()); diff != "" && !Updating() {
					t.Errorf("%s (-want +got); go test -update writes it:\n%s", f.Name, diff)
				}
			}
			if Updating() {
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil { //nolint:gosec // it is for everyone
					t.Fatal(err)
				}
			}
		})
	}
}
