package translate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// pass has the TLS of a host end at the pods of the path /, if one of its Ingresses asks for that and the controller may.
func (t *translator) pass(h *host, s *nginx.Server) {
	if !s.PassesTLS {
		return
	}
	why := ""
	backend := h.rootBackend()
	switch {
	case !t.options.Passthrough:
		why = "the controller passes no TLS through without --enable-ssl-passthrough"
	case h.name == anyHost || strings.HasPrefix(h.name, "*."):
		why = "TLS is passed through only for exact hosts"
	case backend == nil:
		why = "no path / of the host leads to a Service"
	default:
		s.Passthrough = backend.name
	}
	finding := annotations.NoPassthrough(why)
	if why == "" {
		if t.http.RealIP.Header == "" {
			return
		}
		finding = annotations.ForwardedForIsIgnored()
	}
	for _, i := range h.owner {
		if annotations.AsksForPassthrough(i.values) {
			t.report(i, []annotations.Finding{finding})
		}
	}
}

// rootBackend is that of the path /, unless it is the controller's own.
func (h *host) rootBackend() *backend {
	for _, p := range h.paths {
		if p.text == "/" && p.ingress != nil && p.backend != nil && p.backend.name != nginx.DefaultBackend {
			return p.backend
		}
	}
	return nil
}

// Endpoints finds those of a port of a Service as Translate does, with the same options.
func Endpoints(s cluster.Snapshot, o Options, service *corev1.Service, port *corev1.ServicePort) []dynamic.Endpoint {
	w := &world{snapshot: s, options: o}
	return w.endpoints(service, portOf(port)).Endpoints
}
