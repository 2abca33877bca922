package annotations

import (
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	addOriginalURI = Bool("proxy-add-original-uri-header", false).ConfigOnly().Example("true").
			Doc("Tells backends the URI that the client asked for, before any rewrite, by X-Original-URI.")
	proxySetHeaders = New("proxy-set-headers", configMapKind, ObjectName{}).ConfigOnly().Example("ingress-nginx/request-headers").
			Doc("ConfigMap, as namespace/name, whose entries are headers of all requests to backends. Values may use variables.")
)

var backendHeaders = Feature{
	Name:     "Headers of requests to backends",
	Settings: Settings{addOriginalURI, proxySetHeaders},
	HTTP: func(v Values, h *nginx.HTTP) error {
		further, err := headersOf(v, proxySetHeaders)
		h.Headers = nginx.MergeHeaders(usualHeaders(v), withoutLookalikes(v, further))
		h.ErrorHeaders = errorHeaders()
		return err
	},
}

// usualHeaders are the headers that every backend gets, in ingress-nginx's order. A client's header of the same name is replaced; an
// empty value removes it.
func usualHeaders(v Values) []nginx.Header {
	address, uri, prefix, scheme := nginx.Var("remote_addr"), nginx.Text(""), nginx.Text(""), nginx.Var("pass_access_scheme")
	if !isBehindProxy(v) {
		scheme = nginx.Var("scheme") // the same, without a map
	}
	if useForwardedHeaders.In(v) {
		prefix = nginx.Var("forwarded_prefix")
		if fullForwardedFor.In(v) {
			address = nginx.Var("full_x_forwarded_for")
		}
	}
	if addOriginalURI.In(v) {
		uri = nginx.Var("request_uri")
	}
	return slices.Concat([]nginx.Header{{Name: "Host", Value: nginx.Var("best_http_host")}}, withoutCertificate(), []nginx.Header{
		{Name: "Upgrade", Value: nginx.Var("http_upgrade")},
		{Name: "Connection", Value: nginx.Var("connection_upgrade")},
		{Name: "X-Request-ID", Value: nginx.Var("req_id")},
		{Name: "X-Real-IP", Value: nginx.Var("remote_addr")},
		{Name: "X-Forwarded-For", Value: address},
		{Name: "X-Forwarded-Host", Value: nginx.Var("best_http_host")},
		{Name: "X-Forwarded-Port", Value: nginx.Var("pass_port")},
		{Name: "X-Forwarded-Proto", Value: scheme},
		{Name: "X-Forwarded-Scheme", Value: scheme},
		{Name: "X-Scheme", Value: scheme},
		{Name: "X-Forwarded-Prefix", Value: prefix},
		{Name: "X-Original-URI", Value: uri},
		{Name: "X-Original-Forwarded-For", Value: sentHeader(forwardedForHeader.In(v))},
		{Name: "X-Original-Forwarded-Host", Value: sentHeader(forwardedHostHeader.In(v))},
		{Name: "Proxy", Value: nginx.Text("")},
	})
}

// sentHeader is the header of that name as the client has sent it.
func sentHeader(name string) nginx.Arg { return nginx.Var("http_" + variablePart(name)) }

// variablePart is the name of a header as NGINX's variables have it.
func variablePart(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "_")) }

// withoutCertificate removes what only a host with client certificates may say.
func withoutCertificate() []nginx.Header {
	var list []nginx.Header
	for _, name := range []string{"verify", "subject-dn", "issuer-dn", "cert"} {
		list = append(list, nginx.Header{Name: "ssl-client-" + name, Value: nginx.Text("")})
	}
	return list
}

// upstreamHeader is the header of that name as the backend, or whoever else is asked, has it in its answer.
func upstreamHeader(name string) nginx.Arg {
	return nginx.Var("upstream_http_" + variablePart(name))
}

// errorHeaders are the headers that a service gets which answers in place of an error, as ingress-nginx has them: they say what
// happened and where. What else a client says of itself and its request does not get through.
func errorHeaders() []nginx.Header {
	list := append(withoutCertificate(), []nginx.Header{
		{Name: "X-Code", Value: nginx.Var("error_code")},
		{Name: "X-Format", Value: nginx.Var("http_accept")},
		{Name: "X-Original-URI", Value: nginx.Var("request_uri")},
		{Name: "X-Namespace", Value: nginx.Var("namespace")},
		{Name: "X-Ingress-Name", Value: nginx.Var("ingress_name")},
		{Name: "X-Service-Name", Value: nginx.Var("service_name")},
		{Name: "X-Service-Port", Value: nginx.Var("service_port")},
		{Name: "X-Request-ID", Value: nginx.Var("req_id")},
		{Name: "X-Forwarded-For", Value: nginx.Var("remote_addr")},
		{Name: "Host", Value: nginx.Var("best_http_host")},
	}...)
	for _, name := range []string{
		"Connection", "Upgrade", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Scheme",
		"X-Forwarded-Prefix", "X-Original-Forwarded-For", "X-Original-Forwarded-Host", "Proxy",
	} {
		list = append(list, nginx.Header{Name: name})
	}
	return list
}
