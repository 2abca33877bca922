package settings

import (
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
)

// NGINX takes a path from where its configuration is, and Lua one from where NGINX was started.
func TestDirectoriesAreAbsolute(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	var f Process
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.Register(flags)
	if err := flags.Parse([]string{"--state-dir=state", "--lua-dir", "../lua"}); err != nil {
		t.Fatal(err)
	}
	o := f.Options()
	for got, want := range map[string]string{
		o.StateDir: filepath.Join(here, "state"), o.LuaDir: filepath.Join(filepath.Dir(here), "lua"), o.ModulesDir: "/usr/lib/nginx/modules",
	} {
		if got != want {
			t.Errorf("a directory is %q, not %q", got, want)
		}
	}
	if err := flags.Parse([]string{"--lua-dir="}); err == nil {
		t.Error("no directory is taken for one")
	}
}
