package annotations

import "github.com/sluice-ingress/sluice/nginx"

var protocol = Enum("backend-protocol", "HTTP", true, "HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI").Example("GRPC").
	Doc("What is spoken to the backend. HTTPS and GRPCS send no server name and verify no certificate unless told to. AUTO_HTTP uses the scheme of the client's request.")

var protocols = map[string]nginx.Protocol{
	"HTTP": nginx.HTTP1, "HTTPS": nginx.HTTPS, "AUTO_HTTP": nginx.AutoHTTP, "GRPC": nginx.GRPC, "GRPCS": nginx.GRPCS,
}

var backendProtocol = Feature{
	Name:     "Backend protocol",
	Settings: Settings{protocol},
	Location: func(v Values, l *nginx.Location) error {
		p, ok := protocols[protocol.In(v)]
		l.Protocol = p
		if !ok {
			return Denial(protocol, Unsupported, "%s is not supported yet", protocol.In(v))
		}
		return nil
	},
}
