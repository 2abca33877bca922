package charts_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// controllerValues are values below "controller", from YAML.
func controllerValues(t testing.TB, text string) map[string]any {
	t.Helper()
	values := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte("controller: "+text), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestTheControllerKnowsItsArguments gives the arguments of each example to the program.
func TestTheControllerKnowsItsArguments(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sluice")
	build := exec.Command("go", "build", "-o", program, "./cmd/sluice")
	build.Dir = ".."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the controller: %v\n%s", err, output)
	}
	for _, e := range append(examples(t), example{"everything", installation{values: everything}}) {
		// The flags before --help have been read when it takes effect.
		arguments := append(render(t, e.installation).arguments(t), "--help")
		if output, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
			t.Errorf("%s: %q: %v\n%s", e.name, arguments, err, output)
		}
	}
}

// TestArguments has the cases of which flags there are; what is always there is left out.
func TestArguments(t *testing.T) {
	usual := []string{
		"controller", "--configmap=$(POD_NAMESPACE)/sluice-controller", "--controller-class=k8s.io/ingress-nginx",
		"--dataplane-socket=/run/sluice-dataplane/dataplane.sock", "--election-id=sluice-leader",
		"--ingress-class=nginx", "--publish-service=$(POD_NAMESPACE)/sluice-controller",
		"--validating-webhook=:8443", "--validating-webhook-configuration=sluice-admission", "--validating-webhook-secret=sluice-admission-ca",
	}
	for _, test := range []struct {
		values string // of the controller
		more   []string
		butNot string // how what is missing starts
	}{
		{values: `{}`},
		{values: `{service: {external: {enabled: false}}}`, butNot: "--publish-service="},
		{values: `{service: {external: {enabled: false}, internal: {enabled: true}}}`, butNot: "--publish-service="},
		{values: `{service: {external: {enabled: false}, internal: {enabled: true, annotations: {a: b}}}}`, butNot: "--publish-service=", more: []string{"--publish-service=$(POD_NAMESPACE)/sluice-controller-internal"}},
		{values: `{service: {external: {enabled: false}, internal: {enabled: true, annotations: {a: b}}}, publishService: {pathOverride: a/b}}`, butNot: "--publish-service=", more: []string{"--publish-service=a/b"}},
		{values: `{publishService: {pathOverride: a/b}}`, butNot: "--publish-service=", more: []string{"--publish-service=a/b"}},
		{values: `{reportNodeInternalIp: true}`},
		{values: `{reportNodeInternalIp: true, hostNetwork: true}`, more: []string{"--report-node-internal-ip-address=true"}},
		{values: `{configMapNamespace: other}`, butNot: "--configmap=", more: []string{"--configmap=other/sluice-controller"}},
		{values: `{ingressClass: ""}`, butNot: "--ingress-class="},
		{values: `{scope: {enabled: true}}`, more: []string{"--watch-namespace=$(POD_NAMESPACE)"}},
		{values: `{scope: {enabled: true, namespace: shop, namespaceSelector: a=b}}`, more: []string{"--watch-namespace=shop"}},
		{values: `{scope: {namespace: shop, namespaceSelector: a=b}}`, more: []string{"--watch-namespace-selector=a=b"}},
		{values: `{healthCheckPath: /healthz}`},
		{values: `{healthCheckPath: /health, healthCheckHost: "::1"}`, more: []string{"--health-check-path=/health", "--healthz-host=::1"}},
		{values: `{admissionWebhooks: {enabled: false}}`, butNot: "--validating-webhook"},
		{values: `{admissionWebhooks: {port: 9443, name: judge}}`, butNot: "--validating-webhook", more: []string{
			"--validating-webhook=:9443", "--validating-webhook-configuration=sluice-judge", "--validating-webhook-secret=sluice-judge-ca"}},
		{values: `{admissionWebhooks: {certManager: {enabled: true}, key: /k}}`, butNot: "--validating-webhook", more: []string{
			"--validating-webhook=:8443", "--validating-webhook-certificate=/usr/local/certificates/cert", "--validating-webhook-key=/k"}},
		{values: `{admissionWebhooks: {patch: {enabled: false}, certificate: /c}}`, butNot: "--validating-webhook", more: []string{
			"--validating-webhook=:8443", "--validating-webhook-certificate=/c", "--validating-webhook-key=/usr/local/certificates/key"}},
		{values: `{metrics: {enabled: true}}`, more: []string{"--enable-metrics=true"}},
		{values: `{watchIngressWithoutClass: true, ingressClassByName: true}`, more: []string{"--ingress-class-by-name=true", "--watch-ingress-without-class=true"}},
		{values: `{disableLeaderElection: true, electionID: own, electionTTL: 10s}`, butNot: "--election-id=", more: []string{"--disable-leader-election=true", "--election-id=own", "--election-ttl=10s"}},
		{values: `{extraArgs: {ingress-class: other, v: 3, profiling: false, enable-ssl-passthrough: "", max: 1000000, ratio: 0.25}}`, butNot: "--ingress-class=",
			more: []string{"--enable-ssl-passthrough", "--ingress-class=other", "--max=1000000", "--profiling=false", "--ratio=0.25", "--v=3"}},
		{values: `{extraArgs: {publish-service: null}}`, butNot: "--publish-service="},
	} {
		want := slices.Concat(usual, test.more)
		if test.butNot != "" {
			want = slices.Concat(slices.DeleteFunc(slices.Clone(usual), func(a string) bool { return strings.HasPrefix(a, test.butNot) }), test.more)
		}
		got := render(t, installation{values: controllerValues(t, test.values)}).arguments(t)
		if got[0] != "controller" {
			t.Errorf("%s: the command is %s", test.values, got[0])
		}
		slices.Sort(want)
		slices.Sort(got)
		if difference := gocmp.Diff(want, got); difference != "" {
			t.Errorf("%s: the arguments are others (-want +got):\n%s", test.values, difference)
		}
	}
}
