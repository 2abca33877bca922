//go:build e2e

package e2e_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// toolWithCapability is a directory with a grep that has the file capability cap_net_bind_service=+ep.
func toolWithCapability(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("/bin/grep")
	if err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(dir, "grep")
	if err := os.WriteFile(tool, text, 0o755); err != nil {
		t.Fatal(err)
	}
	const revision2, effective = 0x02000000, 1 // struct vfs_cap_data of linux/capability.h
	attribute := make([]byte, 20)
	binary.LittleEndian.PutUint32(attribute, revision2|effective)
	binary.LittleEndian.PutUint32(attribute[4:], 1<<unix.CAP_NET_BIND_SERVICE)
	if err := unix.Setxattr(tool, "security.capability", attribute, 0); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAContainerHasTheCapabilitiesThatItsPodSaysAndNoOthers(t *testing.T) {
	tools := toolWithCapability(t)
	const none, bind, ofEngines = "0000000000000000", "0000000000000400", "00000000a80425fb"
	sets := func(bounding, plain, withFile string) string {
		return fmt.Sprintf(`
			set -ex
			test "$(grep -c 'Cap\(Inh\|Amb\):.*%s' /proc/self/status)" = 2
			grep CapBnd:.*%s /proc/self/status
			grep CapEff:.*%s /proc/self/status
			%s`, none, bounding, plain, withFile)
	}
	shell := func(script string) string { return fmt.Sprintf("[/bin/sh, -c, %q]", script) }
	const one = "{runAsUser: 101, allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}"
	for name, test := range map[string]struct{ security, command string }{
		"one-kept": {one, "[/tools/grep, 'CapEff:.*" + bind + "', /proc/self/status]"},
		// What has not had it cannot get it back.
		"one-lost":    {one, shell(sets(bind, none, "/tools/grep CapEff:.*"+none+" /proc/self/status"))},
		"one-escapes": {"{runAsUser: 101, capabilities: {drop: [ALL], add: [CAP_NET_BIND_SERVICE]}}", shell(sets(bind, none, "/tools/grep CapEff:.*"+bind+" /proc/self/status"))},
		// The file wants what the process cannot have: the kernel does not execute it (capabilities(7), safety checking).
		"all-dropped": {"{runAsUser: 101, capabilities: {drop: [ALL]}}", shell(sets(none, none, "! /tools/grep . /proc/self/status"))},
		"unsaid":      {"{runAsUser: 101}", shell(sets(ofEngines, none, "/tools/grep CapEff:.*"+bind+" /proc/self/status"))},
		"root":        {"{}", shell(sets(ofEngines, ofEngines, "true"))},
		"root-less":   {"{capabilities: {drop: [ALL]}}", shell(sets(none, none, "true"))},
	} {
		t.Run(name, func(t *testing.T) {
			newCluster(t).runPod(fmt.Sprintf(`
containers:
- name: it
  image: example/shell
  securityContext: %s
  command: %s
  volumeMounts: [{name: tools, mountPath: /tools}]
volumes:
- {name: tools, hostPath: {path: %s}}
`, test.security, test.command, tools))
		})
	}
}

// runPod runs a pod, whose spec this is but for the restart policy, wants it to succeed, and returns the output of its
// container called it.
func (c cluster) runPod(spec string) string {
	c.Helper()
	suite.Apply(c, c.namespace, "apiVersion: v1\nkind: Pod\nmetadata: {name: it}\nspec:\n  restartPolicy: Never"+
		strings.ReplaceAll(strings.TrimRight("\n"+strings.TrimSpace(spec), "\n"), "\n", "\n  "))
	suite.Within(c, soon, func() error {
		pod, err := suite.Client(c).CoreV1().Pods(c.namespace).Get(c.Context(), "it", metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case pod.Status.Phase == corev1.PodFailed:
			c.Fatalf("the pod failed:\n%s", suite.Logs(c, c.namespace, "it", "it"))
		case pod.Status.Phase != corev1.PodSucceeded:
			return fmt.Errorf("the pod is %s: %+v", pod.Status.Phase, pod.Status.ContainerStatuses)
		}
		return nil
	})
	return suite.Logs(c, c.namespace, "it", "it")
}

func TestVolumesBelongToThePodsGroupAndItsUser(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `{apiVersion: v1, kind: Secret, metadata: {name: words}, stringData: {one: hello}}`)
	c.runPod(`
securityContext: {runAsUser: 101, runAsGroup: 82, fsGroup: 2000, runAsNonRoot: true}
containers:
- name: it
  image: example/shell
  securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
  args:
  - |
    set -ex
    test "$(id -G)" = "82 2000"
    for dir in /memory /disk; do
      test "$(stat -c %a:%g $dir)" = 2777:2000
      touch $dir/file
      test "$(stat -c %u:%g $dir/file)" = 101:2000
    done
    test "$(stat -f -c %T /memory)" = tmpfs
    test "$(stat -f -c %T /disk)" != tmpfs
    ! dd if=/dev/zero of=/memory/file bs=64k count=32
    test "$(stat -L -c %a:%u:%g /secret/one)" = 440:0:2000
    test "$(cat /secret/one)" = hello
    test "$(stat -L -c %a:%u:%g /var/run/secrets/kubernetes.io/serviceaccount/token)" = 640:101:2000
    ! touch /file
    test "$(hostname)" = it
    grep 'it$' /etc/hosts
  volumeMounts: [{name: memory, mountPath: /memory}, {name: disk, mountPath: /disk}, {name: secret, mountPath: /secret}]
volumes:
- {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
- {name: disk, emptyDir: {}}
- {name: secret, secret: {secretName: words, defaultMode: 0400}}
`)
}

