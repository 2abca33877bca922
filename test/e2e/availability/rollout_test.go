//go:build e2e

package availability_test

import (
	"testing"
	"time"
)

func TestRolloutsOfPodsLoseNoRequest(t *testing.T) {
	for name, pod := range map[string]string{"ordinary": ordinary, "abrupt": abrupt} {
		t.Run(name, func(t *testing.T) {
			s := install(t)
			a := deploy(t, s, 10, pod)
			before, traffic := reloads(t, s), a.start()
			started := time.Now()
			for round := range 5 {
				a.roll(round, 10)
			}
			t.Logf("measured: 5 rollouts of 10 pods took %v", time.Since(started))
			traffic.stop().wantNoLoss()
			wantNoReload(t, s, before)
		})
	}
}

func TestScalingLosesNoRequest(t *testing.T) {
	s := install(t)
	a := deploy(t, s, 1, ordinary)
	before, traffic := reloads(t, s), a.start()
	started := time.Now()
	a.scale(50)
	t.Logf("measured: 50 pods were there after %v", time.Since(started))
	traffic.reach(50)
	a.scale(1)
	t.Logf("measured: one was left after %v", time.Since(started))
	traffic.stop().wantNoLoss()
	wantNoReload(t, s, before)
}
