package logfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFileIsPutAsideWhenItIsFull(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(name, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := open(name, 6)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"1\n", "2\n", "3\n", "longer than all\n", "4\n", "5\n"} {
		if n, err := f.Write([]byte(line)); err != nil || n != len(line) {
			t.Fatalf("write %q: %d, %v", line, n, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{name: "4\n5\n", name + ".1": "longer than all\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", filepath.Base(name), got, err, want)
		}
	}
}
