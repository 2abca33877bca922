//go:build e2e

// Package e2e_test shows that the control plane and its nodes do what clusters do. Other suites rely on it.
package e2e_test

import (
	"testing"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestMain(m *testing.M) { suite.Main(m) }
