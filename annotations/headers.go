package annotations

import (
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// BackendHeaders are the headers that every backend gets, in ingress-nginx's order. A client's header of
// the same name is replaced; an empty value removes it. The variables are defined in templates/http.tmpl.
func BackendHeaders() []nginx.Header {
	return slices.Concat([]nginx.Header{{Name: "Host", Value: nginx.Var("best_http_host")}}, withoutCertificate(), []nginx.Header{
		{Name: "Upgrade", Value: nginx.Var("http_upgrade")},
		{Name: "Connection", Value: nginx.Var("connection_upgrade")},
		{Name: "X-Request-ID", Value: nginx.Var("req_id")},
		{Name: "X-Real-IP", Value: nginx.Var("remote_addr")},
		{Name: "X-Forwarded-For", Value: nginx.Var("remote_addr")},
		{Name: "X-Forwarded-Host", Value: nginx.Var("best_http_host")},
		{Name: "X-Forwarded-Port", Value: nginx.Var("pass_port")},
		{Name: "X-Forwarded-Proto", Value: nginx.Var("pass_access_scheme")},
		{Name: "X-Forwarded-Scheme", Value: nginx.Var("pass_access_scheme")},
		{Name: "X-Scheme", Value: nginx.Var("pass_access_scheme")},
		{Name: "X-Original-Forwarded-For", Value: nginx.Var("http_x_forwarded_for")},
		{Name: "X-Original-Forwarded-Host", Value: nginx.Var("http_x_forwarded_host")},
		{Name: "Proxy", Value: nginx.Text("")},
	})
}

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
	return nginx.Var("upstream_http_" + strings.ToLower(strings.ReplaceAll(name, "-", "_")))
}

// ErrorHeaders are the headers that a service gets which answers in place of an error, as ingress-nginx has them: they say what
// happened and where. What else a client says of its address or scheme does not get through.
func ErrorHeaders() []nginx.Header {
	list := []nginx.Header{
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
	}
	for _, name := range []string{
		"Connection", "Upgrade", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Scheme", "Proxy",
	} {
		list = append(list, nginx.Header{Name: name})
	}
	return list
}
