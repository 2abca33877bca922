package streams_test

import (
	"testing"

	"github.com/sluice-ingress/sluice/test/golden"
)

func TestGoldens(t *testing.T) { golden.CheckAll(t, "testdata") }
