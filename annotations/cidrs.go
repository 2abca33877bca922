package annotations

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// CIDRs is a list of addresses and networks, IPv4 or IPv6, separated by commas.
func CIDRs(key string) *Setting[[]netip.Prefix] {
	show := func(list []netip.Prefix) string {
		texts := make([]string, len(list))
		for i, p := range list {
			texts[i] = network(p).Value()
		}
		return strings.Join(texts, ",")
	}
	edges := []string{
		"0.0.0.0/0", "0.0.0.0", "255.255.255.255/31", "255.255.255.254", "10.1.2.3/8", "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"2001:db8::1/33", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "10.0.0.1, 10.0.0.1 ,10.0.0.1/32", "0.0.0.0/0,::/0,10.0.0.0/8",
	}
	return New(key, Kind[[]netip.Prefix]{"a list of addresses and networks", parseCIDRs, show, edges}, nil).Items()
}

// parseCIDRs sorts the list and drops repetitions, so that equal sets give equal bytes.
func parseCIDRs(s string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, item := range strings.Split(s, ",") {
		p, ok := parseCIDR(strings.TrimSpace(item))
		if !ok {
			return nil, fmt.Errorf("has the item %s, which is neither an address nor a network such as 10.0.0.0/8", printable(item))
		}
		list = append(list, p)
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list), nil
}

// parseCIDR reads an address as a network of one. IPv4 written as IPv6 becomes IPv4: NGINX compares clients
// that use IPv4 with nothing else.
func parseCIDR(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, false
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	// NGINX cannot read 255.255.255.255, which is nobody's address.
	return p.Masked(), p.Addr() != netip.AddrFrom4([4]byte{255, 255, 255, 255}) || !p.IsSingleIP()
}

// network is a network as NGINX takes it.
func network(p netip.Prefix) nginx.Arg {
	if p.IsSingleIP() {
		return nginx.Verbatim(p.Addr().String())
	}
	return nginx.Verbatim(p.String())
}
