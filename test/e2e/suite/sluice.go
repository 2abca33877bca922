package suite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/controlplane"
)

// Sluice is a release of the chart of this repository.
type Sluice struct {
	Release   string
	Namespace string // of the same name
	Address   string // of the load balancer: HTTP at port 80, HTTPS at port 443; empty if there is to be none
}

// installed are the releases of this process, by name.
var installed = struct {
	sync.Mutex
	releases map[string]*Sluice
}{releases: map[string]*Sluice{}}

// Install installs the chart with values, which are YAML, and waits until all replicas are ready. A release that the
// process has installed is used again, so that the tests of a package share it; Main uninstalls it. On a control plane
// of our own, Main needs the option SluiceImage.
func Install(t testing.TB, release, values string) *Sluice {
	t.Helper()
	installed.Lock()
	s := installed.releases[release]
	installed.Unlock()
	if s == nil {
		if err := apply(release, values, t.TempDir()); err != nil {
			t.Fatalf("install Sluice: %v", err)
		}
		s = &Sluice{Release: release, Namespace: release}
		installed.Lock()
		installed.releases[release] = s
		installed.Unlock()
	}
	service, err := Client(t).CoreV1().Services(s.Namespace).Get(t.Context(), s.Controller(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		t.Fatalf("look for the Service of Sluice: %v", err)
	case service.Spec.Type == corev1.ServiceTypeLoadBalancer:
		s.Address = WaitLoadBalancer(t, s.Namespace, s.Controller(), time.Minute)
	}
	return s
}

// Upgrade installs the chart with other values in place of what is there, and waits as Install does.
func (s *Sluice) Upgrade(t testing.TB, values string) {
	t.Helper()
	if err := apply(s.Release, values, t.TempDir()); err != nil {
		t.Fatalf("upgrade Sluice: %v", err)
	}
}

// Uninstall removes the release before the end of the process, and waits until its pods are gone.
func (s *Sluice) Uninstall(t testing.TB) {
	t.Helper()
	if err := helm("uninstall", s.Release, "--namespace", s.Namespace, "--wait", "--timeout", "2m"); err != nil {
		t.Fatalf("uninstall Sluice: %v", err)
	}
	installed.Lock()
	delete(installed.releases, s.Release)
	installed.Unlock()
}

// apply installs a release or upgrades it; dir is for a file.
func apply(release, values, dir string) error {
	file := filepath.Join(dir, "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		return err
	}
	return helm("upgrade", "--install", release, "charts/sluice", "--namespace", release, "--create-namespace",
		"--values", file, "--wait", "--timeout", "2m")
}

// helm runs Helm in the repository.
func helm(arguments ...string) error {
	program, err := buildHelm()
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "helm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	run := exec.Command(program, arguments...)
	run.Dir = filepath.Dir(filepath.Dir(filepath.Dir(program)))
	run.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	if output, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("helm %s: %w\n%s", arguments[0], err, output)
	}
	return nil
}

// buildHelm makes bin/e2e/helm, of the version that the chart's own tests use, and returns its path.
var buildHelm = sync.OnceValues(func() (string, error) {
	repository, err := Repository()
	if err != nil {
		return "", err
	}
	program := filepath.Join(repository, "bin", "e2e", "helm")
	build := exec.Command("go", "build", "-o", program, "helm.sh/helm/v4/cmd/helm")
	build.Dir, build.Env = filepath.Join(repository, "charts"), append(os.Environ(), "CGO_ENABLED=0") // as ./build does
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build Helm: %w\n%s", err, output)
	}
	return program, nil
})

// uninstall removes all releases, unless the cluster ends anyway.
func uninstall() error {
	if os.Getenv(controlplane.DirVariable) != "" {
		return nil
	}
	var errs []error
	for _, s := range installed.releases {
		errs = append(errs, helm("uninstall", s.Release, "--namespace", s.Namespace, "--wait"))
	}
	return errors.Join(errs...)
}

// Controller is what the chart calls the Deployment, and its Service.
func (s *Sluice) Controller() string {
	if strings.Contains(s.Release, "sluice") {
		return s.Release + "-controller"
	}
	return s.Release + "-sluice-controller"
}

// Pods are the replicas that do not terminate, by age.
func (s *Sluice) Pods(t testing.TB) []corev1.Pod {
	t.Helper()
	selector := "app.kubernetes.io/component=controller,app.kubernetes.io/instance=" + s.Release
	list, err := Client(t).CoreV1().Pods(s.Namespace).List(context.WithoutCancel(t.Context()), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatalf("list the replicas of Sluice: %v", err)
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
	slices.SortStableFunc(pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return pods
}

// Metric is the sum of all series of a metric of a replica; 0 if it has none.
func (s *Sluice) Metric(t testing.TB, pod corev1.Pod, name string) float64 {
	t.Helper()
	const port = 10254
	response, err := http.Get(fmt.Sprintf("http://%s:%d/metrics", pod.Status.PodIP, port))
	if err != nil {
		t.Fatalf("ask %s for its metrics: %v", pod.Name, err)
	}
	defer response.Body.Close()
	sum := 0.0
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if is, _, _ := strings.Cut(series, "{"); is != name {
			continue
		}
		number, err := strconv.ParseFloat(value, 64) // no label of ours has a blank in it
		if err != nil {
			t.Fatalf("metric %s of %s: %v", name, pod.Name, err)
		}
		sum += number
	}
	return sum
}
