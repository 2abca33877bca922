package services

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// idle is how long a client of UDP may be silent before another target may be chosen for it, as in conntrack.
const idle = 30 * time.Second

// flows are the clients of one UDP port, each with a socket to the target that was chosen for it.
type flows struct {
	service *net.UDPConn
	mu      sync.Mutex
	open    map[netip.AddrPort]*net.UDPConn
}

func (f *forward) passUDP(service *net.UDPConn) {
	all := &flows{service: service, open: map[netip.AddrPort]*net.UDPConn{}}
	defer all.closeAll()
	packet := make([]byte, 1<<16)
	for {
		n, client, err := service.ReadFromUDPAddrPort(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if flow, err := all.of(client, f.route.Load()); err == nil {
			_, _ = flow.Write(packet[:n]) // packets get lost
		}
	}
}

// of finds or makes the socket for a client. It is a new one if the target is none any more.
func (f *flows) of(client netip.AddrPort, to *route) (*net.UDPConn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if flow := f.open[client]; flow != nil {
		if slices.Contains(to.targets, flow.RemoteAddr().(*net.UDPAddr).AddrPort()) {
			return flow, flow.SetReadDeadline(time.Now().Add(idle))
		}
		_ = flow.Close() // whoever answers ends by it
	}
	flow, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to.pick()))
	if err != nil {
		return nil, err
	}
	f.open[client] = flow
	go f.answer(client, flow)
	return flow, flow.SetReadDeadline(time.Now().Add(idle))
}

// answer passes back what a target says.
func (f *flows) answer(client netip.AddrPort, flow *net.UDPConn) {
	packet := make([]byte, 1<<16)
	for {
		n, err := flow.Read(packet)
		if err != nil { // also that nobody listens there
			break
		}
		_, _ = f.service.WriteToUDPAddrPort(packet[:n], client) // packets get lost
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = flow.Close()
	if f.open[client] == flow {
		delete(f.open, client)
	}
}

func (f *flows) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, flow := range f.open {
		_ = flow.Close()
	}
}
