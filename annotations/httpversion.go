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
