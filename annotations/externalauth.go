package annotations

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	authURL = New("auth-url", authURLKind, "").GlobalAs("global-auth-url").Bad(Deny).Example("http://auth.shop.svc.cluster.local/check").
		Doc("Service that is asked about each request: 2xx lets it pass, 401 and 403 are the client's answer, anything else and no answer are 500. An own one takes the place of all global-auth-… keys. Its name is resolved by the workers; it must not lead to this machine or a cloud's metadata.")
	authMethod = Enum("auth-method", "", false, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE").
			GlobalAs("global-auth-method").Bad(Deny).Example("POST").
			Doc("Method of the question, GET if left out. With it the service also gets X-Original-URI and X-Scheme.")
	authSignin = New("auth-signin", signinKind, "").GlobalAs("global-auth-signin").Example("https://login.example.com/start").
			Doc("Where clients are sent in place of 401, with the URL that they asked for as a parameter.")
	authSigninParam = New("auth-signin-redirect-param", paramKind, "rd").GlobalAs("global-auth-signin-redirect-param").Example("next").
			Doc("Name of that parameter.")
	authResponseHeaders = New("auth-response-headers", headerNamesKind, nil).GlobalAs("global-auth-response-headers").Bad(Deny).Example("X-Auth-User,X-Auth-Groups").
				Doc("Headers of the service's answer that take the place of the client's. One that is not there is erased.")
	authSetHeaders = New("auth-proxy-set-headers", objectKind, "").Bad(Deny).Example("shop/auth-headers").
			Doc("ConfigMap whose entries are further headers of the question.")
	authRequestRedirect = Text("auth-request-redirect", "a URL", urlChars).GlobalAs("global-auth-request-redirect").Example("/start").
				Doc("Value of the header X-Auth-Request-Redirect of the question, in place of the URI of the request.")
	authAlwaysSetCookie = Bool("auth-always-set-cookie", false).GlobalAs("global-auth-always-set-cookie").Example("true").
				Doc("Whether cookies of the service reach the client with errors too. Otherwise they do with 2xx and 3xx.")
	globalAuth = Bool("enable-global-auth", true).Example("false").
			Doc("Whether global-auth-url is for this Ingress.")
)

var externalAuth = Feature{
	Name: "Authentication by a service",
	Settings: Settings{
		authURL, authMethod, authSignin, authSigninParam, authResponseHeaders, authSetHeaders, authRequestRedirect, authAlwaysSetCookie, globalAuth,
		authCacheKey, authCacheDuration, authKeepalive, authKeepaliveRequests, authKeepaliveTimeout, authKeepaliveShareVars, authSnippet, globalAuthSnippet,
	},
	HTTP: checkGlobalSnippet,
	Location: func(v Values, l *nginx.Location) error {
		if l.Server == nil {
			return nil // each location says it itself
		}
		if !authURL.Given(v) {
			if authURL.In(v) == "" || !globalAuth.In(v) {
				return withoutURL(v)
			}
			v.own = nil // what it says of the question counts with an own auth-url only
		} else {
			v.global = map[string]any{
				crossNamespace.key: crossNamespace.In(v), noAuthLocations.key: noAuthLocations.In(v),
				underscoresInHeaders.key: underscoresInHeaders.In(v), ignoreInvalidHeaders.key: ignoreInvalidHeaders.In(v),
			}
		}
		if needsNoAuth(v, l.Identity.Path) {
			return nil
		}
		return askService(v, l)
	},
}

// withoutURL reports annotations that mean nothing without auth-url.
func withoutURL(v Values) error {
	for _, s := range (Settings{authMethod, authSignin, authResponseHeaders, authSetHeaders, authRequestRedirect, authCacheKey, authCacheDuration, authKeepalive, authSnippet}) {
		if _, given := v.own[s.about().key]; given {
			return Mistake(s, Conflict, "without auth-url it does nothing")
		}
	}
	return nil
}

