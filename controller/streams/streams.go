package streams

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Options are what flags say of streams.
type Options struct {
	TCP, UDP cluster.Name // ConfigMaps of services; zero for none
	// Reserved are ports that we listen on ourselves, and for what.
	Reserved map[int]string
}

// Result is what streams come to.
type Result struct {
	Streams  nginx.Streams
	Backends map[string]dynamic.Backend // by name; none is called like one of HTTP
	Problems translate.Problems
}

// reader reads what there is.
type reader struct {
	options  Options
	snapshot cluster.Snapshot
	find     translate.Options
	Result
}

// Translate says what the ConfigMaps mean, the hosts whose TLS is passed through, of which the backends of HTTP have the endpoints, and
// snippets. How endpoints are found is as for HTTP.
func Translate(s cluster.Snapshot, o Options, find translate.Options, http translate.Result) Result {
	r := reader{o, s, find, Result{Backends: map[string]dynamic.Backend{}}}
	r.services(o.TCP, corev1.ProtocolTCP)
	r.services(o.UDP, corev1.ProtocolUDP)
	r.snippets(http)
	for _, server := range http.Config.Servers {
		if server.Passthrough != "" {
			name := "tls/" + server.Passthrough
			r.Streams.Passthrough = append(r.Streams.Passthrough, nginx.Passthrough{Host: server.Name, Backend: name})
			r.Backends[name] = dynamic.Backend{Endpoints: http.State.Backends.At(server.Passthrough).Endpoints}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Backends)) {
		b := nginx.StreamBackend{Name: name}
		for _, e := range r.Backends[name].Endpoints {
			b.Endpoints = append(b.Endpoints, net.JoinHostPort(e.Address, strconv.Itoa(e.Port)))
		}
		r.Streams.Backends = append(r.Streams.Backends, b)
	}
	return r.Result
}

func (r *reader) problem(name cluster.Name, key string, severity cluster.Severity, reason translate.Reason, message string) {
	p := translate.Problem{Object: translate.Object{Kind: "ConfigMap", Namespace: name.Namespace, Name: name.Name}, Severity: severity, Reason: reason, Message: message}
	if key != "" {
		p.Field = "data." + key
	}
	r.report(p)
}

func (r *reader) report(p translate.Problem) {
	place := r.snapshot.Places[p.Object.String()]
	p.File, p.Line = place.File, place.Line
	r.Problems = append(r.Problems, p.Printable())
}

// services reads a ConfigMap of services.
func (r *reader) services(name cluster.Name, protocol corev1.Protocol) {
	if name == (cluster.Name{}) {
		return
	}
	configMap := r.snapshot.ConfigMap(name.Namespace, name.Name)
	if configMap == nil {
		r.problem(name, "", cluster.Warning, translate.MissingConfigMap, fmt.Sprintf("the ConfigMap of %s services does not exist; there are none", protocol))
		return
	}
	var listeners []*nginx.Listener
	for _, key := range slices.Sorted(maps.Keys(configMap.Data)) {
		report := func(severity cluster.Severity, reason translate.Reason, format string, args ...any) {
			r.problem(name, key, severity, reason, fmt.Sprintf(format, args...))
		}
		e, err := readEntry(key, configMap.Data[key])
		if err != nil {
			report(cluster.Error, translate.InvalidValue, "it %s; nothing listens for it", err)
			continue
		}
		if refusal, refused := r.snapshot.Quarantine.Of(cluster.Entry(configMap, key)); refused {
			until := "it changes"
			if refusal.IsOfPort() {
				until = "it can"
			}
			report(cluster.Error, translate.RefusedByNGINX, "NGINX refuses what it comes to: %.400s; nothing listens for it until %s", refusal.Message, until)
			continue
		}
		if what, taken := r.options.Reserved[e.listen]; taken {
			report(cluster.Error, translate.Conflict, "the controller itself uses the port for %s; it goes on doing so", what)
			continue
		}
		if protocol == corev1.ProtocolUDP && (e.accepts || e.sends) {
			report(cluster.Warning, translate.InvalidValue, "it asks for the PROXY protocol, which is for TCP only; it is served without")
			e.accepts, e.sends = false, false
		}
		if backend, ok := r.backend(e, protocol, report); ok {
			listeners = append(listeners, &nginx.Listener{Port: e.listen, UDP: protocol == corev1.ProtocolUDP, Backend: backend, Accepts: e.accepts, Sends: e.sends})
		}
	}
	slices.SortFunc(listeners, func(a, b *nginx.Listener) int { return cmp.Compare(a.Port, b.Port) })
	r.Streams.Listeners = append(r.Streams.Listeners, listeners...)
}

// backend finds the endpoints of an entry. Without any, NGINX listens and ends connections.
func (r *reader) backend(e entry, protocol corev1.Protocol, report func(cluster.Severity, translate.Reason, string, ...any)) (string, bool) {
	service := r.snapshot.Service(e.service.Namespace, e.service.Name)
	if service == nil {
		report(cluster.Error, translate.MissingService, "Service %s does not exist; nothing listens on the port", e.service)
		return "", false
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		report(cluster.Error, translate.BadExternalName, "Service %s has type ExternalName, which only Ingresses can use; nothing listens on the port", e.service)
		return "", false
	}
	at := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool {
		return cmp.Or(p.Protocol, corev1.ProtocolTCP) == protocol && (p.Name == e.port || strconv.Itoa(int(p.Port)) == e.port)
	})
	if at < 0 {
		report(cluster.Error, translate.MissingPort, "Service %s has no port %s for %s; nothing listens on the port", e.service, e.port, protocol)
		return "", false
	}
	name := map[corev1.Protocol]string{corev1.ProtocolTCP: "tcp/", corev1.ProtocolUDP: "udp/"}[protocol] + e.service.Namespace + "_" + e.service.Name + "_" + e.port
	if _, known := r.Backends[name]; !known {
		r.Backends[name] = dynamic.Backend{Endpoints: translate.Endpoints(r.snapshot, r.find, service, &service.Spec.Ports[at])}
	}
	if len(r.Backends[name].Endpoints) == 0 {
		report(cluster.Warning, translate.NoEndpoints, "Service %s has no ready endpoint for port %s; connections are closed", e.service, e.port)
	}
	return name, true
}
