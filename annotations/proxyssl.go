package annotations

import "github.com/sluice-ingress/sluice/nginx"

var (
	proxySSLSecret = SecretRef("proxy-ssl-secret").Bad(Refuse).Example("shop/backend-tls").
			Doc("Secret with the authorities (ca.crt) that backends are verified by, and the certificate and key (tls.crt, tls.key) that are shown to them. Without it the other proxy-ssl annotations do nothing.")
	proxySSLCiphers = Ciphers("proxy-ssl-ciphers", "DEFAULT", "+:_-!").Example("HIGH:!aNULL").
			Doc("Ciphers towards the backend, up to TLS 1.2, as OpenSSL writes them. Needs a ca.crt.")
	proxySSLProtocols = Choices("proxy-ssl-protocols", []string{"TLSv1.2"}, "TLSv1.2", "TLSv1.3").Example("TLSv1.2 TLSv1.3").
				Doc("Versions of TLS towards the backend. Needs a ca.crt.")
	proxySSLName = Text("proxy-ssl-name", "a text of letters, digits and characters of regular expressions", regexChars).Example("backend.example.com").
			Doc("Name that the backend's certificate has to have, and that proxy-ssl-server-name sends; left out, SERVICE.NAMESPACE.svc.")
	proxySSLVerify = Enum("proxy-ssl-verify", "off", false, "on", "off").Example("on").
			Doc("Verifies the backend's certificate. Needs a ca.crt.")
	proxySSLVerifyDepth = Int("proxy-ssl-verify-depth", 1, 0, 100).Example("2").
				Doc("How many authorities may stand between the backend's certificate and a trusted one; 0 means 1. Needs a ca.crt.")
	proxySSLServerName = Enum("proxy-ssl-server-name", "off", false, "on", "off").Example("on").
				Doc("Sends the backend the name that it is asked for (SNI).")
	proxySSLLocationOnly = Bool("proxy-ssl-location-only", false).ConfigOnly().Example("true").
				Doc("Whether proxy-ssl-secret is for the paths of its Ingress only. Otherwise the oldest of a host is also for paths of other Ingresses in its namespace that have none.")
)

// backendTLS speaks TLS to backends. As in ingress-nginx, what is said of trust counts only if there are authorities, and so
// does the certificate to show; but what is to be verified is never taken unverified.
var backendTLS = Feature{
	Name: "TLS to the backend",
	Settings: Settings{
		proxySSLSecret, proxySSLCiphers, proxySSLProtocols, proxySSLName, proxySSLVerify, proxySSLVerifyDepth, proxySSLServerName, proxySSLLocationOnly,
	},
	Server: func(v Values, s *nginx.Server) error {
		if proxySSLSecret.In(v) == nil || proxySSLLocationOnly.In(v) || s.BackendTLS != nil {
			return nil
		}
		found, err := credentials(v, proxySSLSecret)
		if err != nil || found.Authorities == "" {
			return nil //nolint:nilerr // the location reports it
		}
		s.BackendTLS = &nginx.BackendTLS{Namespace: v.Namespace, Settings: backendTLSSettings(v, found)}
		return nil
	},
	Location: func(v Values, l *nginx.Location) error {
		if proxySSLSecret.In(v) == nil {
			if host := l.Server; host != nil && host.BackendTLS != nil && host.BackendTLS.Namespace == v.Namespace && l.Protocol.IsTLS() {
				l.SpeakTLS(host.BackendTLS.Settings)
			}
			if proxySSLVerify.In(v) == "on" {
				return Mistake(proxySSLVerify, Conflict, "without proxy-ssl-secret there is nothing to verify the backend by; it is not verified")
			}
			return nil
		}
		found, err := credentials(v, proxySSLSecret)
		if err != nil {
			return err
		}
		if found.Authorities == "" && proxySSLVerify.In(v) == "on" {
			return Denial(proxySSLSecret, InvalidCertificate, "Secret %s has no ca.crt to verify the backend by", proxySSLSecret.In(v))
		}
		if l.Protocol.IsTLS() {
			l.SpeakTLS(backendTLSSettings(v, found))
		}
		if found.Authorities == "" {
			return Mistake(proxySSLSecret, InvalidCertificate, "Secret %s has no ca.crt; without it no certificate is shown, and ciphers and protocols do nothing", proxySSLSecret.In(v))
		}
		return nil
	},
}

func backendTLSSettings(v Values, c *Credentials) nginx.Directives {
	var list nginx.Directives
	if c.Authorities != "" {
		if c.Pair != nil {
			list = append(list, nginx.WithFile("ssl_certificate", nginx.NewSecret(c.Pair.Chain)), nginx.WithFile("ssl_certificate_key", c.Pair.Key))
		}
		list = append(list, nginx.WithFile("ssl_trusted_certificate", nginx.NewSecret(c.Authorities)))
		list.Add("ssl_ciphers", nginx.Verbatim(proxySSLCiphers.In(v)))
		list.Add("ssl_protocols", nginx.Words(proxySSLProtocols.In(v)...)...)
		list.Add("ssl_verify", nginx.Verbatim(proxySSLVerify.In(v)))
		list.Add("ssl_verify_depth", nginx.Int(max(proxySSLVerifyDepth.In(v), 1)))
	}
	name := nginx.Concat(nginx.Var("service_name"), nginx.Text("."), nginx.Var("namespace"), nginx.Text(".svc"))
	if text := proxySSLName.In(v); text != "" {
		name = nginx.Text(text)
	}
	list.Add("ssl_name", name)
	list.Add("ssl_server_name", nginx.Verbatim(proxySSLServerName.In(v)))
	return list
}
