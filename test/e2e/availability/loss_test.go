//go:build e2e

package availability_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// A machine that crashes says no goodbye, and the API server still lists its pods for the better part of a minute. Where
// its addresses are silent, nobody can know before the first connection has taken too long; until then requests
// are sent over connections that were kept.
func TestALostNodeCostsOnlyWhatItsPodsWereDoing(t *testing.T) {
	const connectTimeout = 5 * time.Second // NGINX's, by default of proxy-connect-timeout
	for name, silent := range map[string]bool{"whose addresses refuse connections": false, "whose addresses are silent": true} {
		t.Run(name, func(t *testing.T) {
			control := suite.Control(t)
			s := install(t)
			a := deploy(t, s, 6, ordinary)
			node := nodeWithout(t, s)
			pods := slices.DeleteFunc(a.waitPods(6), func(p corev1.Pod) bool { return p.Spec.NodeName != node })
			before, traffic := reloads(t, s), a.start()
			traffic.flow(2 * time.Second)

			lost := time.Now()
			known := lost
			if silent {
				known = lost.Add(connectTimeout)
				t.Cleanup(silence(t, pods))
			}
			if err := control.Kill(t.Context(), node); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := control.Start(context.Background(), node); err != nil {
					t.Error(err)
				}
				a.waitPods(6)
			})
			traffic.flow(45 * time.Second)
			traffic.stop().wantOnlyLosses(lost, known)
			wantNoReload(t, s, before)
		})
	}
}

// nodeWithout is a node that no replica of Sluice is on.
func nodeWithout(t *testing.T, s *suite.Sluice) string {
	t.Helper()
	nodes, err := suite.Client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pods := s.Pods(t)
	for _, node := range nodes.Items {
		if !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Spec.NodeName == node.Name }) {
			return node.Name
		}
	}
	t.Fatal("there is a replica of Sluice on every node")
	return ""
}

// silence makes the network of our own control plane swallow what goes to pods and comes from them.
func silence(t *testing.T, pods []corev1.Pod) (end func()) {
	t.Helper()
	const nowhere = "nowhere"
	commands := []string{"link add " + nowhere + " type veth peer name nobody", "link set " + nowhere + " up", "link set nobody up"}
	for _, pod := range pods {
		commands = append(commands,
			fmt.Sprintf("neighbor add %s lladdr 02:00:00:00:00:01 dev %s", pod.Status.PodIP, nowhere), // nobody has this one
			fmt.Sprintf("route replace %s dev %s table local", pod.Status.PodIP, nowhere),
			fmt.Sprintf("link set pod%x down", netip.MustParseAddr(pod.Status.PodIP).As4())) // as the node agent calls it
	}
	ip(t, commands...)
	return func() { ip(t, "link del "+nowhere) }
}

func ip(t *testing.T, commands ...string) {
	t.Helper()
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip: %v: %s", err, bytes.TrimSpace(output))
	}
}
