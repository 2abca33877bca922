package supervisor

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

func files(generation string, texts ...string) nginx.Files {
	f := nginx.Files{Generation: generation}
	for i := 0; i < len(texts); i += 2 {
		f.List = append(f.List, nginx.File{
			Name: texts[i], Content: []byte(texts[i+1]), Secret: strings.HasSuffix(texts[i], ".key"),
		})
	}
	return f
}

func TestConfigurationsWriteSwapAndPrune(t *testing.T) {
	c := configurations{filepath.Join(t.TempDir(), "conf")}
	if got := c.current(); got != "" {
		t.Fatalf("current is %q at first", got)
	}
	names := []string{"one", "two", "three", "four", "five"}
	for i, name := range names {
		if err := c.write(files(name, "nginx.conf", name, "tls/default.key", "secret")); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(c.directory(name), at, at); err != nil {
			t.Fatal(err)
		}
		if err := c.point(name); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(c.main()); err != nil || string(text) != name {
			t.Fatalf("NGINX would read %q (%v), want %q", text, err, name)
		}
	}
	for name, mode := range map[string]fs.FileMode{"nginx.conf": 0o644, "tls/default.key": 0o600, "tls": 0o711 | fs.ModeDir} {
		if info, err := os.Stat(filepath.Join(c.directory("one"), name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v (%v), want %v", name, info.Mode(), err, mode)
		}
	}
	if err := os.Mkdir(c.directory("torn")+unwritten, 0o700); err != nil {
		t.Fatal(err)
	}
	// The live one is the oldest: it was gone back to.
	if err := c.point("one"); err != nil {
		t.Fatal(err)
	}
	c.prune("one")
	for name, want := range map[string]bool{"one": true, "two": false, "three": false, "four": true, "five": true, "torn.tmp": false} {
		if _, err := os.Stat(c.directory(name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
	c.remove("one")
	if _, err := os.Stat(c.main()); err != nil {
		t.Errorf("the live configuration was removed: %v", err)
	}
}

func TestConfigurationsRefreshReplacesOnlyWhatDiffers(t *testing.T) {
	c := configurations{t.TempDir()}
	if err := c.write(files("one", "nginx.conf", "a", "upstreams.conf", "old")); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(c.directory("one"), "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.refresh(files("one", "nginx.conf", "a", "upstreams.conf", "new")); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(c.directory("one"), "nginx.conf"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("a file that did not change was replaced (%v)", err)
	}
	if text, err := os.ReadFile(filepath.Join(c.directory("one"), "upstreams.conf")); err != nil || string(text) != "new" {
		t.Errorf("upstreams.conf is %q (%v)", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.directory("one"), "*"+unwritten)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestApplyRefusesToWriteElsewhere(t *testing.T) {
	const good = "daemon off;\n"
	for name, f := range map[string]nginx.Files{
		"generation above":  files("../x", "nginx.conf", good),
		"generation link":   files("current", "nginx.conf", good),
		"generation empty":  files("", "nginx.conf", good),
		"file above":        files("a", "nginx.conf", good, "../x", ""),
		"file absolute":     files("a", "nginx.conf", good, "/etc/x", ""),
		"file roundabout":   files("a", "nginx.conf", good, "b/../c", ""),
		"no main file":      files("a", "x.conf", good),
		"leaves supervisor": files("a", "nginx.conf", "# daemon off;\n"),
	} {
		if err := checkFiles(f); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := checkFiles(files("0a-Z_", "nginx.conf", good, "tls/a.pem", "")); err != nil {
		t.Error(err)
	}
}
