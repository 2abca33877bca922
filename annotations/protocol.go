package annotations

import "github.com/sluice-ingress/sluice/nginx"

var protocol = Enum("backend-protocol", "HTTP", true, "HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI").Example("GRPC").
	Doc("What is spoken to the backend. HTTPS and GRPCS send no server name and verify no certificate unless told to. AUTO_HTTP uses the scheme of the client's request. Without it the appProtocol of the Service's port counts.")

var protocols = map[string]nginx.Protocol{
	"HTTP": nginx.HTTP1, "HTTPS": nginx.HTTPS, "AUTO_HTTP": nginx.AutoHTTP, "GRPC": nginx.GRPC, "GRPCS": nginx.GRPCS, "FCGI": nginx.FCGI,
}

var backendProtocol = Feature{
	Name:     "Backend protocol",
	Settings: Settings{protocol},
	Location: func(v Values, l *nginx.Location) error {
		if protocol.Given(v) {
			l.Protocol = protocols[protocol.In(v)] // else it is what the Service says
		}
		return nil
	},
}
