package main

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

var update = flag.Bool("update", false, "write docs/flags.md")

// theirs are ingress-nginx's flags with the defaults that they have there, as its command line prints them.
const theirs = `
annotations-prefix nginx.ingress.kubernetes.io
apiserver-host
bucket-factor 0
certificate-authority
configmap
controller-class k8s.io/ingress-nginx
deep-inspect true
default-backend-service
default-server-port 8181
default-ssl-certificate
disable-catch-all false
disable-full-test false
disable-leader-election false
disable-svc-external-name false
disable-sync-events false
dynamic-configuration-retries 15
election-id ingress-controller-leader
election-ttl 30s
enable-annotation-validation true
enable-metrics false
enable-ssl-chain-completion false
enable-ssl-passthrough false
enable-topology-aware-routing false
exclude-socket-metrics []
health-check-path /healthz
health-check-timeout 10
healthz-host
healthz-port 10254
http-port 80
https-port 443
ingress-class nginx
ingress-class-by-name false
internal-logger-address 127.0.0.1:11514
kubeconfig
length-buckets [10.000000,20.000000,30.000000,40.000000,50.000000,60.000000,70.000000,80.000000,90.000000,100.000000]
max-buckets 100
maxmind-edition-ids GeoLite2-City,GeoLite2-ASN
maxmind-license-key
maxmind-mirror
maxmind-retries-count 1
maxmind-retries-timeout 0s
metrics-per-host true
metrics-per-undefined-host false
monitor-max-batch-size 10000
post-shutdown-grace-period 10
profiler-address 127.0.0.1
profiler-port 10245
profiling true
publish-service
publish-status-address
report-node-internal-ip-address false
report-status-classes false
shutdown-grace-period 0
size-buckets [10.000000,100.000000,1000.000000,10000.000000,100000.000000,1000000.000000,10000000.000000]
ssl-passthrough-proxy-port 442
status-port 10246
status-update-interval 60
stream-port 10247
sync-period 0s
sync-rate-limit 0.3
tcp-services-configmap
time-buckets [0.005000,0.010000,0.025000,0.050000,0.100000,0.250000,0.500000,1.000000,2.500000,5.000000,10.000000]
udp-services-configmap
update-status true
update-status-on-shutdown true
validating-webhook
validating-webhook-certificate
validating-webhook-key
version false
watch-ingress-without-class false
watch-namespace
watch-namespace-selector
`

// otherDefaults are the flags whose default differs on purpose.
var otherDefaults = []string{"election-ttl", "post-shutdown-grace-period", "sync-rate-limit"}

func theirFlags() map[string]string {
	flags := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(theirs)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		flags[name] = value
	}
	return flags
}

func TestAllFlagsOfIngressNginxAreThere(t *testing.T) {
	flags, known := controllerCommand().Flags(), theirFlags()
	if len(known) != 72 {
		t.Errorf("ingress-nginx 1.15.1 has 72 flags, this list %d", len(known))
	}
	for name, value := range known {
		f := flags.Lookup(name)
		if f == nil {
			t.Errorf("--%s is missing", name)
		} else if differs := f.DefValue != value; differs != slices.Contains(otherDefaults, name) {
			t.Errorf("--%s is %q by default, in ingress-nginx %q", name, f.DefValue, value)
		}
	}
}

