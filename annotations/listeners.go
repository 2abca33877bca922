package annotations

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	bindAddress = addressesOf("bind-address", nil).Example("192.0.2.10,2001:db8::10").
			Doc("Addresses on which clients are waited for; without any, all.")
	bindIPv4 = addressesOf("bind-address-ipv4", netip.Addr.Is4).Example("192.0.2.10").
			Doc("More of them, IPv4 only.")
	bindIPv6 = addressesOf("bind-address-ipv6", netip.Addr.Is6).Example("2001:db8::10").
			Doc("More of them, IPv6 only.")
	disableIPv6 = Bool("disable-ipv6", false).ConfigOnly().Example("true").
			Doc("Whether no client is waited for over IPv6.")
)

var listeners = Feature{
	Name:     "Listeners",
	Settings: Settings{bindAddress, bindIPv4, bindIPv6, disableIPv6},
	HTTP: func(v Values, h *nginx.HTTP) error {
		all := slices.Concat(bindAddress.In(v), bindIPv4.In(v), bindIPv6.In(v))
		slices.SortFunc(all, netip.Addr.Compare)
		h.Listening = nginx.Listening{Addresses: slices.Compact(all), NoIPv6: disableIPv6.In(v)}
		return nil
	},
}

// addressesOf is a list of addresses, as far as they fit.
func addressesOf(key string, fits func(netip.Addr) bool) *Setting[[]netip.Addr] {
	parse := func(s string) ([]netip.Addr, error) {
		var list []netip.Addr
		for _, item := range strings.Split(s, ",") {
			item = strings.Trim(strings.TrimSpace(item), "[]")
			a, err := netip.ParseAddr(item)
			a = a.Unmap()
			if err != nil || a.Zone() != "" || a.IsMulticast() || fits != nil && !fits(a) {
				return nil, fmt.Errorf("has the item %s, which is not an address that could be listened on", printable(item))
			}
			list = append(list, a)
		}
		slices.SortFunc(list, netip.Addr.Compare)
		return slices.Compact(list), nil
	}
	show := func(list []netip.Addr) string {
		texts := make([]string, len(list))
		for i, a := range list {
			texts[i] = a.String()
		}
		return strings.Join(texts, ",")
	}
	edges := slices.DeleteFunc([]string{"127.0.0.1", "0.0.0.0", "::1", "::", "127.0.0.2,127.0.0.1,127.0.0.1", "0.0.0.0,::"}, func(s string) bool {
		_, err := parse(s)
		return err != nil
	})
	return New(key, Kind[[]netip.Addr]{"a list of addresses", parse, show, edges}, nil).Items().ConfigOnly()
}

// Reachable leaves out addresses that are none of the machine's own: NGINX would refuse all of the configuration. If none is
// left, all addresses are listened on. Own is nothing if nobody knows.
func Reachable(l *nginx.Listening, own []netip.Addr) []Finding {
	if len(own) == 0 {
		return nil
	}
	var findings []Finding
	here := slices.DeleteFunc(slices.Clone(l.Addresses), func(a netip.Addr) bool {
		return !a.IsUnspecified() && !a.IsLoopback() && !slices.Contains(own, a)
	})
	for _, a := range l.Addresses {
		if !slices.Contains(here, a) {
			findings = append(findings, Finding{
				Key: bindAddress.key, Reason: InvalidValue, Message: fmt.Sprintf("%s is no address of this machine's; %s", a, insteadOf(len(here))),
			})
		}
	}
	l.Addresses = here
	return findings
}

func insteadOf(left int) string {
	if left == 0 {
		return "as no other is left, all addresses are listened on"
	}
	return "it is left out"
}
