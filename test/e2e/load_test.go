//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/test/e2e/load"
	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// Pods go on serving until all know that they leave, and clients repeat what nobody has seen: no request fails.
func TestARolloutOfPodsThatLingerLosesNoRequest(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	c.waitReady(3)
	c.patch("echo", `{"spec": {"template": {"spec": {"containers": [{"name": "echo", "env": [{"name": "LINGER", "value": "1s"}]}]}}}}`)
	suite.WaitRollout(t, c.namespace, "echo", soon)
	address := c.service("echo").Spec.ClusterIP + ":80"
	c.wantAll(address, c.waitReady(3))

	run := load.Load{Address: address, Rate: 200, Path: "/?delay=20ms", Connections: 50, Retries: true}.Start()
	c.patch("echo", `{"spec": {"template": {"metadata": {"annotations": {"round": "2"}}}}}`)
	suite.WaitRollout(t, c.namespace, "echo", soon)
	c.waitReady(3) // the old ones are gone
	asked := len(run.SoFar())
	suite.Within(t, soon, func() error {
		if now := len(run.SoFar()); now < asked+200 {
			return fmt.Errorf("%d requests after the rollout", now-asked)
		}
		return nil
	})
	result := run.Stop()
	if len(result.Failures()) > 0 {
		t.Error(result)
	}
	pods := result.Pods()
	for pod := range pods {
		if !strings.HasPrefix(pod, "echo-") {
			t.Errorf("%q answered", pod)
		}
	}
	if len(pods) != 6 {
		t.Errorf("these answered, not three before and three after: %v", pods)
	}
}

func TestSessionsEndWithTheirPod(t *testing.T) {
	suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	c.waitReady(3)
	c.patch("echo", `{"spec": {"replicas": 1, "template": {"spec": {"terminationGracePeriodSeconds": 1}}}}`)
	suite.WaitRollout(t, c.namespace, "echo", soon)
	address := c.service("echo").Spec.ClusterIP + ":80"
	c.wantAll(address, c.waitReady(1))

	run := load.Load{Kind: load.WebSocket, Address: address, Rate: 50, Connections: 5}.Start()
	suite.Within(t, soon, func() error {
		if done := len(run.SoFar()); done < 20 {
			return fmt.Errorf("%d messages", done)
		}
		return nil
	})
	c.patch("echo", `{"spec": {"template": {"metadata": {"annotations": {"round": "2"}}}}}`)
	suite.WaitRollout(t, c.namespace, "echo", soon)
	c.waitReady(1)
	if result := run.Stop(); len(result.Broken()) != 5 {
		t.Errorf("%d of 5 sessions broke: %v", len(result.Broken()), result)
	}
}
