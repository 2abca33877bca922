package annotations

import "github.com/sluice-ingress/sluice/nginx"

// BackendHeaders are the headers that every backend gets, in ingress-nginx's order. A client's header of
// the same name is replaced; an empty value removes it. The variables are defined in templates/http.tmpl.
func BackendHeaders() []nginx.Header {
	return []nginx.Header{
		{Name: "Host", Value: nginx.Var("best_http_host")},
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
	}
}
