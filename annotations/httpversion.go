package annotations

import "github.com/sluice-ingress/sluice/nginx"

var proxyHTTPVersion = Enum("proxy-http-version", "1.1", false, "1.0", "1.1").Global().Example("1.0").
	Doc("Version of HTTP spoken to the backend.")

var httpVersion = Feature{
	Name:     "HTTP version",
	Settings: Settings{proxyHTTPVersion},
	Location: func(v Values, l *nginx.Location) error {
		if l.Protocol.Module() == "proxy" {
			l.Body.Add("proxy_http_version", nginx.Verbatim(proxyHTTPVersion.In(v)))
		}
		return nil
	},
}

// pushPreload is asked for nowhere: NGINX has no HTTP/2 push since 1.25.1.
var pushPreload = Bool("http2-push-preload", false).Bad(Refuse).Example("true").
	Doc("Taken and without effect, as in ingress-nginx: NGINX no longer pushes. Link headers of the backend reach clients, which load what they name.")

var serverPush = Feature{Name: "HTTP/2 push", Settings: Settings{pushPreload}}
