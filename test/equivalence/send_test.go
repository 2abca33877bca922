//go:build integration

package equivalence

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// answer is what came back, without what no two answers share: the time, and the ports of the NGINX that was asked.
type answer struct {
	Status int
	Header http.Header
	Body   string
	Closed bool   // the connection ends with it
	Failed string // why there is none
}

func (a answer) String() string {
	if a.Failed != "" {
		return "no answer: " + a.Failed
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", a.Status)
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		fmt.Fprintf(&b, "\n  %s: %q", name, a.Header[name])
	}
	fmt.Fprintf(&b, "\n  closed: %t\n  body: %q", a.Closed, a.Body)
	return b.String()
}

// way is what a connection has to be for a request.
type way struct {
	secure     bool
	from       string // address of the client
	serverName string // asked for in TLS; "" for none
}

// line is a connection that is kept for further requests.
type line struct {
	conn   net.Conn
	reader *bufio.Reader
}

// sender sends each request to both sides of a pair at the same time. It keeps connections, and ends both when one is
// ended, so that they have always seen the same. It belongs to one goroutine.
type sender struct {
	pair  *pair
	ports [2]*strings.Replacer
	lines map[way][2]*line
}

func newSender(p *pair) *sender {
	s := &sender{pair: p, lines: map[way][2]*line{}}
	for n := range p.sides {
		s.ports[n] = p.ports(n)
	}
	return s
}

func (s *sender) close() {
	for w := range s.lines {
		s.end(w)
	}
}

func (s *sender) end(w way) {
	for _, l := range s.lines[w] {
		l.conn.Close()
	}
	delete(s.lines, w)
}

// patience is how long an answer may take; it is no limit of the modes.
const patience = 20 * time.Second

func (s *sender) ask(r request) [2]answer {
	w := r.way()
	lines, reused := s.lines[w]
	if !reused {
		for n, side := range s.pair.sides {
			l, err := side.dial(w)
			if err != nil {
				return [2]answer{{Failed: err.Error()}, {}}
			}
			lines[n] = l
		}
		s.lines[w] = lines
	}
	answers := s.exchange(lines, r)
	if slices.ContainsFunc(answers[:], func(a answer) bool { return a.Closed || a.Failed != "" }) {
		s.end(w)
		// NGINX may end an idle connection whenever it likes.
		if reused && answers[0].Failed+answers[1].Failed != "" {
			return s.ask(r)
		}
	}
	return answers
}

// exchange sends a request on both lines before it reads an answer.
func (s *sender) exchange(lines [2]*line, r request) [2]answer {
	text := r.text()
	for _, l := range lines {
		_ = l.conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(l.conn, text) // an answer may have come before all was written
	}
	var answers [2]answer
	for n, l := range lines {
		a, err := l.read(r.method, s.ports[n])
		if err != nil {
			a = answer{Failed: failure(err)}
		}
		answers[n] = a
	}
	return answers
}

// failure leaves out addresses, which differ.
func failure(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timed out"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was ended"
	}
	return err.Error()
}

func (l *line) read(method string, ports *strings.Replacer) (answer, error) {
	resp, err := http.ReadResponse(l.reader, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	resp.Header.Del("Date")
	for _, values := range resp.Header {
		for n := range values {
			values[n] = ports.Replace(values[n])
		}
	}
	return answer{Status: resp.StatusCode, Header: resp.Header, Body: ports.Replace(string(body)), Closed: resp.Close}, nil
}

func (s *side) dial(w way) (*line, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(w.from)}}
	var conn net.Conn
	var err error
	if w.secure {
		secure := tls.Dialer{NetDialer: dialer, Config: &tls.Config{
			ServerName: w.serverName, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: true, //nolint:gosec // whose certificate it is does not matter
			// A request comes at once: NGINX tells pods the length of a chunked body if it has seen the end of it by then.
			DynamicRecordSizingDisabled: true,
		}}
		conn, err = secure.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.render.HTTPSPort)))
	} else {
		conn, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.render.HTTPPort)))
	}
	if err != nil {
		return nil, fmt.Errorf("reach NGINX in %s mode: %w", s.mode, err)
	}
	return &line{conn, bufio.NewReader(conn)}, nil
}