func TestTheOutputOfAContainerCanBeOpenedAgainByItsUser(t *testing.T) {
	c := newCluster(t)
	output := c.runPod(`
securityContext: {runAsUser: 101, sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "80"}]}
containers:
- name: it
  image: example/shell
  args:
  - |
    set -e
    echo one
    echo two >/proc/self/fd/1
    echo three >>/proc/self/fd/2
    cat /proc/sys/net/ipv4/ip_unprivileged_port_start
`)
	if want := "one\ntwo\nthree\n80\n"; output != want {
		t.Errorf("the log holds %q, want %q", output, want)
	}
}

func TestRootIsRefusedWhereItMayNotBe(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Pod
metadata: {name: it}
spec: {securityContext: {runAsNonRoot: true}, containers: [{name: it, image: example/shell, args: ["true"]}]}
`)
	suite.Within(t, soon, func() error {
		pod, err := suite.Client(t).CoreV1().Pods(c.namespace).Get(t.Context(), "it", metav1.GetOptions{})
		if err != nil || len(pod.Status.ContainerStatuses) == 0 {
			return fmt.Errorf("no status yet: %w", err)
		}
		waiting := pod.Status.ContainerStatuses[0].State.Waiting
		if waiting == nil || waiting.Reason != "CreateContainerConfigError" || !strings.Contains(waiting.Message, "runAsNonRoot") {
			return fmt.Errorf("the container is %+v", pod.Status.ContainerStatuses[0].State)
		}
		return nil
	})
}

func TestWhyAContainerDidNotStartIsSaid(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Pod
metadata: {name: it}
spec: {restartPolicy: Never, containers: [{name: it, image: example/shell, command: [/nowhere/to/be/found]}]}
`)
	suite.Within(t, soon, func() error {
		pod, err := suite.Client(t).CoreV1().Pods(c.namespace).Get(t.Context(), "it", metav1.GetOptions{})
		if err != nil || pod.Status.Phase != corev1.PodFailed {
			return fmt.Errorf("not failed yet: %w", err)
		}
		if w := pod.Status.ContainerStatuses[0].State.Waiting; w == nil || !strings.Contains(w.Message, "/nowhere/to/be/found") {
			t.Errorf("the container is %+v", pod.Status.ContainerStatuses[0].State)
		}
		return nil
	})
}

// The hook is as unprivileged as the container, and the signal comes after it.
func TestAPodIsStoppedByItsHookThenASignalThenForce(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `
apiVersion: v1
kind: Pod
metadata: {name: it}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: it
    image: example/shell
    securityContext: {runAsUser: 101, capabilities: {drop: [ALL]}}
    args: ["trap 'echo signal' TERM; touch /tmp/ready; while true; do sleep 0.1; done"]
    env: [{name: GREETING, value: hello}]
    readinessProbe: {exec: {command: [/bin/sh, -c, 'test $(id -u) = 101 && test -e /tmp/ready']}}
    lifecycle: {preStop: {exec: {command: [/bin/sh, -c, 'echo $GREETING of $(id -u) >/proc/1/fd/1; grep CapBnd /proc/self/status >/proc/1/fd/1']}}}
`)
	pods := suite.Client(t).CoreV1().Pods(c.namespace)
	suite.Within(t, soon, func() error {
		pod, err := pods.Get(t.Context(), "it", metav1.GetOptions{})
		if err != nil || len(pod.Status.ContainerStatuses) == 0 || !pod.Status.ContainerStatuses[0].Ready {
			return fmt.Errorf("not ready yet: %w", err)
		}
		return nil
	})
	deleted := time.Now()
	if err := pods.Delete(t.Context(), "it", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	suite.Within(t, soon, func() error {
		if _, err := pods.Get(context.Background(), "it", metav1.GetOptions{}); err == nil {
			return fmt.Errorf("the pod is still there")
		}
		return nil
	})
	if took := time.Since(deleted); took < 2*time.Second {
		t.Errorf("the pod ended after %v, although it ignores the signal", took)
	}
	got := suite.Logs(t, c.namespace, "it", "it")
	if want := "hello of 101\nCapBnd:\t0000000000000000\nsignal\n"; got != want {
		t.Errorf("it printed %q, want %q", got, want)
	}
}
