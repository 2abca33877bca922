package annotations

import (
	"errors"
	"regexp"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	authTLSSecret = SecretRef("auth-tls-secret").Bad(Refuse).Example("shop/client-ca").
			Doc("Secret with the authorities (ca.crt) that certificates of clients are verified by, and their revocations (ca.crl). It holds for the whole host; the oldest Ingress that has it decides.")
	authTLSVerify = Enum("auth-tls-verify-client", "on", false, "on", "off", "optional", "optional_no_ca").Example("optional").
			Doc("Whether clients must show a certificate (on), may (optional), may show any (optional_no_ca) or are not asked (off).")
	authTLSDepth = Int("auth-tls-verify-depth", 1, 0, 100).Example("2").
			Doc("How many authorities may stand between a client's certificate and a trusted one; 0 means 1.")
	authTLSErrorPage = New("auth-tls-error-page", errorPageKind, "").Bad(Refuse).Example("https://example.com/no-certificate").
				Doc("Where clients without a good certificate are sent, in place of 400: a URL, or a path of the host, which is then served to them.")
	authTLSPass = Bool("auth-tls-pass-certificate-to-upstream", false).Bad(Refuse).Example("true").
			Doc("Sends the client's certificate to the backend as ssl-client-cert, URL-encoded PEM.")
	authTLSMatchCN = New("auth-tls-match-cn", matchCNKind, "").Bad(Refuse).Example("CN=(alice|bob)").
			Doc("CN= and a regular expression for the whole common name of the client's certificate, or, with a comma in it, for the subject from there on. Others get 403, and so do requests in the clear.")
)

var matchCNKind = Kind[string]{
	Name: "CN= with a regular expression",
	Parse: func(s string) (string, error) {
		rest, is := strings.CutPrefix(s, "CN=")
		if !is || rest == "" {
			return "", errors.New("does not start with CN= and a regular expression")
		}
		if len(s) > maxText {
			return "", notA("short enough")
		}
		if _, err := nginx.ParseRegex(rest); err != nil {
			return "", err
		}
		return s, nil
	},
	Print: keep,
	Edges: []string{"CN=a", `CN=(a|b)\.example\.com`, "CN=a b,O=c", `CN=$";{}`, "CN=" + strings.Repeat("a", maxText-3), "CN=" + strings.Repeat(`\.`, maxText/2-2)},
}

func wholeCN(pattern string) string { return "^(?:" + pattern + ")$" }

// errorPage is what ingress-nginx takes, less names of locations: nobody has locations of their own here.
var errorPage = regexp.MustCompile(`^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?((/[A-Za-z0-9._~-]+)*/?)$`)

var errorPageKind = Kind[string]{
	Name: "a URL or a path",
	Parse: func(s string) (string, error) {
		if s == "" || len(s) > maxText || !errorPage.MatchString(s) {
			return "", notA("a URL or a path of simple parts")
		}
		return s, nil
	},
	Print: keep,
	Edges: []string{"/", "/a/b", "http://a", "https://a.example.com:8443/a-b/c_d/", "/" + strings.Repeat("a", maxText-1)},
}

// clientCertificates asks clients for certificates. NGINX does so in the handshake, by the name that the client asks for
// there; whoever then asks for another host that needs a certificate is answered 421.
var clientCertificates = Feature{
	Name:     "Client certificates",
	Settings: Settings{authTLSSecret, authTLSVerify, authTLSDepth, authTLSErrorPage, authTLSPass, authTLSMatchCN},
	Server: func(v Values, s *nginx.Server) error {
		if authTLSSecret.In(v) == nil {
			return nil
		}
		auth, settings, err := clientAuth(v, s.IsDefault())
		switch {
		case s.ClientAuth == nil:
			s.ClientAuth = auth
			s.Directives = append(s.Directives, settings...)
			return everybodyOut(err, s.IsDefault())
		case err != nil:
			return err
		case sameText(s.Directives, settings):
			return nil
		}
		if authTLSVerify.In(v) == "on" || authTLSMatchCN.In(v) != "" {
			return Denial(authTLSSecret, Conflict, "an older Ingress of the host asks for certificates in another way, which decides")
		}
		return Mistake(authTLSSecret, Conflict, "an older Ingress of the host asks for certificates in another way; that one decides")
	},
	Location: func(v Values, l *nginx.Location) error {
		if l.Server == nil || l.Server.ClientAuth == nil {
			return lonely(v)
		}
		auth := l.Server.ClientAuth
		l.Headers = append(l.Headers, auth.Headers...)
		l.Body = append(l.Body, auth.Checks...)
		l.Denied = l.Denied || auth.Unusable
		return nil
	},
}

