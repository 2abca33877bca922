package annotations

import "github.com/sluice-ingress/sluice/nginx"

var disableIPv6DNS = Bool("disable-ipv6-dns", false).ConfigOnly().Example("true").
	Doc("Whether names of Services of type ExternalName, and of other services to ask, are resolved to IPv4 addresses only. They are asked for IPv6 only if they have none of IPv4.")

var names = Feature{
	Name:     "Names to resolve",
	Settings: Settings{disableIPv6DNS},
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.NamesAreIPv4 = disableIPv6DNS.In(v)
		return nil
	},
}
