package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// external makes the backend of an ExternalName Service.
func (w *world) external(b *backend, s *corev1.Service) {
	if w.options.DisableExternalName {
		b.problem = &backendProblem{".name", ExternalNameDisabled, cluster.Error,
			fmt.Sprintf("Service %s/%s has type ExternalName, which the controller does not allow (--disable-svc-external-name)", s.Namespace, s.Name)}
		return
	}
	port := int(b.port.Number)
	if p := b.findPort(s); p != nil {
		port = int(p.Port)
		if p.TargetPort.Type == intstr.Int && p.TargetPort.IntVal > 0 {
			port = int(p.TargetPort.IntVal)
		}
	}
	if port < 1 || port > 65535 {
		b.problem = &backendProblem{".port", MissingPort, cluster.Error, fmt.Sprintf("Service %s/%s has no port %s", s.Namespace, s.Name, b.text())}
		return
	}
	if !w.addOutside(&b.data, s.Spec.ExternalName, port) {
		b.problem = &backendProblem{".name", BadExternalName, cluster.Error,
			fmt.Sprintf("Service %s/%s has an externalName that is not a DNS name, or leads to this machine or a cloud's metadata", s.Namespace, s.Name)}
	}
}

// addOutside adds a DNS name, for the workers to resolve, or an address that somebody wrote where a name belongs.
// It adds neither what is none of both nor what is on this machine, on its link or a metadata service: no tenant may
// reach what listens on loopback, or the credentials of the node. Workers refuse names that lead there (address.lua).
func (w *world) addOutside(b *dynamic.Backend, s string, port int) bool {
	name := strings.ToLower(s)
	bare := strings.TrimSuffix(name, ".")
	if ip, err := netip.ParseAddr(bare); err == nil {
		if IsForbidden(ip, w.options.Settings.Own()) {
			return false
		}
		b.Endpoints = append(b.Endpoints, dynamic.Endpoint{Address: ip.String(), Port: port})
		return true
	}
	if bare == "localhost" || strings.HasSuffix(bare, ".localhost") || !isHost(bare) {
		return false
	}
	b.Names = append(b.Names, dynamic.Endpoint{Address: name, Port: port})
	return true
}

// metadataServices are where clouds hand out what a node is and may do, besides link-local addresses.
var metadataServices = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),      // Amazon: metadata, credentials of pods, DNS, time
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure: WireServer
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle
	netip.MustParsePrefix("fd00:42::42/128"),    // Scaleway
}

// IsForbidden tells whether a name that a tenant wrote must not lead to an address: this machine, of which own are further addresses,
// its link, the metadata services of clouds, groups, reserved space. It is the same rule as refused in address.lua.
func IsForbidden(ip netip.Addr, own []netip.Addr) bool {
	inner := embedded(ip)
	if slices.ContainsFunc(own, func(a netip.Addr) bool { return a == ip || embedded(a) == inner }) {
		return true
	}
	if ip.Zone() != "" || slices.ContainsFunc(metadataServices, func(p netip.Prefix) bool { return p.Contains(inner) }) {
		return true
	}
	if inner.Is6() {
		return inner.IsMulticast() || inner.IsLinkLocalUnicast()
	}
	first := inner.As4()[0]
	return first == 0 || first == 127 || first >= 224 || inner.IsLinkLocalUnicast()
}

// embedded is the IPv4 address that packets to an IPv6 address may end up at, else the address itself.
func embedded(ip netip.Addr) netip.Addr {
	ip = ip.Unmap()
	if ip.Is4() {
		return ip
	}
	bytes := ip.As16()
	for _, prefix := range []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::/96")} {
		if prefix.Contains(ip) {
			return netip.AddrFrom4([4]byte(bytes[12:]))
		}
	}
	return ip
}
