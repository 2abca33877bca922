package main

import (
	"net"
	"runtime"
	"syscall"

	"github.com/miekg/dns"

	"github.com/sluice-ingress/sluice/nginx/dataplane"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// openFiles is how many files a worker may have open: what the process may, less a reserve, as in
// ingress-nginx.
func openFiles() int {
	const reserve, least, most = 1024, 1024, 1 << 20
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return least
	}
	return int(min(max(limit.Max, least+reserve)-reserve, most))
}

// surroundingsOf is where an NGINX runs that we start. Go honours the cgroup's quota.
func surroundingsOf(stateDir string) dataplane.Surroundings {
	return dataplane.Surroundings{StateDir: stateDir, CPUs: runtime.GOMAXPROCS(0), OpenFiles: openFiles()}
}

// surroundings reads what workers need to resolve names. Without a readable resolv.conf no name resolves.
func surroundings(resolvConf string) dynamic.Settings {
	var s dynamic.Settings
	if c, err := dns.ClientConfigFromFile(resolvConf); err == nil {
		for _, server := range c.Servers {
			s.Nameservers = append(s.Nameservers, net.JoinHostPort(server, c.Port))
		}
		s.Search, s.Ndots = c.Search, c.Ndots
	}
	for _, ip := range ownAddresses() {
		s.OwnAddresses = append(s.OwnAddresses, ip.String())
	}
	return s
}

// ownAddresses are those of this machine's, or pod's, network interfaces.
func ownAddresses() []net.IP {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []net.IP
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			own = append(own, n.IP)
		}
	}
	return own
}
