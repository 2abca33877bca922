package annotations

import (
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	sslRedirect = Bool("ssl-redirect", true).Global().Example("false").
			Doc("Redirects requests in the clear to https if the host has TLS.")
	forceSSLRedirect = Bool("force-ssl-redirect", false).Global().Example("true").
				Doc("Redirects requests in the clear to https, TLS or not; for when TLS ends at a proxy in front.")
	preserveTrailingSlash = Bool("preserve-trailing-slash", false).Global().Example("true").
				Doc("Keeps the slash at the end of the URI in redirects to https.")
	usePortInRedirects = Bool("use-port-in-redirects", false).Global().Example("true").
				Doc("Adds the port to redirects to https and to those that add a slash.")
	httpRedirectCode = Enum("http-redirect-code", "308", false, "301", "302", "307", "308").ConfigOnly().Example("301").
				Doc("Status of redirects to https and between a host and its www form.")
	noTLSRedirect = Words("no-tls-redirect-locations", "/.well-known/acme-challenge").ConfigOnly().Example("/.well-known,/health").
			Doc("Paths of Ingress rules that start with one of these are not redirected to https.")
)

var httpsRedirect = Feature{
	Name:     "Redirect to https",
	Settings: Settings{sslRedirect, forceSSLRedirect, preserveTrailingSlash, usePortInRedirects, httpRedirectCode, noTLSRedirect},
	HTTP: func(v Values, h *nginx.HTTP) error {
		var err error
		h.RedirectCode, err = strconv.Atoi(httpRedirectCode.In(v))
		return err
	},
	Location: func(v Values, l *nginx.Location) error {
		l.Body.Add("port_in_redirect", nginx.OnOff(usePortInRedirects.In(v)))
		if !forceSSLRedirect.In(v) && !(l.HasTLS && sslRedirect.In(v)) {
			return nil
		}
		for _, start := range noTLSRedirect.In(v) {
			if strings.HasPrefix(l.Identity.Path, start) {
				return nil
			}
		}
		l.ToHTTPS = &nginx.ToHTTPS{KeepSlash: preserveTrailingSlash.In(v), WithPort: usePortInRedirects.In(v)}
		return nil
	},
}
