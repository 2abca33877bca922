//go:build e2e

package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestPodsServeWhileTheAPIServerIsAway(t *testing.T) {
	control := suite.Control(t)
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	addresses := c.waitReady(3)

	if err := control.Kill(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	if _, err := suite.Client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err == nil {
		t.Error("the API server still answers")
	}
	for _, address := range addresses {
		if _, err := c.ask(address, "/"); err != nil {
			t.Error(err)
		}
	}
	if err := control.Start(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	suite.Within(t, soon, func() error {
		_, err := suite.Client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		return err
	})
	c.patch("echo", `{"spec": {"replicas": 4}}`)
	c.waitReady(4)
}

func TestPodsOfALostNodeEndWithoutGoodbye(t *testing.T) {
	control := suite.Control(t)
	c := newCluster(t)
	// The scheduler would put all of them on one node while the other is not ready.
	const spread = `topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: echo}}}]`
	suite.Apply(t, c.namespace, strings.Replace(echo, "      containers:", "      "+spread+"\n      containers:", 1))
	addresses := c.waitReady(3)
	lost, kept := 0, 0
	if err := control.Kill(t.Context(), "node-2"); err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		connection, err := net.DialTimeout("tcp", address+":8080", time.Second)
		if err != nil {
			lost++
			continue
		}
		kept++
		connection.Close()
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d pods were lost, %d answer", lost, kept)
	}

	// The node comes back, and its pods start again.
	if err := control.Start(t.Context(), "node-2"); err != nil {
		t.Fatal(err)
	}
	suite.Within(t, soon, func() error {
		for _, address := range c.waitReady(3) {
			connection, err := net.DialTimeout("tcp", address+":8080", time.Second)
			if err != nil {
				return fmt.Errorf("not back yet: %w", err)
			}
			connection.Close()
		}
		return nil
	})
}
