// Package listen finds out whether NGINX could listen where a configuration has it listen. `nginx -t` does not: it takes a port
// that another program has for NGINX's own, and then a reload never ends.
package listen

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sluice-ingress/sluice/nginx"
)

// Address is one of a listen directive.
type Address struct {
	netip.AddrPort
	UDP bool
}

// Further says why NGINX could not listen on an address of a stream that an nginx.conf has and the one that runs has not; nil if it
// could. What runs is asked for only if there are streams: a configuration may have megabytes.
func Further(conf []byte, running func() []byte) error {
	wanted := Streams(conf)
	if len(wanted) == 0 {
		return nil
	}
	known := Streams(running())
	for _, a := range wanted {
		if slices.Contains(known, a) {
			continue
		}
		if err := a.Try(); err != nil {
			return err
		}
	}
	return nil
}

// Streams are the addresses of the stream block of an nginx.conf, those of Unix sockets left out. There is none in what cannot be read.
func Streams(conf []byte) []Address {
	start := bytes.Index(conf, []byte("\nstream {\n"))
	if start < 0 {
		return nil
	}
	tree, err := nginx.Parse(string(conf[start:]))
	if err != nil {
		return nil
	}
	var list []Address
	for _, server := range tree[0].Block {
		for _, d := range server.Block {
			if d.Name() == "listen" && len(d.Words) > 1 {
				if a, ok := address(d.Words[1:]); ok {
					list = append(list, a)
				}
			}
		}
	}
	return list
}

// address reads the arguments of listen.
func address(words []string) (Address, bool) {
	a := Address{}
	for _, option := range words[1:] {
		a.UDP = a.UDP || option == "udp"
	}
	if port, err := strconv.ParseUint(words[0], 10, 16); err == nil {
		a.AddrPort = netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
		return a, true
	}
	var err error
	a.AddrPort, err = netip.ParseAddrPort(words[0])
	return a, err == nil
}

// Try says why NGINX could not listen on the address, in its words; nil if it could. It takes the address for a moment, without
// taking connections. Like NGINX it shares the address with whoever shares it too and has the same user.
func (a Address) Try() error {
	family, kind := unix.AF_INET6, unix.SOCK_STREAM
	var at unix.Sockaddr = &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if a.Addr().Is4() {
		family, at = unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	if a.UDP {
		kind = unix.SOCK_DGRAM
	}
	socket, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket() %s failed (%w)", a, err)
	}
	defer unix.Close(socket)
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, option, 1); err != nil {
			return fmt.Errorf("setsockopt() %s failed (%w)", a, err)
		}
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return fmt.Errorf("setsockopt() %s failed (%w)", a, err)
		}
	}
	if err := unix.Bind(socket, at); err != nil {
		return fmt.Errorf("bind() to %s failed (%w)", a, err)
	}
	return nil
}
