//go:build integration

package wild_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/test/golden"
)

// TestNGINX has NGINX itself read every file's configuration, and that of all files together. It runs
// inside the root that rootfs/prepare makes: go test -exec "$PWD/rootfs/enter" -tags integration.
func TestNGINX(t *testing.T) {
	certificate, err := selfsigned.New(golden.Now)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Translate.SelfSigned = certificate
	if o.Render.LuaDir, err = filepath.Abs("../../rootfs/etc/nginx/lua"); err != nil {
		t.Fatal(err)
	}
	names := files(t)
	for _, name := range names {
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			objects := load(t, name)
			testConfiguration(t, o, objects)
			testConfiguration(t, o, withServices(objects))
		})
	}
	t.Run("together", func(t *testing.T) {
		objects := load(t, names...)
		testConfiguration(t, o, objects)
		testConfiguration(t, o, withServices(objects))
	})
}

// testConfiguration is nginx -t of what objects come to.
func testConfiguration(t *testing.T, o controller.Options, objects cluster.Lists) {
	t.Helper()
	dir := t.TempDir()
	o.Render.StateDir = dir
	o.Render.AccessLog, o.Render.ErrorLog = filepath.Join(dir, "access.log"), filepath.Join(dir, "error.log")
	p := planWith(t, o, objects)
	for _, f := range p.Files.List {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/usr/sbin/nginx", "-t", "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Env = append(os.Environ(), "SLUICE_CONFIG_TEST=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("nginx -t: %v\n%s", err, out)
	}
}
