package load

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/test/fleet"
)

// Sessions are connections upgraded to WebSocket, over each of which a message goes there and back now and then.
type Sessions struct {
	conns  []net.Conn
	end    chan struct{}
	all    sync.WaitGroup
	broken atomic.Int64
}

// OpenSessions opens so many sessions with a host.
func OpenSessions(port, host, count int) (*Sessions, error) {
	s := &Sessions{end: make(chan struct{})}
	for range count {
		conn, err := upgrade(port, host)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("open a session: %w", err)
		}
		s.conns = append(s.conns, conn)
		s.all.Go(func() {
			if err := s.talk(conn); err != nil {
				s.broken.Add(1)
			}
		})
	}
	return s, nil
}

func upgrade(port, host int) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	if err != nil {
		return nil, err
	}
	if err := handshake(conn, fleet.Host(host)); err != nil {
		return nil, fmt.Errorf("%w, and then: %v", err, conn.Close())
	}
	return conn, nil
}

func handshake(conn net.Conn, host string) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n", host)
	if err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil) // nothing follows the header before we speak
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the answer is %s", response.Status)
	}
	return nil
}

// talk sends messages until the end, and returns what broke the session before.
func (s *Sessions) talk(conn net.Conn) error {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for n := uint64(0); ; n++ {
		select {
		case <-s.end:
			return nil
		case <-every.C:
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		sent, got := binary.BigEndian.AppendUint64(nil, n), make([]byte, 8)
		if _, err := conn.Write(sent); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			return err
		}
		if string(got) != string(sent) {
			return fmt.Errorf("%x came back as %x", sent, got)
		}
	}
}

// Close ends all sessions and returns how many had broken before.
func (s *Sessions) Close() int64 {
	close(s.end)
	s.all.Wait()
	for _, conn := range s.conns {
		_ = conn.Close() // of no consequence
	}
	return s.broken.Load()
}
