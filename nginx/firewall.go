package nginx

import "slices"

// FirewallModule is the file of the dynamic module that speaks to ModSecurity.
const FirewallModule = "ngx_http_modsecurity_module.so"

// HasFirewall tells whether FirewallModule is needed.
func (c *Config) HasFirewall() bool {
	isFirewall := func(list Directives) bool {
		return list.Say("modsecurity") || list.Say("modsecurity_rules") || list.Say("modsecurity_rules_file")
	}
	return isFirewall(c.HTTP.Directives) || isFirewall(c.HTTP.More) || isFirewall(c.HTTP.EveryServer) ||
		slices.ContainsFunc(c.Servers, func(s *Server) bool {
			return isFirewall(s.Directives) || slices.ContainsFunc(s.Locations, func(l *Location) bool { return isFirewall(l.Body) || isFirewall(l.Early) }) ||
				slices.ContainsFunc(s.Shapes, func(shape *Shape) bool { return isFirewall(shape.Body) || isFirewall(shape.Early) })
		})
}