func TestFlagsWithoutEffectSaySo(t *testing.T) {
	cmd := controllerCommand()
	const secret = "somebody:password"
	if err := cmd.ParseFlags([]string{
		"--ssl-passthrough-proxy-port=441", "--bucket-factor=1.1", "--status-port=10246", "--internal-logger-address=" + secret, "--http-port=81",
		"--time-buckets=0.1,1", "--max-buckets=7",
	}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	inertFlags{}.report(cmd.Flags(), slog.New(slog.NewTextHandler(&out, nil)))
	for _, name := range []string{"ssl-passthrough-proxy-port", "bucket-factor", "internal-logger-address", "max-buckets"} {
		if !strings.Contains(out.String(), "flag=--"+name+" reason=") {
			t.Errorf("--%s is not reported", name)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 4 {
		t.Errorf("%d flags are reported; one that has its default, or an effect, must not be:\n%s", n, &out)
	}
	if strings.Contains(out.String(), secret) {
		t.Error("the log has the value of a flag")
	}
}

// Manifests for ingress-nginx start the controller by its path, and pass klog's flags.
func TestArgumentsOfOldManifestsAreTaken(t *testing.T) {
	for _, args := range [][]string{
		{"/nginx-ingress-controller", "--version"},
		{"controller", "--v=2", "--logtostderr=true", "--version"},
		{"controller", "-v", "5", "--alsologtostderr", "--version"},
	} {
		root := rootCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs(append(args, "--nginx-binary=/bin/true"))
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Release:") {
			t.Errorf("%v: %v\n%s", args, err, &out)
		}
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Setenv("POD_NAME", "sluice-0")
	t.Setenv("POD_NAMESPACE", "ingress")
	for want, args := range map[string][]string{
		"exclude each other":               {"--watch-namespace=a", "--watch-namespace-selector=b=c"},
		"--publish-status-address exclude": {"--publish-service=a/b", "--publish-status-address=192.0.2.1"},
		"less than 5":                      {"--status-update-interval=4"},
		"begin with a slash":               {"--health-check-path=healthz"},
		"not negative":                     {"--shutdown-grace-period=-1"},
		"--publish-service: \"a\" is not":  {"--publish-service=a"},
		"--watch-namespace-selector: ":     {"--watch-namespace-selector=a b"},
	} {
		cmd := controllerCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append(args, "--healthz-port=0", "--kubeconfig=testdata/kubeconfig", "--profiling=false"))
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gives %v, not %q", args, err, want)
		}
	}
	t.Setenv("POD_NAME", "")
	cmd := controllerCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--kubeconfig=testdata/kubeconfig"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "POD_NAME") {
		t.Errorf("without POD_NAME: %v", err)
	}
}

// TestFlagsAreDocumented keeps docs/flags.md in step with the flags.
func TestFlagsAreDocumented(t *testing.T) {
	const file = "../../docs/flags.md"
	want := flagsPage()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil { //nolint:gosec // it is for everyone
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(got), "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("docs/flags.md is stale; go test ./cmd/sluice -update writes it (-is +should be):\n%s", diff)
	}
}

func flagsPage() string {
	var ours, same, without strings.Builder
	known := theirFlags()
	var logging flag.FlagSet
	klog.InitFlags(&logging)
	controllerCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || logging.Lookup(f.Name) != nil && f.Name != "v" {
			return
		}
		value, isTheirs := known[f.Name]
		def := code(f.DefValue)
		if isTheirs && value != f.DefValue {
			def += " (there " + code(value) + ")"
		}
		if why, is := strings.CutPrefix(f.Usage, "no effect: "); is {
			fmt.Fprintf(&without, "| `--%s` | %s |\n", f.Name, why)
			return
		}
		list := &ours
		if isTheirs {
			list = &same
		}
		fmt.Fprintf(list, "| `--%s` | %s | %s |\n", f.Name, def, strings.ReplaceAll(f.Usage, "|", `\|`))
	})
	var dataplane strings.Builder
	dataplaneCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && (logging.Lookup(f.Name) == nil || f.Name == "v") {
			fmt.Fprintf(&dataplane, "| `--%s` | %s | %s |\n", f.Name, code(f.DefValue), f.Usage)
		}
	})
	return flagsIntro + "\n## Flags of ingress-nginx\n\n| Flag | Default | Meaning |\n|---|---|---|\n" + same.String() +
		"\n## Flags of ingress-nginx without effect\n\nThey are read, so that no argument list has to be edited. One that is given another value than its default is\n" +
		"named in the log when the controller starts.\n\n| Flag | Why |\n|---|---|\n" + without.String() +
		"\n## Flags of Sluice alone\n\n| Flag | Default | Meaning |\n|---|---|---|\n" + ours.String() +
		"\n## Flags of sluice dataplane\n\nIt runs NGINX for a controller with `--dataplane-socket`, which is to be given the same values.\n\n" +
		"| Flag | Default | Meaning |\n|---|---|---|\n" + dataplane.String()
}

func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

const flagsIntro = `# Flags of the controller

<!-- Written by go test ./cmd/sluice -update; do not edit. -->

These are the flags of ` + "`sluice controller`" + `. All 72 of ingress-nginx 1.15.1 exist. ` + "`/nginx-ingress-controller`" + ` as the first argument means
the same as ` + "`controller`" + `, and klog's flags are accepted. In a cluster, ` + "`POD_NAMESPACE`" + ` and ` + "`POD_NAME`" + ` must be in the environment;
` + "`NGINX_BINARY`" + ` may be.

Unlike there, a Service, Secret, ConfigMap or namespace that a flag names need not exist when the controller starts: it is
reported, and used as soon as it is there.
`
