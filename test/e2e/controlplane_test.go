//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// started is a control plane besides the one that the tests run in.
type started struct {
	*exec.Cmd
	dir, netns string
	ready      time.Duration
}

func start(t *testing.T, arguments ...string) *started {
	t.Helper()
	programs, err := suite.Programs()
	if err != nil {
		t.Fatal(err)
	}
	s := &started{dir: t.TempDir(), netns: fmt.Sprintf("sluice-e2e-test-%d", os.Getpid())}
	s.Cmd = exec.Command(filepath.Join(programs, "controlplane"), append([]string{"-dir", s.dir, "-netns", s.netns}, arguments...)...)
	s.Stderr = os.Stderr
	s.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	output, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if lines.Text() == "ready" {
			s.ready = time.Since(before)
			return s
		}
	}
	t.Fatalf("the control plane ended: %v", s.Wait())
	return nil
}

func TestTheControlPlaneStartsAndIsReachableFromOutside(t *testing.T) {
	s := start(t)
	t.Logf("ready after %v", s.ready)
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(s.dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	version, err := kubernetes.NewForConfigOrDie(config).Discovery().ServerVersion()
	if err != nil || !strings.HasPrefix(version.GitVersion, "v1.36.") {
		t.Errorf("the server says it is %v, %v", version, err)
	}
	if output, err := exec.Command("ip", "netns", "exec", s.netns, "true").CombinedOutput(); err != nil {
		t.Errorf("ip netns exec: %v: %s", err, output)
	}
	s.endedBy(t, syscall.SIGINT)
}

func TestNothingIsLeftOfAControlPlaneThatIsKilled(t *testing.T) { start(t).endedBy(t, syscall.SIGKILL) }

func TestServicesAndNamesCanBeLeftToOthers(t *testing.T) {
	s := start(t, "-services=false", "-dns=false")
	defer s.endedBy(t, syscall.SIGINT)
	const listening = `ss --numeric --listening --tcp --udp --no-header`
	output, err := exec.Command("ip", append([]string{"netns", "exec", s.netns}, strings.Fields(listening)...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ss: %v: %s", err, output)
	}
	if !bytes.Contains(output, []byte("127.0.0.1:2379")) || bytes.Contains(output, []byte("10.96.")) {
		t.Errorf("these listen:\n%s", output)
	}
}

// endedBy sends a signal and wants all to be gone then.
func (s *started) endedBy(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if len(s.processes(t)) < 7 {
		t.Errorf("only these run: %v", s.processes(t))
	}
	if err := s.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); signal == syscall.SIGINT && err != nil {
		t.Errorf("ended with %v", err)
	}
	longest := 5 * time.Second
	if signal == syscall.SIGINT {
		longest = 0 // it waits for what it has started
	}
	suite.Within(t, longest, func() error {
		if left := s.processes(t); len(left) > 0 {
			return fmt.Errorf("these are left: %v", left)
		}
		if _, err := os.Lstat("/run/netns/" + s.netns); err == nil {
			return fmt.Errorf("the network namespace %s is left", s.netns)
		}
		return nil
	})
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(s.dir)) || bytes.Contains(mounts, []byte(s.netns)) {
		t.Errorf("a mount is left:\n%s", mounts)
	}
}

// processes are the command lines with the directory of the control plane in them.
func (s *started) processes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && bytes.Contains(text, []byte(s.dir)) { // it may have ended meanwhile
			lines = append(lines, string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})))
		}
	}
	return lines
}
