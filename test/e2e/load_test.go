//go:build e2e

package e2e_test

import (
	"errors"
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
	before := map[string]bool{}
	suite.Within(t, soon, func() error {
		for _, one := range run.SoFar() {
			before[one.Pod] = true
		}
		if len(before) == 0 {
			return errors.New("nothing has answered")
		}
		return nil
	})
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
	// A few connections bear the load: they need not reach all pods.
	for n, one := range result.Records {
		if one.Pod != "" && !strings.HasPrefix(one.Pod, "echo-") || n >= asked && before[one.Pod] {
			t.Errorf("%q gave answer %d; the rollout was over after %d", one.Pod, n, asked)
		}
	}
	if pods := result.Pods(); len(pods) < 2 || len(pods) > 6 {
		t.Errorf("these answered, not up to three before and up to three after: %v", pods)
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
