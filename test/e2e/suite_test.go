//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestAProcessBesideTheClusterIsAskedToEnd(t *testing.T) {
	willing := suite.Start(t, exec.Command("/bin/sh", "-c", `trap 'echo goodbye; exit 0' TERM; echo ready; while true; do sleep 0.05; done`))
	failing := suite.Start(t, exec.Command("/bin/sh", "-c", `exit 3`))
	suite.Within(t, soon, func() error {
		if text, err := os.ReadFile(willing.Log); string(text) != "ready\n" {
			return fmt.Errorf("it printed %q, %w", text, err)
		}
		return nil
	})
	if err := willing.Stop(soon); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(willing.Log); err != nil || string(text) != "ready\ngoodbye\n" {
		t.Errorf("it printed %q, %v", text, err)
	}
	<-failing.Ended()
	if err := failing.Stop(soon); err == nil || !strings.Contains(err.Error(), "3") {
		t.Errorf("ended with 3: %v", err)
	}
	if err := suite.Start(t, exec.Command("/bin/sh", "-c", `trap '' TERM; sleep 60`)).Stop(0); err == nil {
		t.Error("killed: no error")
	}
}

func TestTheAddressesAndEventsOfAnIngressAreFound(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: one}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: v1
kind: Event
metadata: {name: one.1}
involvedObject: {kind: Ingress, namespace: %s, name: one}
reason: Tried
type: Normal
`, c.namespace))
	go func() {
		status := []byte(`{"status": {"loadBalancer": {"ingress": [{"ip": "10.0.1.9"}, {"hostname": "a.example.com"}]}}}`)
		ingresses := suite.Client(t).NetworkingV1().Ingresses(c.namespace)
		if _, err := ingresses.Patch(context.Background(), "one", types.MergePatchType, status, metav1.PatchOptions{}, "status"); err != nil {
			t.Error(err)
		}
	}()
	if got := suite.WaitIngress(t, c.namespace, "one", soon); fmt.Sprint(got) != "[10.0.1.9 a.example.com]" {
		t.Errorf("its addresses are %v", got)
	}
	events := suite.Events(t, c.namespace, "Ingress", "one")
	if len(events) != 1 || events[0].Reason != "Tried" || events[0].Type != corev1.EventTypeNormal {
		t.Errorf("its Events are %+v", events)
	}
	if others := suite.Events(t, c.namespace, "Ingress", "two"); len(others) > 0 {
		t.Errorf("Events of another one: %+v", others)
	}
}
