//go:build integration

package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/test/golden"
)

// TestAnnotatedConfigurations has NGINX test the configuration of every golden with comments on where its lines come from.
func TestAnnotatedConfigurations(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	fake, _ := certificate(t)
	for name, routing := range modes {
		t.Run(name, func(t *testing.T) {
			cases, comments := golden.Files(t, "../../annotations/testdata"), 0
			for _, path := range cases {
				c := golden.Load(t, path)
				dir := stateDir(t)
				c.Options.Translate.SelfSigned = fake
				c.Options.Render, c.Options.Routing = renderOptions(t, dir), routing
				putDatabases(t, c.Options.Translate.Databases)
				files, err := origins.Annotate(c.Plan(t))
				if err != nil {
					t.Fatal(err)
				}
				text, _ := files.Get("nginx.conf")
				comments += strings.Count(string(text), "  # from ")
				if says := refusal(t, dir, files); says != "" {
					t.Errorf("%s: NGINX refuses it: %s", filepath.Base(path), says)
				}
			}
			if comments < len(cases) {
				t.Errorf("there are %d comments in %d configurations", comments, len(cases))
			}
		})
	}
}
