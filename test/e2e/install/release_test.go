//go:build e2e

package install_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// TestDefaults give a controller that serves at ports 80 and 443, although its processes are those of a user without any
// right but to open these. When its last pod ends, no status leads to it any more, and no other waits for its Lease. When the
// release is gone nothing of it is left but that Lease.
func TestDefaults(t *testing.T) {
	t.Parallel()
	s := site{TB: t, class: "nginx", namespace: suite.Namespace(t), Sluice: suite.Install(t, "sluice", "")}
	s.apply(`{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}`)
	s.apply(ingressFor("web"))
	s.wantServed(s.Address, "web.DOMAIN")
	s.wantAddresses(s.Address)
	t.Run("processes", func(t *testing.T) {
		suite.Control(t) // they are on this machine
		wantUnprivileged(t, s.Pods(t)[0].Name)
	})

	s.Upgrade(t, `controller: {electionTTL: 4s}`)
	s.wantServed(s.Address, "web.DOMAIN")

	suite.Within(t, soon, func() error { // by the new pod, which is to clear the status
		if holder := ptr.Deref(s.lease("sluice-leader").Spec.HolderIdentity, ""); holder != s.Pods(t)[0].Name {
			return fmt.Errorf("the Lease is held by %q", holder)
		}
		return nil
	})
	stopped := time.Now()
	s.scale(0)
	t.Logf("measured: the last pod is gone after %v", time.Since(stopped).Round(time.Millisecond))
	s.wantAddresses()
	if holder := ptr.Deref(s.lease("sluice-leader").Spec.HolderIdentity, ""); holder != "" {
		t.Errorf("the Lease is still held, by %s", holder)
	}
	s.scale(1)
	s.wantAddresses(s.Address)

	removed := time.Now()
	s.Uninstall(t)
	t.Logf("measured: the release is gone after %v", time.Since(removed).Round(time.Millisecond))
	suite.Within(t, soon, func() error {
		if left := s.objects(); len(left) > 0 {
			return fmt.Errorf("these are left: %v", left)
		}
		return nil
	})
}

func (s site) lease(name string) *coordinationv1.Lease {
	s.Helper()
	lease, err := suite.Client(s).CoordinationV1().Leases(s.Namespace).Get(s.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return lease
}

// objects are all of the release, of whatever kind.
func (s site) objects() []string {
	s.Helper()
	lists, err := suite.Client(s).Discovery().ServerPreferredResources()
	if err != nil {
		s.Fatal(err)
	}
	client, err := dynamic.NewForConfig(suite.Config(s))
	if err != nil {
		s.Fatal(err)
	}
	var found []string
	listable, err := discovery.GroupVersionResources(discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, lists))
	if err != nil {
		s.Fatal(err)
	}
	for resource := range listable {
		list, err := client.Resource(resource).List(s.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + s.Release})
		if err != nil {
			s.Fatalf("list %s: %v", resource, err)
		}
		for _, object := range list.Items {
			found = append(found, fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName()))
		}
	}
	return found
}

// wantUnprivileged looks at the processes of a pod through /proc: those of the controller have no capability at all, and those
// of NGINX's container have one that NGINX alone uses.
func wantUnprivileged(t *testing.T, pod string) {
	t.Helper()
	const none, netBindService = "0000000000000000", "0000000000000400"
	for command, container := range map[string]struct {
		user, permitted string
		programs        []string
	}{
		"controller": {"102", none, []string{"tini", "sluice"}},
		"dataplane":  {"101", netBindService, []string{"tini", "sluice", "nginx"}},
	} {
		var names []string
		for _, dir := range processesOf(t, pod, command) {
			status := read(t, dir, "status")
			name := field(status, "Name")
			names = append(names, name)
			used := none
			if name == "nginx" {
				used = netBindService
			}
			same := func(id string) string { return strings.Join([]string{id, id, id, id}, "\t") }
			for _, want := range []struct{ key, value string }{
				{"Uid", same(container.user)}, {"Gid", same("82")}, {"NoNewPrivs", "1"},
				{"CapInh", none}, {"CapPrm", container.permitted}, {"CapEff", used}, {"CapBnd", container.permitted}, {"CapAmb", none},
			} {
				if got := field(status, want.key); got != want.value {
					t.Errorf("%s of the %s: %s is %q, want %q", name, command, want.key, got, want.value)
				}
			}
			if mounts := read(t, dir, "mountinfo"); !regexp.MustCompile(`(?m)^\d+ \d+ \S+ \S+ / ro[, ]`).MatchString(mounts) {
				t.Errorf("%s of the %s: its root file system is not read-only:\n%s", name, command, mounts)
			}
		}
		slices.Sort(names)
		if programs := slices.Compact(names); !slices.Equal(programs, slices.Sorted(slices.Values(container.programs))) {
			t.Errorf("the programs of the %s are %v, not %v", command, programs, container.programs)
		}
	}
}

