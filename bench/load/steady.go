package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/test/fleet"
)

// Answer is what came of one request.
type Answer struct {
	Due  time.Time     // when it had to be sent
	Took time.Duration // from then to the end of the answer, so that waiting for a busy server counts
	Pod  string        // who answered
	Err  error
}

// Steady sends requests at a constant rate, whatever the answers, on connections that are kept.
type Steady struct {
	Target
	Rate        int // requests for each second
	Connections int
	start       time.Time
	next        atomic.Int64
	end         chan struct{}
	clients     sync.WaitGroup
	mu          sync.Mutex
	answers     []Answer
}

// Start begins to send.
func (s *Steady) Start() {
	s.start, s.end = time.Now(), make(chan struct{})
	for range s.Connections {
		s.clients.Go(s.send)
	}
}

// Stop ends sending and returns all answers, in the order in which they came.
func (s *Steady) Stop() []Answer {
	close(s.end)
	s.clients.Wait()
	return s.answers
}

// Since are the answers after the first n.
func (s *Steady) Since(n int) []Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[n:len(s.answers):len(s.answers)]
}

func (s *Steady) send() {
	c := connection{address: fmt.Sprintf("127.0.0.1:%d", s.Port)}
	defer c.close()
	for {
		n := s.next.Add(1) - 1
		due := s.start.Add(time.Duration(n) * time.Second / time.Duration(s.Rate))
		select {
		case <-s.end:
			return
		case <-time.After(time.Until(due)):
		}
		pod, err := c.get(fleet.Host(int(n) % s.Hosts))
		answer := Answer{Due: due, Took: time.Since(due), Pod: pod, Err: err}
		s.mu.Lock()
		s.answers = append(s.answers, answer)
		s.mu.Unlock()
	}
}

// connection is kept for as long as the server likes.
type connection struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

const patience = 10 * time.Second

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // of no consequence
		c.conn = nil
	}
}

// get sends a request, and once more if a connection that was idle ends before an answer begins, as browsers and
// libraries do: the server may have closed it in that moment.
func (c *connection) get(host string) (string, error) {
	idle := c.conn != nil
	pod, begun, err := c.try(host)
	if err == nil {
		return pod, nil
	}
	c.close()
	if !idle || begun {
		return "", err
	}
	if pod, _, err = c.try(host); err != nil {
		c.close()
	}
	return pod, err
}

// try tells also whether an answer has begun.
func (c *connection) try(host string) (pod string, begun bool, err error) {
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.address, patience); err != nil {
			return "", false, err
		}
		c.reader = bufio.NewReader(c.conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", false, err
	}
	if _, err := fmt.Fprintf(c.conn, "GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n\r\n", host); err != nil {
		return "", false, err
	}
	if _, err := c.reader.Peek(1); err != nil {
		var timeout net.Error
		return "", errors.As(err, &timeout) && timeout.Timeout(), err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return "", true, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", true, err
	}
	if response.Close {
		c.close()
	}
	if response.StatusCode != http.StatusOK {
		return "", true, errors.New("the answer is " + response.Status)
	}
	return strings.TrimSpace(string(body)), true, nil
}