// askService makes a location ask before it passes requests on.
func askService(v Values, l *nginx.Location) error {
	url, err := parseAuthURL(authURL.In(v))
	switch {
	case err != nil:
		return err // the kind has tried the same
	case l.Server.IsDefault() && url.host.Uses("host"):
		return Denial(authURL, Conflict, "clients of hosts without rules choose $host, and so would choose whom to ask")
	}
	question, err := inquiry(v, l, url)
	if err != nil {
		return err
	}
	signin, err := signinTarget(v)
	if err != nil {
		return err
	}
	l.Body = append(l.Body, nginx.Ask(question))
	var told []nginx.Header
	for n, name := range authResponseHeaders.In(v) {
		variable := "auth_header_" + strconv.Itoa(n+1)
		l.Body.Add("auth_request_set", nginx.Var(variable), upstreamHeader(name))
		told = append(told, nginx.Header{Name: name, Value: nginx.Var(variable)})
	}
	l.Headers = append(l.Headers, withoutLookalikes(v, told)...)
	l.Body.Add("auth_request_set", nginx.Var("auth_cookie"), nginx.Var("upstream_http_set_cookie"))
	cookie := []nginx.Arg{nginx.Verbatim("Set-Cookie"), nginx.Var("auth_cookie")}
	if authAlwaysSetCookie.In(v) {
		cookie = append(cookie, nginx.Verbatim("always"))
	}
	l.Body.Add("add_header", cookie...)
	if signin.Value() != "" {
		l.Body.Add("error_page", nginx.Int(401), nginx.Verbatim("=302"), signin)
	}
	return nil
}

// inquiry is the body of the location that asks. It inherits no error_page: an error of the service is none that another may
// answer in its place (CVE-2026-24513).
func inquiry(v Values, l *nginx.Location, url serviceURL) (nginx.Directives, error) {
	headers, err := inquiryHeaders(v, l, url)
	if err != nil {
		return nil, err
	}
	var list nginx.Directives
	list.Add("set", nginx.Var("inquiry_host"), url.host)
	list.Add("set", nginx.Var("inquiry_port"), nginx.Int(url.port))
	list.Add("set", nginx.Var("inquiry_service"), nginx.Verbatim(nginx.InquiryUpstream)) // a variable in it makes proxy_pass take the URI as it stands
	list.Add("error_page", nginx.Int(599), nginx.Verbatim("/"))
	list.Add("client_max_body_size", nginx.Int(0))
	list.Add("proxy_pass", nginx.Concat(nginx.Text(url.scheme+"://"), nginx.Var("inquiry_service"), url.uri))
	if logInquiries.In(v) {
		list.Add("log_subrequest", nginx.OnOff(true))
	}
	if method := authMethod.In(v); method != "" {
		list.Add("proxy_method", nginx.Verbatim(method))
	}
	list.Add("proxy_pass_request_body", nginx.OnOff(false))
	list.Add("proxy_intercept_errors", nginx.OnOff(false))
	if url.scheme == "https" {
		list.Add("proxy_ssl_server_name", nginx.OnOff(true))
		list.Add("proxy_ssl_name", nginx.Var("inquiry_host"))
	}
	remembered, err := rememberAnswers(v, url)
	if err != nil {
		return nil, err
	}
	list = slices.Concat(list, remembered, keepConnections(v))
	if list, headers, err = withSnippet(v, list, headers); err != nil {
		return nil, err
	}
	for _, h := range headers {
		list = append(list, nginx.HTTP1.SetHeader(h))
	}
	return list, nil
}