// processOf is the directory in /proc of the process of a pod that runs a command of Sluice.
func processOf(t testing.TB, pod, command string) string {
	t.Helper()
	var found string
	suite.Within(t, soon, func() error {
		directories, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, found = range directories {
			line, _ := os.ReadFile(filepath.Join(found, "cmdline")) // it may have ended
			environment, _ := os.ReadFile(filepath.Join(found, "environ"))
			isOurs := strings.HasPrefix(string(line), "/usr/bin/sluice\x00"+command+"\x00")
			if isOurs && slices.Contains(strings.Split(string(environment), "\x00"), "HOSTNAME="+pod) {
				return nil
			}
		}
		return fmt.Errorf("%s does not run sluice %s", pod, command)
	})
	return found
}

// processesOf are the directories in /proc of all that share a PID namespace with that one.
func processesOf(t *testing.T, pod, command string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	namespace := func(dir string) string {
		link, _ := os.Readlink(filepath.Join(dir, "ns", "pid")) // fails if it has ended, or is none of ours
		return link
	}
	shared := namespace(processOf(t, pod, command))
	return slices.DeleteFunc(all, func(dir string) bool { return namespace(dir) != shared })
}

func read(t testing.TB, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// field is one of /proc/PID/status.
func field(status, key string) string {
	for line := range strings.Lines(status) {
		if value, is := strings.CutPrefix(line, key+":"); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// TestADaemonSetInTheNetworkOfItsNode serves at the node's address and publishes that.
func TestADaemonSetInTheNetworkOfItsNode(t *testing.T) {
	t.Parallel()
	nodes, err := suite.Client(t).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		t.Fatalf("there are no nodes: %v", err)
	}
	node := nodes.Items[0]
	s := site{TB: t, class: "edge", namespace: suite.Namespace(t)}
	s.Sluice = suite.Install(t, "edge", fmt.Sprintf(`
controller:
  kind: DaemonSet
  hostNetwork: true
  nodeSelector: {kubernetes.io/hostname: %s}
  reportNodeInternalIp: true
  publishService: {enabled: false}
  service: {enabled: false}
  containerPort: {http: 8180, https: 8143}
  extraArgs: {http-port: 8180, https-port: 8143}
  ingressClass: edge
  ingressClassResource: {name: edge, controllerValue: example.com/edge}
`, node.Labels[corev1.LabelHostname]))
	var internal string
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			internal = address.Address
			break
		}
	}
	s.apply(`{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}`)
	s.apply(ingressFor("web"))
	s.wantServed(internal+":8180", "web.DOMAIN")
	s.wantAddresses(internal)
	s.Uninstall(t)
}

// TestNamespacesByLabel are served as soon as they have the label, and no longer when they have lost it.
func TestNamespacesByLabel(t *testing.T) {
	t.Parallel()
	s := site{TB: t, class: "labelled", namespace: suite.Namespace(t)}
	s.install("scope: {namespaceSelector: served=yes}")
	s.apply(`{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}`)
	s.apply(ingressFor("web"))
	other := s
	other.namespace = suite.Namespace(t)
	other.label("served", "yes")
	other.apply(`{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}`)
	other.apply(ingressFor("web"))
	other.wantServed(s.Address, "web.DOMAIN")
	s.wantNotServed("web.DOMAIN")
	s.label("served", "yes")
	s.wantServed(s.Address, "web.DOMAIN")
	s.wantAddresses(s.Address)
	s.label("served", "no")
	s.wantNotServed("web.DOMAIN")
	s.wantAddresses()
	s.Uninstall(t)
}

// wantNotServed wants nobody to know a host.
func (s site) wantNotServed(host string) {
	s.Helper()
	target := s.text("http://" + host + "/")
	suite.Within(s, soon, func() error {
		answer, err := suite.Get(s.Address, target)
		if err != nil || answer.Status != 404 {
			return fmt.Errorf("GET %s: status %d, want 404; %w", target, answer.Status, err)
		}
		return nil
	})
}
