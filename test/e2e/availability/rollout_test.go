//go:build e2e

package availability_test

import (
	"testing"
	"time"
)

// Pods that refuse connections before anybody knows of their end may be more than the three that a request is tried with by
// default; users who have such pods lift that.
func TestRolloutsOfPodsLoseNoRequest(t *testing.T) {
	const lifted = `nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "0",`
	for name, c := range map[string]struct {
		pod         string
		annotations []string
	}{"ordinary": {ordinary, nil}, "abrupt": {abrupt, []string{lifted}}} {
		t.Run(name, func(t *testing.T) {
			s := install(t)
			a := deploy(t, s, 10, c.pod, c.annotations...)
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
