package main

import (
	"log/slog"
	"time"

	"github.com/spf13/pflag"
)

// inertFlags are the flags of ingress-nginx that have no effect here. They are read as there, so that no argument
// list has to be edited; one that is given is named in the log, with the reason.
type inertFlags struct{}

// Reasons why flags have no effect.
const (
	noLocalPort   = "there are no local ports for status and configuration; Unix sockets take their place"
	noProxyPort   = "TLS that is not passed through reaches the servers over a Unix socket"
	noFullTest    = "the admission webhook looks at an Ingress and those it has to do with, never at all of them"
	noSparse      = "histograms have the buckets of --time-buckets, --length-buckets and --size-buckets; there are no native ones"
	alwaysChecked = "values are always parsed and quoted; nothing can be switched off"
)

// inert are these flags, with the defaults they have in ingress-nginx 1.15.1.
var inert = []struct {
	name  string
	value any
	why   string
}{
	{"bucket-factor", 0.0, noSparse},
	{"deep-inspect", true, alwaysChecked},
	{"default-server-port", 8181, noLocalPort},
	{"disable-full-test", false, noFullTest},
	{"dynamic-configuration-retries", 15, "updates of NGINX are repeated until they succeed"},
	{"enable-annotation-validation", true, alwaysChecked},
	{"enable-ssl-chain-completion", false, "it would fetch addresses that certificates of tenants name; put the whole chain into the Secret"},
	{"health-check-timeout", 10, "health checks look at the controller's own state, and wait for nothing"},
	{"internal-logger-address", "127.0.0.1:11514", "there is no chroot image; NGINX logs to files or standard output"},
	{"max-buckets", uint32(100), noSparse},
	{"monitor-max-batch-size", 10000, "requests are added up in NGINX, and not sent one by one"},
	{"ssl-passthrough-proxy-port", 442, noProxyPort},
	{"status-port", 10246, noLocalPort},
	{"sync-period", time.Duration(0), "watches miss nothing, so nothing is listed again"},
}

func (inertFlags) register(flags *pflag.FlagSet) {
	for _, f := range inert {
		usage := "no effect: " + f.why
		switch value := f.value.(type) {
		case bool:
			flags.Bool(f.name, value, usage)
		case int:
			flags.Int(f.name, value, usage)
		case uint32:
			flags.Uint32(f.name, value, usage)
		case float64:
			flags.Float64(f.name, value, usage)
		case string:
			flags.String(f.name, value, usage)
		case time.Duration:
			flags.Duration(f.name, value, usage)
		}
	}
}

// report names the flags that were given another value than ingress-nginx's default. Values stay out of the log: nobody
// has looked at them.
func (inertFlags) report(flags *pflag.FlagSet, log *slog.Logger) {
	for _, f := range inert {
		if given := flags.Lookup(f.name); given.Changed && given.Value.String() != given.DefValue {
			log.Warn("this flag has no effect", "flag", "--"+f.name, "reason", f.why)
		}
	}
}
