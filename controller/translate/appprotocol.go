package translate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

// appProtocols are the values of a Service port's appProtocol that say how to speak to it: those with a prefix are defined by
// Kubernetes (KEP-3726), the others by IANA or by custom. NGINX speaks HTTP/2 to backends by its module for gRPC only, which
// passes any request on.
var appProtocols = map[string]nginx.Protocol{
	"":                  nginx.HTTP1,
	"http":              nginx.HTTP1,
	"https":             nginx.HTTPS,
	"grpc":              nginx.GRPC,
	"grpcs":             nginx.GRPCS,
	"kubernetes.io/h2c": nginx.GRPC,
	"kubernetes.io/ws":  nginx.HTTP1,
	"kubernetes.io/wss": nginx.HTTPS,
}

// spoken is what a Service says of a port, if an Ingress does not say it itself.
type spoken struct {
	protocol nginx.Protocol
	unknown  string // what it says without being understood
}

func spokenAt(p *corev1.ServicePort) spoken {
	if p == nil || p.AppProtocol == nil {
		return spoken{}
	}
	protocol, known := appProtocols[*p.AppProtocol]
	if !known {
		return spoken{unknown: *p.AppProtocol}
	}
	return spoken{protocol: protocol}
}

// reportUnknownProtocol tells an Ingress that what a Service says of the port it refers to means nothing.
func (t *translator) reportUnknownProtocol(b *backend, i *ingress, field string) {
	if b.spoken.unknown == "" {
		return
	}
	t.problem(Problem{
		Object: i.object(), Field: field + ".service.port", Severity: cluster.Info, Reason: UnknownAppProtocol,
		Message: fmt.Sprintf("port %s of Service %s has appProtocol %.80q, which means nothing here; HTTP/1.1 is spoken unless backend-protocol says otherwise",
			b.text(), b.service, b.spoken.unknown),
	})
}
