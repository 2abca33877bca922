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
// again inside its network namespace; that starts here anew, with KUBECONFIG set. The options are only for the former.
func Main(m *testing.M, options ...Option) {
	if os.Getenv("KUBECONFIG") != "" {
		code := m.Run()
		if err := uninstall(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			code = 1
		}
		os.Exit(code)
	}
	if err := becomeControlPlane(options); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

// Option changes the control plane that Main starts.
type Option func(*setup) error

// setup is how cmd/controlplane is started.
type setup struct{ arguments, environment []string }

// Arguments are for cmd/controlplane, as -services=false is; the last of several wins.
func Arguments(words ...string) Option {
	return func(s *setup) error {
		s.arguments = append(s.arguments, words...)
		return nil
	}
}

// SluiceImage makes Sluice's image, so that pods can have it, unless SLUICE_IMAGE_ROOT says where its files are.
func SluiceImage() Option {
	return func(s *setup) error {
		if os.Getenv(imageRoot) != "" {
			return nil
		}
		repository, err := Repository()
		if err != nil {
			return err
		}
		build := exec.Command(filepath.Join(repository, "rootfs", "image"))
		build.Stderr = os.Stderr
		root, err := build.Output()
		if err != nil {
			return fmt.Errorf("make the image: %w", err)
		}
		s.environment = append(s.environment, imageRoot+"="+strings.TrimSpace(string(root)))
		return nil
	}
}

// imageRoot is the variable in images.yaml.
const imageRoot = "SLUICE_IMAGE_ROOT"

func becomeControlPlane(options []Option) error {
	programs, err := Programs()
	if err != nil {
		return err
	}
	// Beside the programs: there is one for each package of tests, and it is there to look at after they failed.
	dir := filepath.Join(programs, "run", strings.TrimSuffix(filepath.Base(os.Args[0]), ".test"))
	s := setup{arguments: []string{"controlplane", "-dir", dir, "-nodes", "2"}, environment: os.Environ()}
	for _, option := range options {
		if err := option(&s); err != nil {
			return err
		}
	}
	return syscall.Exec(filepath.Join(programs, "controlplane"), append(s.arguments, os.Args...), s.environment)
}

// Repository is the directory that this module is in, two above it.
func Repository() (string, error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module of the tests: %w", err)
	}
	return filepath.Dir(filepath.Dir(strings.TrimSpace(string(module)))), nil
}

// Programs builds those of test/e2e/cmd and returns the directory in which they are.
func Programs() (string, error) {
	repository, err := Repository()
	if err != nil {
		return "", err
	}
	build := exec.Command(filepath.Join(repository, "test", "e2e", "build"))
	build.Stderr = os.Stderr
	programs, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("build the programs: %w", err)
	}
	return strings.TrimSpace(string(programs)), nil
}

// Binary builds a program of the repository's cmd, as sluice is, and returns its path.
func Binary(t testing.TB, name string) string {
	t.Helper()
	repository, err := Repository()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", "bin/", "./cmd/"+name)
	build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, output)
	}
	return filepath.Join(repository, "bin", name)
}

// Config is of a user who may do everything.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("read KUBECONFIG: %v", err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{} // tests use what is deprecated, as people do
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
