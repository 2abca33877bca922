package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/test/fleet"
)

// connections is how many clients send at once, each its next request when the last is answered.
const connections = 50

// send sends requests to all hosts in turn for a while and returns how many were answered. Any answer but
// 200 is an error.
func send(port, hosts int, d time.Duration) (int64, time.Duration, error) {
	var sent atomic.Int64
	var clients sync.WaitGroup
	failed := make(chan error, connections)
	start := time.Now()
	for c := range connections {
		clients.Go(func() {
			if err := sendOn(port, hosts, c, start.Add(d), &sent); err != nil {
				failed <- err
			}
		})
	}
	clients.Wait()
	took := time.Since(start)
	select {
	case err := <-failed:
		return 0, took, err
	default:
		return sent.Load(), took, nil
	}
}

func sendOn(port, hosts, first int, end time.Time, sent *atomic.Int64) error {
	requests := make([][]byte, 0, 2*hosts)
	for h := range hosts {
		for _, path := range []string{"/", "/api/x"} {
			requests = append(requests, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n\r\n", path, fleet.Host(h)))
		}
	}
	var conn net.Conn
	var reader *bufio.Reader
	for n := first * 37; time.Now().Before(end); n++ {
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
				return err
			}
			defer conn.Close()
			reader = bufio.NewReader(conn)
		}
		if _, err := conn.Write(requests[n%len(requests)]); err != nil {
			return err
		}
		last, err := readAnswer(reader)
		if err != nil {
			return err
		}
		sent.Add(1)
		if last { // NGINX ends a connection after keepalive_requests
			conn.Close()
			conn = nil
		}
	}
	return nil
}

// readAnswer reads one answer and tells whether it is the connection's last.
func readAnswer(r *bufio.Reader) (last bool, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		line = bytes.TrimSpace(line)
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")):
			return false, fmt.Errorf("the answer is %s", line)
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(line[len("Content-Length: "):])); err != nil {
				return false, err
			}
		case bytes.Equal(line, []byte("Connection: close")):
			last = true
		case len(line) == 0:
			_, err := io.CopyN(io.Discard, r, int64(length))
			return last, err
		}
	}
}
