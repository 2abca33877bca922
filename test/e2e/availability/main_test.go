//go:build e2e

// Package availability_test shows that users lose no request when pods, nodes, certificates, the API server or Sluice
// itself change, end or are lost, and how long it takes until all is as it should be. Each test puts load on two replicas
// of Sluice through their Service, and logs what it measured.
package availability_test

import (
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestMain(m *testing.M) {
	suite.Main(m, suite.SluiceImage(), suite.Arguments("-nodes", "3"))
}

// soon is how long the cluster may take on a busy machine.
const soon = time.Minute

// values are of two replicas, each on a node of its own.
const values = `
controller:
  replicaCount: 2
  topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: DoNotSchedule
    labelSelector: {matchLabels: {app.kubernetes.io/component: controller}}
`

func install(t *testing.T) *suite.Sluice {
	t.Helper()
	return suite.Install(t, "sluice", values)
}
