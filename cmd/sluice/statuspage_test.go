package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheStatusPageIsNotForEverybody unless somebody has said who may see it.
func TestTheStatusPageIsNotForEverybody(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, short := write("good", "0123456789abcdef"), write("short", "0123\n")
	for _, test := range []struct{ address, file, says string }{
		{"", "", ""},
		{"127.0.0.1:10246", "", ""},
		{"[::1]:10246", good, ""},
		{":10246", good, ""},
		{":10246", "", "name a file with a token that readers need by --status-page-token-file"},
		{"0.0.0.0:10246", "", "use 127.0.0.1:10246"},
		{"10246", "", "is not an IP address and a port"},
		{":10246", short, "openssl rand -hex 32"},
		{"127.0.0.1:10246", filepath.Join(dir, "none"), "--status-page-token-file: read the token"},
		{"", good, "--status-page-token-file needs --status-page-address"},
	} {
		f := controllerFlags{statusPageFlags: statusPageFlags{address: test.address, tokenFile: test.file}}
		err := f.statusPageFlags.check()
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q with the token %q: %v, want %q", test.address, test.file, err, test.says)
		}
	}
}
