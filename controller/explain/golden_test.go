package explain_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/explain"
	"github.com/sluice-ingress/sluice/test/golden"
)

// The answers that goldens expect are those of a real NGINX: test/integration asks it. Here the same requests are explained.
func TestGoldensAreExplained(t *testing.T) {
	asked, sure := 0, 0
	for _, dir := range []string{"../translate/testdata", "../../annotations/testdata"} {
		for _, path := range golden.Files(t, dir) {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
				c := golden.Load(t, path)
				c.Options.Routing = controller.Compiled
				c.Options.Render.HTTPPort, c.Options.Render.HTTPSPort = 18480, 18443 // of the NGINX that is asked
				e, err := explain.New(c.Plan(t))
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range c.Requests {
					d := e.Explain(r.Explained())
					asked++
					if len(d.NotFollowed) == 0 && !d.Outcome.Assumed {
						sure++
					}
					if wrong := r.Contradictions(d); len(wrong) > 0 {
						t.Errorf("line %d: %s %s://%s%s:\n  %s\n%+v", r.Line, r.Method, r.URL.Scheme, r.URL.Host, r.Target, strings.Join(wrong, "\n  "), d.Outcome)
					}
				}
			})
		}
	}
	t.Logf("%d requests, %d without reserve", asked, sure)
}
