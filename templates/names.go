package templates

import (
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
)

// named are the variables that an identity becomes, besides $path_type, and what they say.
var named = []struct {
	variable string
	text     func(nginx.Identity) string
}{
	{"namespace", func(id nginx.Identity) string { return id.Namespace }},
	{"ingress_name", func(id nginx.Identity) string { return id.Ingress }},
	{"service_name", func(id nginx.Identity) string { return id.Service }},
	{"service_port", func(id nginx.Identity) string { return id.Port }},
	{"location_path", func(id nginx.Identity) string { return id.Path }},
}

// names set the variables of a location's identity that it asks for itself, or all do. To read one off the place takes longer
// than to set it, and to set what nobody asks for is for nothing.
func (r *renderer) names(l *nginx.Location) nginx.Directives {
	var list nginx.Directives
	for _, n := range named {
		if slices.Contains(r.asked, n.variable) || asks(l, n.variable) {
			list.Add("set", nginx.Var(n.variable), nginx.Text(n.text(l.Identity)))
		}
	}
	return list
}

// asked are the variables of identities that every request asks for.
func asked(http nginx.HTTP) []string {
	var list []string
	for _, n := range named {
		if !http.AccessLog.Off && http.AccessLog.Format.Uses(n.variable) || headersAsk(http.Headers, n.variable) {
			list = append(list, n.variable)
		}
	}
	return list
}

func asks(l *nginx.Location, variable string) bool {
	return l.Preflight.Use(variable) || l.Early.Use(variable) || l.Body.Use(variable) || l.Needs.Use(variable) || headersAsk(l.Headers, variable)
}

func headersAsk(list []nginx.Header, variable string) bool {
	return slices.ContainsFunc(list, func(h nginx.Header) bool { return h.Value.Uses(variable) })
}
