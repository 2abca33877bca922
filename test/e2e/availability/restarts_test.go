//go:build e2e

package availability_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestANewMasterOfNGINXCostsNothing(t *testing.T) {
	suite.Control(t)
	s := install(t)
	a := deploy(t, s, 2, ordinary)
	traffic := a.start()
	for _, replica := range s.Pods(t) {
		traffic.flow(time.Second)
		plane := find(t, replica.Name, "dataplane")
		master := children(t, plane, "nginx")[0]
		kill(t, master)
		killed := time.Now()
		suite.Within(t, soon, func() error {
			if now := children(t, plane, "nginx"); len(now) == 0 || now[0] == master {
				return fmt.Errorf("these are the masters: %v", now)
			}
			return nil
		})
		a.waitReady(replica.Name)
		t.Logf("measured: %s was ready with another master after %v", replica.Name, time.Since(killed))
	}
	traffic.flow(2 * time.Second)
	traffic.stop().wantNoLoss()
}

// NGINX goes on in its own container, and the new controller finds nothing to reload.
func TestARestartOfTheControllerCostsNothing(t *testing.T) {
	suite.Control(t)
	s := install(t)
	a := deploy(t, s, 2, ordinary)
	traffic := a.start()
	for _, replica := range s.Pods(t) {
		traffic.flow(time.Second)
		nginx := workers(t, replica.Name)
		kill(t, find(t, replica.Name, "controller"))
		killed := time.Now()
		a.waitUnready(replica.Name)
		a.waitReady(replica.Name)
		t.Logf("measured: %s was ready again %v after its controller was killed", replica.Name, time.Since(killed))
		if now := workers(t, replica.Name); !slices.Equal(now, nginx) {
			t.Errorf("%s: NGINX and its workers were %v and are %v", replica.Name, nginx, now)
		}
		if n := s.Metric(t, replica, "sluice_reloads_total"); n != 0 {
			t.Errorf("%s: %v reloads", replica.Name, n)
		}
	}
	traffic.flow(2 * time.Second)
	traffic.stop().wantNoLoss()
}

// workers are the master of NGINX in a replica and its workers.
func workers(t *testing.T, replica string) []int {
	t.Helper()
	master := children(t, find(t, replica, "dataplane"), "nginx")[0]
	return append(children(t, master, "nginx"), master)
}

func TestARestartOfTheDataPlaneCostsOnlyWhatItWasDoing(t *testing.T) {
	suite.Control(t)
	s := install(t)
	a := deploy(t, s, 2, ordinary)
	traffic := a.start()
	traffic.flow(2 * time.Second)
	replica := s.Pods(t)[0]
	sluice := find(t, replica.Name, "dataplane")
	nginx := children(t, sluice, "nginx")[0]
	kill(t, sluice)
	waitGone(t, nginx)
	ended := time.Now()
	a.waitUnready(replica.Name)
	noticed := time.Now()
	a.waitReady(replica.Name)
	t.Logf("measured: the pod's status said so %v after the container had ended, and the replica was ready again after %v", noticed.Sub(ended), time.Since(ended))
	traffic.flow(2 * time.Second)
	traffic.stop().wantOnlyLosses(ended, noticed)
}

func (a *app) waitReady(replica string) {
	a.Helper()
	suite.Within(a, soon, func() error {
		if !isReady(a.replica(replica)) {
			return fmt.Errorf("%s is not ready", replica)
		}
		return nil
	})
}

func (a *app) waitUnready(replica string) {
	a.Helper()
	suite.Within(a, soon, func() error {
		if isReady(a.replica(replica)) {
			return fmt.Errorf("%s is ready", replica)
		}
		return nil
	})
}

func (a *app) replica(name string) *corev1.Pod {
	a.Helper()
	pod, err := suite.Client(a).CoreV1().Pods(a.sluice.Namespace).Get(a.Context(), name, metav1.GetOptions{})
	if err != nil {
		a.Fatal(err)
	}
	return pod
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// find is the process of this machine that runs a command of Sluice in a pod.
func find(t *testing.T, pod, command string) int {
	t.Helper()
	var found int
	suite.Within(t, soon, func() error {
		directories, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, directory := range directories {
			line, _ := os.ReadFile(filepath.Join(directory, "cmdline")) // it may have ended
			environment, _ := os.ReadFile(filepath.Join(directory, "environ"))
			isOurs := bytes.HasPrefix(line, []byte("/usr/bin/sluice\x00"+command+"\x00"))
			if isOurs && slices.Contains(strings.Split(string(environment), "\x00"), "HOSTNAME="+pod) {
				found, err = strconv.Atoi(filepath.Base(directory))
				return err
			}
		}
		return fmt.Errorf("%s has no %s", pod, command)
	})
	return found
}

// children are those of a process that have a name.
func children(t *testing.T, of int, name string) []int {
	t.Helper()
	var all []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", of)) // the pattern is right
	for _, file := range files {
		text, _ := os.ReadFile(file) // the thread may have ended
		for field := range strings.FieldsSeq(string(text)) {
			if is, _ := os.ReadFile(filepath.Join("/proc", field, "comm")); string(is) == name+"\n" {
				child, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, child)
			}
		}
	}
	return all
}

func kill(t *testing.T, process int) {
	t.Helper()
	if err := syscall.Kill(process, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// waitGone waits until a process has ended.
func waitGone(t *testing.T, process int) {
	t.Helper()
	suite.Within(t, soon, func() error {
		if err := syscall.Kill(process, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d is there, %v", process, err)
		}
		return nil
	})
}
