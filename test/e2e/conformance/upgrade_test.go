//go:build e2e

package conformance_test

import (
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// TestUpgrades of a release change settings of the ConfigMap without touching a pod, and replace the pods for new flags.
func TestUpgrades(t *testing.T) {
	t.Parallel()
	const config = `config: {http-redirect-code: "301"}`
	s := newSite(t, "web").at(suite.Install(t, "upgraded", valuesFor("upgraded", "")))
	s.tlsSecret("web", "web.DOMAIN")
	s.of("web", "", "ingressClassName: upgraded, tls: [{hosts: [web.DOMAIN], secretName: web}],")
	s.wantStatus(308, "http://web.DOMAIN/")
	before := s.processes()

	s.Upgrade(t, valuesFor("upgraded", config))
	s.wantStatus(301, "http://web.DOMAIN/")
	if after := s.processes(); !maps.Equal(before, after) {
		t.Errorf("for a setting of the ConfigMap, pods and their restarts went from %v to %v", before, after)
	}

	s.Upgrade(t, valuesFor("upgraded", config+", extraArgs: {status-update-interval: 5}"))
	for uid := range s.processes() {
		if _, is := before[uid]; is {
			t.Errorf("pod %s has outlived a change of its flags", uid)
		}
	}
	s.wantStatus(301, "http://web.DOMAIN/")
	s.wantFrom("web", "https://web.DOMAIN/")
	s.Uninstall(t)
}

// processes are the restarts of the controller's pods by UID.
func (s site) processes() map[types.UID]int32 {
	s.Helper()
	found := map[types.UID]int32{}
	for _, pod := range s.Pods(s) {
		for _, container := range pod.Status.ContainerStatuses {
			found[pod.UID] += container.RestartCount
		}
	}
	if len(found) == 0 {
		s.Fatal("the controller has no pods")
	}
	return found
}
