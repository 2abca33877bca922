package annotations_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/test/golden"
)

func TestGoldens(t *testing.T) {
	for _, path := range golden.Files(t, "testdata") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			golden.Load(t, path).Check(t)
		})
	}
}
