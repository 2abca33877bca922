package annotations

import "github.com/sluice-ingress/sluice/nginx"

var (
	allowlist = CIDRs("allowlist-source-range").Alias("whitelist-source-range").GlobalAs("whitelist-source-range").Bad(Deny).Example("10.0.0.0/8,192.0.2.7").
			Doc("Only clients with these addresses are served; others get 403.")
	denylist = CIDRs("denylist-source-range").Global().Bad(Deny).Example("198.51.100.0/24").
			Doc("Clients with these addresses get 403. Looked at before the allow list.")
)

var ipLists = Feature{
	Name:     "Allow and deny lists",
	Settings: Settings{allowlist, denylist},
	Guards:   true,
	Location: func(v Values, l *nginx.Location) error {
		for _, p := range denylist.In(v) {
			l.Body.Add("deny", network(p))
		}
		allowed := allowlist.In(v)
		for _, p := range allowed {
			l.Body.Add("allow", network(p))
		}
		if len(allowed) > 0 {
			l.Body.Add("deny", nginx.Verbatim("all"))
		}
		return nil
	},
}
