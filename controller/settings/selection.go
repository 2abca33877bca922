package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/streams"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/controller/watch"
	"github.com/sluice-ingress/sluice/nginx/geoip"
)

// Selection are the flags that say which objects are ours and how they are read; all commands have
// them, with ingress-nginx's names and defaults.
type Selection struct {
	selection      cluster.Selection
	namespaces     string
	prefix         string
	noExternalName bool
	ConfigMap      string
	defaultBackend string
	defaultSecret  string
	passthrough    bool
	tcpServices    string
	udpServices    string
	editions       string
}

// Register adds the flags, with their defaults, to a set.
func (f *Selection) Register(flags *pflag.FlagSet) {
	flags.StringVar(&f.selection.ControllerClass, "controller-class", cluster.DefaultControllerClass, "spec.controller of the IngressClasses served")
	flags.StringVar(&f.selection.IngressClass, "ingress-class", cluster.DefaultIngressClass, "value of the annotation kubernetes.io/ingress.class that is served")
	flags.BoolVar(&f.selection.ByName, "ingress-class-by-name", false, "also serve the IngressClass whose name is --ingress-class")
	flags.BoolVar(&f.selection.WithoutClass, "watch-ingress-without-class", false, "also serve Ingresses without any class")
	flags.StringVar(&f.selection.WatchNamespace, "watch-namespace", "", "serve only Ingresses of this namespace")
	flags.StringVar(&f.namespaces, "watch-namespace-selector", "", "serve only Ingresses of namespaces with these labels; excludes --watch-namespace")
	flags.BoolVar(&f.selection.DisableCatchAll, "disable-catch-all", false, "do not serve Ingresses that have spec.defaultBackend, nor their rules")
	flags.BoolVar(&f.noExternalName, "disable-svc-external-name", false, "treat Services of type ExternalName as such without endpoints")
	flags.StringVar(&f.prefix, "annotations-prefix", "nginx.ingress.kubernetes.io", "prefix of the annotations that are read")
	flags.StringVar(&f.ConfigMap, "configmap", "", "ConfigMap with the settings for all hosts, as namespace/name")
	flags.StringVar(&f.defaultBackend, "default-backend-service", "", "Service for requests that no rule takes, as namespace/name; its first port is used")
	flags.StringVar(&f.defaultSecret, "default-ssl-certificate", "", "TLS Secret of the certificate for hosts without one, as namespace/name")
	flags.BoolVar(&f.passthrough, "enable-ssl-passthrough", false, "let Ingresses have the TLS of their hosts end at their pods, by the annotation ssl-passthrough")
	flags.StringVar(&f.tcpServices, "tcp-services-configmap", "", "ConfigMap of TCP services, as namespace/name: ports, each with namespace/service:port")
	flags.StringVar(&f.udpServices, "udp-services-configmap", "", "the same for UDP services")
	flags.StringVar(&f.editions, "maxmind-edition-ids", "GeoLite2-City,GeoLite2-ASN", "databases of MaxMind that use-geoip2 is about, separated by commas; their files are in "+geoip.Directory)
}

// ControllerClass is spec.controller of the IngressClasses served.
func (f *Selection) ControllerClass() string { return f.selection.ControllerClass }

// Streams makes the options for TCP and UDP services. The ports are those that we listen on.
func (f *Selection) Streams(reserved map[int]string) (streams.Options, error) {
	o := streams.Options{Reserved: reserved}
	var err, other error
	o.TCP, err = ParseName("tcp-services-configmap", f.tcpServices)
	o.UDP, other = ParseName("udp-services-configmap", f.udpServices)
	return o, errors.Join(err, other)
}

// Options makes the options for translating. Manifests have no API server that completed them, and whoever wrote them
// wants to know which of them are not for us. Databases are taken to be there: only where NGINX runs can one look.
func (f *Selection) Options(manifests bool) (translate.Options, error) {
	o := translate.Options{Selection: f.selection, AnnotationsPrefix: f.prefix, ReportUnclaimed: manifests, Memory: translate.NewMemory()}
	o.DisableExternalName, o.Passthrough = f.noExternalName, f.passthrough
	o.Selection.ClassesOptional = manifests
	var err error
	if o.Databases, err = geoip.Wanted(f.editions, geoip.Directory); err != nil {
		return o, fmt.Errorf("--maxmind-edition-ids: %w", err)
	}
	if f.namespaces != "" {
		selector, err := labels.Parse(f.namespaces)
		if err != nil {
			return o, fmt.Errorf("--watch-namespace-selector: %w", err)
		}
		if o.Selection.Namespaces = selector; f.selection.WatchNamespace != "" {
			return o, errors.New("--watch-namespace and --watch-namespace-selector exclude each other")
		}
	}
	for _, f := range []struct {
		flag, value string
		target      *cluster.Name
	}{
		{"configmap", f.ConfigMap, &o.ConfigMap},
		{"default-backend-service", f.defaultBackend, &o.DefaultBackend},
		{"default-ssl-certificate", f.defaultSecret, &o.DefaultSecret},
	} {
		name, err := ParseName(f.flag, f.value)
		if err != nil {
			return o, err
		}
		*f.target = name
	}
	return o, nil
}

// WatchOptions are what a source has to follow for plans under these options.
func WatchOptions(o translate.Options, services streams.Options) watch.Options {
	watched := watch.Options{Selection: o.Selection, AnnotationsPrefix: o.Prefix(), ConfigMap: o.ConfigMap}
	if o.DefaultBackend != (cluster.Name{}) {
		watched.Services = append(watched.Services, o.DefaultBackend)
	}
	if o.DefaultSecret != (cluster.Name{}) {
		watched.Secrets = []cluster.Name{o.DefaultSecret}
	}
	for _, name := range []cluster.Name{services.TCP, services.UDP} {
		if name != (cluster.Name{}) {
			watched.StreamConfigMaps = append(watched.StreamConfigMaps, name)
		}
	}
	return watched
}

// ParseName reads a flag's namespace/name; empty text is no name.
func ParseName(flag, s string) (cluster.Name, error) {
	if s == "" {
		return cluster.Name{}, nil
	}
	namespace, name, ok := strings.Cut(s, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return cluster.Name{}, fmt.Errorf("--%s: %q is not of the form namespace/name", flag, s)
	}
	return cluster.Name{Namespace: namespace, Name: name}, nil
}
