// Package suite gives tests a cluster: the one of KUBECONFIG, or a control plane of their own. Tests that use nothing but
// the API and addresses run on either. It says nothing about ingress controllers.
package suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-ingress/sluice/test/e2e/controlplane"
)

// Main runs the tests of a package. Without KUBECONFIG this process becomes a control plane, which runs this test binary
// again inside its network namespace; that starts here anew, with KUBECONFIG set.
func Main(m *testing.M) {
	if os.Getenv("KUBECONFIG") != "" {
		os.Exit(m.Run())
	}
	if err := becomeControlPlane(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

func becomeControlPlane() error {
	programs, err := Programs()
	if err != nil {
		return err
	}
	// Beside the programs: there is one for each package of tests, and it is there to look at after they failed.
	dir := filepath.Join(programs, "run", strings.TrimSuffix(filepath.Base(os.Args[0]), ".test"))
	args := append([]string{"controlplane", "-dir", dir, "-nodes", "2"}, os.Args...)
	return syscall.Exec(filepath.Join(programs, "controlplane"), args, os.Environ())
}

// Programs builds those of test/e2e/cmd and returns the directory in which they are.
func Programs() (string, error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module of the tests: %w", err)
	}
	build := exec.Command(filepath.Join(strings.TrimSpace(string(module)), "build"))
	build.Stderr = os.Stderr
	programs, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("build the programs: %w", err)
	}
	return strings.TrimSpace(string(programs)), nil
}

// Config is of a user who may do everything.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("read KUBECONFIG: %v", err)
	}
	config.QPS = -1
	return config
}

// Client is one with all rights.
func Client(t testing.TB) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(Config(t))
	if err != nil {
		t.Fatalf("make a client: %v", err)
	}
	return client
}

// Namespace makes one for the test. It is removed, with all in it, some time after the test.
func Namespace(t testing.TB) string {
	t.Helper()
	namespaces := Client(t).CoreV1().Namespaces()
	made, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("make a namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := namespaces.Delete(context.Background(), made.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("remove the namespace: %v", err)
		}
	})
	return made.Name
}

// Control kills and starts components of the control plane. On a cluster that is not ours the test is skipped.
func Control(t testing.TB) controlplane.Control {
	t.Helper()
	dir := os.Getenv(controlplane.DirVariable)
	if dir == "" {
		t.Skip("needs a control plane of our own")
	}
	return controlplane.Control{Dir: dir}
}

// Within tries until there is no error. What still is not so after that time fails the test.
func Within(t testing.TB, longest time.Duration, try func() error) {
	t.Helper()
	end := time.Now().Add(longest)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still not so after %v: %v", longest, err)
		}
		<-tick.C
	}
}
