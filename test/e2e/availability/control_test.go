//go:build e2e

package availability_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// The controllers of a cluster end when they cannot renew their Lease, and start anew: old ones would take nodes that
// could not renew theirs for lost as soon as they can ask again.
func TestRequestsAreServedWhileTheAPIServerIsAway(t *testing.T) {
	const server, controllers = "kube-apiserver", "kube-controller-manager"
	control := suite.Control(t)
	s := install(t)
	a := deploy(t, s, 2, ordinary)
	pods := a.waitPods(2)
	slice := a.slice(pods[0])
	a.addIngresses(1)
	before, traffic := reloads(t, s), a.start()
	for _, component := range []string{server, controllers} {
		if err := control.Kill(t.Context(), component); err != nil {
			t.Fatal(err)
		}
	}
	traffic.flow(time.Minute)
	if err := control.Start(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	suite.Within(t, soon, func() error {
		_, err := suite.Client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		return err
	})
	back := time.Now()
	live := a.moveTo(slice, pods[1])
	t.Logf("measured: the API server answered %v after its start; an EndpointSlice written then was live %v later", back.Sub(started), live)

	// The cluster's own controllers take their time too, and other tests need them.
	if err := control.Start(t.Context(), controllers); err != nil {
		t.Fatal(err)
	}
	a.patch(`{"spec": {"replicas": 3}}`)
	suite.WaitRollout(t, a.namespace, "app", 2*soon)
	t.Logf("measured: the cluster's controllers had started another pod %v after that", time.Since(back.Add(live)))
	traffic.stop().wantNoLoss()
	wantNoReload(t, s, before)
}

// The Lease of a leader that is killed has to run out.
func TestAnotherReplicaWritesStatusWithinTwentySecondsAfterTheLeaderWasKilled(t *testing.T) {
	const longest = 20 * time.Second
	suite.Control(t) // on other clusters, who balances load may not notice at once
	s := install(t)
	a := deploy(t, s, 2, ordinary)
	leader := waitLeader(t, s, "")
	address := a.replica(leader).Status.PodIP
	nginx := children(t, find(t, leader, "dataplane"), "nginx")[0]
	traffic := a.start()
	traffic.flow(time.Second)
	killed := time.Now()
	if err := suite.Client(t).CoreV1().Pods(s.Namespace).Delete(t.Context(), leader, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
	waitGone(t, nginx)
	ended := time.Now()
	noticed := waitUnlisted(t, s, address)
	suite.Apply(t, a.namespace, fmt.Sprintf(ingress, "new", "new."+a.host, "app"))
	suite.WaitIngress(t, a.namespace, "new", soon)
	took := time.Since(killed)
	t.Logf("measured: status was written %v after the leader had been killed, by %s instead of %s", took, waitLeader(t, s, leader), leader)
	if took > longest {
		t.Errorf("it took longer than %v", longest)
	}
	suite.WaitRollout(t, s.Namespace, s.Controller(), soon)
	traffic.stop().wantOnlyLosses(ended, noticed)
}

// waitUnlisted waits until a Service no longer lists an address, and returns when everybody who balances load has to know:
// kube-proxy takes up to a second by default (--iptables-min-sync-period), and is not alone on a busy machine.
func waitUnlisted(t *testing.T, s *suite.Sluice, address string) time.Time {
	t.Helper()
	only := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + s.Controller()}
	suite.Within(t, soon, func() error {
		list, err := suite.Client(t).DiscoveryV1().EndpointSlices(s.Namespace).List(t.Context(), only)
		if err != nil {
			return err
		}
		for _, slice := range list.Items {
			for _, endpoint := range slice.Endpoints {
				if slices.Contains(endpoint.Addresses, address) {
					return fmt.Errorf("%s lists %s", slice.Name, address)
				}
			}
		}
		return nil
	})
	return time.Now().Add(2 * time.Second)
}

// waitLeader waits until another replica than one leads.
func waitLeader(t *testing.T, s *suite.Sluice, than string) string {
	t.Helper()
	var holder string
	suite.Within(t, soon, func() error {
		list, err := suite.Client(t).CoordinationV1().Leases(s.Namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		holder = ""
		for _, lease := range list.Items {
			holder += deref(lease.Spec.HolderIdentity)
		}
		led := slices.ContainsFunc(s.Pods(t), func(p corev1.Pod) bool { return p.Name == holder })
		if !led || holder == than {
			return fmt.Errorf("%q leads", holder)
		}
		return nil
	})
	return holder
}

func deref(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
