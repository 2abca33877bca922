package nginx

import (
	"net/netip"
	"time"
)

// Process is what NGINX's processes are told about themselves. Zero values leave it to who starts them.
type Process struct {
	// Workers is how many there are.
	Workers int
	// Connections is how many each of them has at most, to clients and to endpoints together; 0 is three quarters of the
	// files that it may have open.
	Connections int
	// OpenFiles is how many files each of them may have open.
	OpenFiles int
	// ShutdownTimeout is how long they finish requests after a reload.
	ShutdownTimeout time.Duration
	// ErrorLog is the file of the error log, ErrorLevel the least that goes there.
	ErrorLog, ErrorLevel string
	// Modules are the file names of dynamic modules, beside those that every configuration needs.
	Modules []string
	// Main and Events are further directives of these contexts.
	Main, Events Directives
}

// Listening says where clients are waited for.
type Listening struct {
	// Addresses are those of this machine that clients reach; none are all.
	Addresses []netip.Addr
	// NoIPv6 leaves IPv6 out.
	NoIPv6 bool
}

// On lists what is listened on at a port, as the directive listen takes it. Without IPv6, which the machine may not have,
// addresses of it are left out; there is always one.
func (l Listening) On(port int, ipv6 bool) []Arg {
	ipv6 = ipv6 && !l.NoIPv6
	var list []Arg
	for _, a := range l.Addresses {
		if a.Is4() || ipv6 {
			list = append(list, Verbatim(netip.AddrPortFrom(a, uint16(port)).String())) //nolint:gosec // a port
		}
	}
	if len(list) > 0 {
		return list
	}
	list = []Arg{Int(port)}
	if ipv6 {
		list = append(list, Concat(Verbatim("[::]:"), Int(port)))
	}
	return list
}

// Block answers 403 where one of the patterns is found in the source. They are written as map takes expressions, behind ~ or
// ~*; the variable is for that map alone.
func (h *HTTP) Block(source, variable Arg, patterns []string) {
	if len(patterns) == 0 {
		return
	}
	entries := []Directive{Entry(Verbatim("default"), Verbatim("0"))}
	for _, p := range patterns {
		entries = append(entries, Entry(Verbatim(p), Verbatim("1")))
	}
	h.Directives = append(h.Directives, Directive{Name: "map", Args: []Arg{source, variable}, Block: entries})
	h.Guards = append(h.Guards, Directive{
		Name: "if", Args: []Arg{Verbatim("("), variable, Verbatim(")")}, Block: []Directive{D("return", Int(403))},
	})
}