// lonely reports annotations that mean nothing without auth-tls-secret.
func lonely(v Values) error {
	for _, s := range (Settings{authTLSVerify, authTLSDepth, authTLSErrorPage, authTLSPass, authTLSMatchCN}) {
		key := s.about().key
		if _, given := v.own[key]; !given || authTLSSecret.In(v) != nil {
			continue
		}
		if key == authTLSMatchCN.key || key == authTLSVerify.key && authTLSVerify.In(v) == "on" {
			return Denial(s, Conflict, "without auth-tls-secret there is nothing to check certificates of clients with")
		}
		return Mistake(s, Conflict, "without auth-tls-secret it does nothing")
	}
	return nil
}

// sameText tells whether the host's directives are those that an Ingress asks for.
func sameText(has, wants nginx.Directives) bool {
	groups := has.Groups()
	for name, text := range wants.Groups() {
		if groups[name] != text {
			return false
		}
	}
	return true
}

// clientAuth says how a host asks for certificates. With an error, what it says keeps everybody out.
func clientAuth(v Values, isDefault bool) (*nginx.ClientAuth, nginx.Directives, error) {
	var list nginx.Directives
	found, err := credentials(v, authTLSSecret)
	if err == nil && found.Authorities == "" {
		err = lacks(authTLSSecret, v, "ca.crt")
	}
	if err != nil {
		if !isDefault { // where probes of load balancers are answered
			list.Add("return", nginx.Int(403))
		}
		return &nginx.ClientAuth{Unusable: true}, list, err
	}
	verify := authTLSVerify.In(v)
	auth := &nginx.ClientAuth{Headers: []nginx.Header{
		{Name: "ssl-client-verify", Value: nginx.Var("ssl_client_verify")},
		{Name: "ssl-client-subject-dn", Value: nginx.Var("ssl_client_s_dn")},
		{Name: "ssl-client-issuer-dn", Value: nginx.Var("ssl_client_i_dn")},
	}}
	if authTLSPass.In(v) {
		auth.Headers = append(auth.Headers, nginx.Header{Name: "ssl-client-cert", Value: nginx.Var("ssl_client_escaped_cert")})
	}
	list = append(list, nginx.WithFile("ssl_client_certificate", nginx.NewSecret(found.Authorities)))
	if found.Revoked != "" {
		list = append(list, nginx.WithFile("ssl_crl", nginx.NewSecret(found.Revoked)))
	}
	if !isDefault && verify != "off" {
		// NGINX does not look at the names if the client has asked for none in the handshake.
		list = append(list, nginx.Directive{
			Name: "if", Args: []nginx.Arg{nginx.Verbatim("("), nginx.Var("is_misdirected"), nginx.Verbatim(")")},
			Block: []nginx.Directive{nginx.D("return", nginx.Int(421))},
		})
	}
	list.Add("ssl_verify_client", nginx.Verbatim(verify))
	list.Add("ssl_verify_depth", nginx.Int(max(authTLSDepth.In(v), 1)))
	if page := authTLSErrorPage.In(v); page != "" {
		list.Add("error_page", nginx.Int(495), nginx.Int(496), nginx.Verbatim("="), nginx.Text(page))
	}
	if isDefault {
		// Sessions are resumed by the rules of the default server, before NGINX looks at the name: one that was made
		// with a certificate of this host's must not be good for another.
		list.Add("ssl_session_cache", nginx.Verbatim("off"))
		list.Add("ssl_session_tickets", nginx.Verbatim("off"))
	}
	if pattern := authTLSMatchCN.In(v); pattern != "" {
		check := refuseOthers(strings.TrimPrefix(pattern, "CN="))
		if isDefault {
			auth.Checks = append(auth.Checks, check)
		} else {
			list = append(list, check)
		}
	}
	return auth, list, nil
}

// everybodyOut says what becomes of a host for which there is nothing to check certificates with.
func everybodyOut(err error, isDefault bool) error {
	var mistake Error
	if !errors.As(err, &mistake) {
		return err
	}
	mistake.Instead = "the host answers 403"
	if isDefault {
		mistake.Instead = "all hosts without rules answer 503"
	}
	return mistake
}

// refuseOthers answers 403 to clients whose common name is another. A pattern with a comma goes on behind the name; in a
// subject, commas inside a value stand behind a backslash (RFC 2253).
func refuseOthers(pattern string) nginx.Directive {
	subject, whole := "ssl_client_cn", wholeCN(pattern)
	if strings.Contains(pattern, ",") {
		subject, whole = "ssl_client_s_dn", `(?:^|(?<!\\)[,+])CN=(?:`+pattern+`)(?=[,+]|$)`
	}
	args := []nginx.Arg{nginx.Verbatim("("), nginx.Var(subject), nginx.Verbatim("!~"), nginx.Verbatim(whole), nginx.Verbatim(")")}
	return nginx.Directive{Name: "if", Args: args, Block: []nginx.Directive{nginx.D("return", nginx.Int(403), nginx.Text("client certificate unauthorized"))}}
}
