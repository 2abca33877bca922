package services

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// forwards are the ports that are listened on.
type forwards struct{ open map[port]*forward }

// forward is one of them. Its route may change; connections that were passed on stay.
type forward struct {
	io.Closer
	route atomic.Pointer[route]
}

func newForwards() *forwards { return &forwards{open: map[port]*forward{}} }

// set makes the ports be listened on, and no others.
func (f *forwards) set(wanted map[port]route) error {
	for at, open := range f.open {
		if _, is := wanted[at]; !is {
			_ = open.Close() // it was open
			delete(f.open, at)
		}
	}
	var errs []error
	for at, route := range wanted {
		if f.open[at] == nil {
			made, err := listen(at, &route)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			f.open[at] = made
			continue
		}
		f.open[at].route.Store(&route)
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) }) // the order of a map says nothing
	return errors.Join(errs...)
}

func (f *forwards) closeAll() { _ = f.set(nil) }

func listen(at port, to *route) (*forward, error) {
	f := &forward{}
	f.route.Store(to)
	switch at.protocol {
	case corev1.ProtocolTCP:
		listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at.address))
		if err != nil {
			return nil, err
		}
		f.Closer = listener
		go f.acceptTCP(listener)
	case corev1.ProtocolUDP:
		socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at.address))
		if err != nil {
			return nil, err
		}
		f.Closer = socket
		go f.passUDP(socket)
	default:
		return nil, fmt.Errorf("protocol %s of %s is not forwarded", at.protocol, at.address)
	}
	return f, nil
}

func (r *route) pick() netip.AddrPort { return r.targets[rand.IntN(len(r.targets))] }

// dial connects to a target, from the client's address where the route wants it. That cannot be for pods, as answers to
// them do not come back here, and would be senseless for clients at the Service's own address.
func (r *route) dial(client, service net.Addr) (*net.TCPConn, error) {
	to := net.TCPAddrFromAddrPort(r.pick())
	at, of := client.(*net.TCPAddr), service.(*net.TCPAddr)
	if r.keepClient && !at.IP.Equal(of.IP) {
		connection, err := net.DialTCP("tcp", &net.TCPAddr{IP: at.IP}, to)
		if !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return connection, err
		}
	}
	return net.DialTCP("tcp", nil, to)
}

func (f *forward) acceptTCP(listener *net.TCPListener) {
	for {
		client, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go f.passTCP(client)
		}
	}
}

// passTCP passes on one connection. That it was refused is seen as a reset: the client's has been accepted already.
func (f *forward) passTCP(client *net.TCPConn) {
	server, err := f.route.Load().dial(client.RemoteAddr(), client.LocalAddr())
	if err != nil {
		reset(client)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		relay(server, client)
	}()
	relay(client, server)
	<-done
	_ = client.Close() // relay has closed or reset what there was to
	_ = server.Close()
}

// relay copies until the end, which it passes on as what it was: orderly or a reset.
func relay(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		reset(to)
		reset(from)
		return
	}
	_ = to.CloseWrite() // the other direction finds out what is wrong
}

func reset(connection *net.TCPConn) {
	_ = connection.SetLinger(0) // fails if it is closed already
	_ = connection.Close()
}
