package translate

import (
	"cmp"
	"crypto/x509"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/geoip"
	"github.com/sluice-ingress/sluice/persistent"
)

// Options are the controller's own settings, as flags give them.
type Options struct {
	Selection         cluster.Selection
	AnnotationsPrefix string            // "nginx.ingress.kubernetes.io" if empty
	ConfigMap         cluster.Name      // the controller's ConfigMap; zero for none
	DefaultBackend    cluster.Name      // Service for what no rule takes; zero answers 404
	DefaultSecret     cluster.Name      // TLS Secret of the default certificate; zero uses SelfSigned
	SelfSigned        nginx.Certificate // default certificate when no Secret gives one
	ReportUnclaimed   bool              // report Ingresses that no class claims

	// DisableExternalName means that backends which are names, not addresses, have no endpoints.
	DisableExternalName bool
	// Passthrough lets Ingresses have the TLS of their hosts end at pods.
	Passthrough bool
	// Zone and Node are where the controller runs, as the label topology.kubernetes.io/zone of its node and the name
	// of that node say it. Services that prefer endpoints close to their clients get those close to it; if one is
	// empty, nothing is preferred by it.
	Zone, Node string

	// NoFirewall tells that NGINX's module for ModSecurity is not installed. Paths that ask for it answer 503.
	NoFirewall bool
	// Databases are those of MaxMind that use-geoip2 is about, usable or not.
	Databases []geoip.Database

	SharedUpstreams bool // the configuration needs no upstream block of each backend

	Settings dynamic.Settings
	Memory   *Memory // makes later translations cheaper; may be nil
}

// Prefix is that of annotations, without the slash.
func (o Options) Prefix() string { return cmp.Or(o.AnnotationsPrefix, "nginx.ingress.kubernetes.io") }

// Result is what a snapshot means.
type Result struct {
	Config       nginx.Config
	State        dynamic.State
	Problems     Problems
	Good         cluster.Fallback // goes into the next snapshot
	Certificates persistent.Map[string, CertificateUse]
	Ingresses    int                               // how many are served
	Claimed      []*networkingv1.Ingress           // those that are not served, too
	Kept         []*networkingv1.Ingress           // last good versions that are served in place of present ones
	Streams      map[cluster.Name]nginx.Directives // what Ingresses add to the stream block; not to be written to
}

// CertificateUse is a certificate that a host serves.
type CertificateUse struct {
	Host   string
	Secret cluster.Name
	Leaf   *x509.Certificate // the first of the chain
}

// Translate says what a snapshot means.
func Translate(s cluster.Snapshot, o Options) Result {
	memory := o.Memory
	if memory == nil {
		memory = NewMemory()
	}
	o.AnnotationsPrefix = o.Prefix()
	w, changes := memory.remembered(s, o)
	w.follow(s, changes)
	return w.result()
}