// inquiryHeaders are what the service is told beside the client's own headers. Those by which proxies tell services of requests
// are ours or nobody's.
func inquiryHeaders(v Values, l *nginx.Location, url serviceURL) ([]nginx.Header, error) {
	none := nginx.Text("")
	origin := nginx.Concat(nginx.Var("pass_access_scheme"), nginx.Text("://"), nginx.Var("best_http_host"))
	redirect := nginx.Var("request_uri")
	if text := authRequestRedirect.In(v); text != "" {
		redirect = nginx.Text(text)
	}
	headers := slices.Concat([]nginx.Header{{Name: "Host", Value: url.host}, {Name: "Content-Length", Value: none}}, withoutCertificate(), []nginx.Header{
		{Name: "X-Request-ID", Value: nginx.Var("req_id")},
		{Name: "X-Original-URL", Value: nginx.Concat(origin, nginx.Var("request_uri"))},
		{Name: "X-Original-Method", Value: nginx.Var("request_method")},
		{Name: "X-Sent-From", Value: nginx.Text("nginx-ingress-controller")},
		{Name: "X-Real-IP", Value: nginx.Var("remote_addr")}, {Name: "X-Forwarded-For", Value: nginx.Var("remote_addr")},
		{Name: "X-Auth-Request-Redirect", Value: redirect},
	})
	for _, name := range []string{"Proto", "Host", "Port", "Scheme", "Method", "Uri", "Prefix"} {
		headers = append(headers, nginx.Header{Name: "X-Forwarded-" + name, Value: none})
	}
	for _, name := range []string{"For", "Host"} {
		headers = append(headers, nginx.Header{Name: "X-Original-Forwarded-" + name, Value: none})
	}
	uri, scheme := none, none
	if authMethod.In(v) != "" {
		uri, scheme = nginx.Var("request_uri"), nginx.Var("scheme")
	}
	headers = append(headers, nginx.Header{Name: "X-Original-URI", Value: uri}, nginx.Header{Name: "X-Scheme", Value: scheme}, nginx.Header{Name: "Proxy", Value: none})
	if l.Server.ClientAuth != nil {
		headers = nginx.MergeHeaders(headers, l.Server.ClientAuth.Headers)
	}
	further, err := furtherHeaders(v)
	return nginx.MergeHeaders(headers, withoutLookalikes(v, further)), err
}

// furtherHeaders are those of the ConfigMap.
func furtherHeaders(v Values) ([]nginx.Header, error) {
	text := authSetHeaders.In(v)
	if text == "" {
		return nil, nil
	}
	name := v.named(text)
	if err := checkNamespace(v, authSetHeaders, "ConfigMap", name); err != nil {
		return nil, err
	}
	data, err := configMap(v, authSetHeaders, name)
	if err != nil {
		return nil, err
	}
	var list []nginx.Header
	for _, header := range sortedKeys(data) {
		_, err := only(data[header], valueChars)
		if nameErr := headerName(header); nameErr != nil {
			err = nameErr
		}
		var value nginx.Arg
		if err == nil {
			value, err = expand(data[header], noCaptures)
		}
		if err != nil {
			return nil, Denial(authSetHeaders, InvalidValue, "header %s of ConfigMap %s %s", printable(header), name, err)
		}
		list = append(list, nginx.Header{Name: header, Value: value})
	}
	return list, nil
}

// signinTarget is where clients are sent that have to sign in; empty for nowhere.
func signinTarget(v Values) (nginx.Arg, error) {
	text := authSignin.In(v)
	if text == "" {
		return nginx.Arg{}, nil
	}
	param := authSigninParam.In(v)
	if _, query, _ := strings.Cut(text, "?"); hasParam(query, param) {
		return expandKnown(text, noCaptures, inURL)
	}
	separator := "?"
	if strings.Contains(text, "?") {
		separator = "&"
	}
	target, err := expandKnown(text+separator+param+"=", noCaptures, inURL)
	return nginx.Concat(target, nginx.Var("pass_access_scheme"), nginx.Text("://"), nginx.Var("best_http_host"), nginx.Var(escapedURI)), err
}

// hasParam tells whether a query has a parameter that is not empty.
func hasParam(query, name string) bool {
	return slices.ContainsFunc(strings.Split(query, "&"), func(item string) bool {
		key, value, _ := strings.Cut(item, "=")
		return key == name && value != ""
	})
}

// serviceURL is an auth-url, taken apart.
type serviceURL struct {
	scheme    string
	host, uri nginx.Arg
	port      int
}

// escapedURI is the variable that holds $request_uri with all that means something in a query escaped. Whoever asks sets it; see
// adopt in inquiry.lua.
const escapedURI = "escaped_request_uri"

// inURL tells whether a variable has nothing in it that could end the request line or the header that a URL stands in.
func inURL(name string) bool {
	return strings.HasPrefix(name, "arg_") && len(name) > len("arg_") || slices.Contains([]string{
		"args", "best_http_host", escapedURI, "host", "http_host", "https", "ingress_name", "is_args", "namespace", "pass_access_scheme", "query_string", "remote_addr",
		"request_id", "request_method", "request_uri", "scheme", "server_port", "service_name", "service_port",
	}, name)
}

// inHost tells whether a variable may stand in the name of the service: those that clients do not choose on hosts with rules.
func inHost(name string) bool {
	return slices.Contains([]string{"host", "namespace", "ingress_name", "service_name"}, name)
}

var authURLForm = regexp.MustCompile(`^(https?)://([^/?#:]+?)(?::([0-9]{1,5}))?((?:[/?]|\$request_uri).*)?$`)

func parseAuthURL(text string) (serviceURL, error) {
	parts := authURLForm.FindStringSubmatch(text)
	if parts == nil || strings.Contains(parts[2], "..") {
		return serviceURL{}, errors.New("is not a URL with http or https, a host and, if need be, a port")
	}
	url := serviceURL{scheme: parts[1], port: map[string]int{"http": 80, "https": 443}[parts[1]]}
	var err error
	if parts[3] != "" {
		if url.port, err = strconv.Atoi(parts[3]); err != nil || url.port < 1 || url.port > 65535 {
			return url, fmt.Errorf("has the port %s", parts[3])
		}
	}
	if net.ParseIP(parts[2]) == nil && strings.ContainsAny(parts[2], "~,&=") {
		return url, errors.New("has a host that is none")
	}
	if url.host, err = expandKnown(parts[2], noCaptures, inHost); err != nil {
		return url, fmt.Errorf("has a host that %w", err)
	}
	uri := parts[4]
	if !strings.HasPrefix(uri, "/") && !strings.HasPrefix(uri, "$") {
		uri = "/" + uri
	}
	url.uri, err = expandKnown(uri, noCaptures, inURL)
	return url, err
}

// authURLKind ignores blanks, as ingress-nginx does.
var authURLKind = Kind[string]{
	Name: "a URL, with variables if need be",
	Parse: func(s string) (string, error) {
		text, err := only(strings.Join(strings.Fields(s), ""), urlChars+"$")
		if err == nil {
			_, err = parseAuthURL(text)
		}
		return text, err
	},
	Print: keep,
	Edges: []string{
		"http://a", "https://$host/oauth2/auth", "http://a.b:65535/c?d=$request_uri&e=$arg_f", "http://10.0.0.1?a", "http://a/" + strings.Repeat("~", maxText-9),
	},
}

var signinForm = regexp.MustCompile(`^(https?|\$scheme|\$pass_access_scheme)://[^/?]+`)

var signinKind = Kind[string]{
	Name: "a URL, with variables if need be",
	Parse: func(s string) (string, error) {
		text, err := only(strings.Join(strings.Fields(s), ""), urlChars+"$")
		if err == nil && !signinForm.MatchString(text) {
			err = notA("a URL with http or https and a host")
		}
		if err == nil {
			_, err = expandKnown(text, noCaptures, inURL)
		}
		return text, err
	},
	Print: keep,
	Edges: []string{"http://a", "https://$host/oauth2/start?rd=$escaped_request_uri", "$scheme://$best_http_host/a?b=c"},
}

// paramKind is the name of a parameter in a query.
var paramKind = Kind[string]{
	Name: "the name of a parameter",
	Parse: func(s string) (string, error) {
		s = strings.TrimSpace(s)
		if s == "" {
			return "", notA("the name of a parameter")
		}
		if len(s) > 100 {
			return "", notA("short enough")
		}
		return only(s, urlChars)
	},
	Print: keep,
	Edges: []string{"a", strings.Repeat("-", 100)},
}

// headerNamesKind is a list of names of headers.
var headerNamesKind = Kind[[]string]{
	Name: "a list of names of headers",
	Parse: func(s string) ([]string, error) {
		var list []string
		for _, name := range strings.Split(s, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if err := headerName(name); err != nil {
				return nil, fmt.Errorf("has the name %s, which %w", printable(name), err)
			}
			if !slices.ContainsFunc(list, func(other string) bool { return strings.EqualFold(name, other) }) {
				list = append(list, name)
			}
		}
		if len(list) > 50 {
			return nil, errors.New("has more than 50 names")
		}
		return list, nil
	},
	Print: func(list []string) string { return strings.Join(list, ",") },
	Edges: []string{"a", "X-Auth-User, X_b,x-auth-user"},
}
