//go:build integration

package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A client that repeats nothing, and often asks over the same connection, loses nothing when workers quit.
func TestConnectionsInUseEndBeforeTheirWorkersDo(t *testing.T) {
	for name, quit := range map[string]func(*site){
		"reload": func(s *site) {
			for i := range 10 {
				s.mustApply(s.files(fmt.Sprint("g", i)))
			}
		},
		"refused configuration": func(s *site) {
			if err := s.Apply(context.Background(), s.files("bad", "nonsense;"), "test"); err == nil {
				s.t.Error("it was taken")
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if askOften(ctx, s.t); ctx.Err() == nil {
				s.t.Error("connections still end")
			}
		},
		"dead master": func(s *site) {
			pid := s.Status().PID
			orphans := inGroup(pid)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				s.t.Fatal(err)
			}
			within(s.t, 5*time.Second, "the orphans are gone", func() bool { return len(alive(orphans)) == 0 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "").run()
			s.mustPush(backend(t, "blue"))
			s.mustApply(s.files("one"))
			ctx, done := context.WithCancel(context.Background())
			var clients sync.WaitGroup
			for range 20 {
				clients.Go(func() {
					for ctx.Err() == nil {
						askOften(ctx, t)
					}
				})
			}
			quit(s)
			done()
			clients.Wait()
		})
	}
}

func TestLeaveEndsConnectionsInUse(t *testing.T) {
	s := newSite(t, "").run()
	s.mustPush(backend(t, "blue"))
	s.mustApply(s.files("one"))
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() { askOften(context.Background(), t) })
	}
	if err := s.Leave(context.Background()); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	mustGet(t, "/app", "blue") // who comes is served
	s.mustApply(s.files("two"))
	askOften(context.Background(), t) // whatever comes
}

// askOften sends requests over one connection until the context ends, or the server wants no more of them.
func askOften(ctx context.Context, t *testing.T) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer connection.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for answers := bufio.NewReader(connection); ctx.Err() == nil; <-tick.C {
		if _, err := io.WriteString(connection, "GET /app HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Errorf("a request was lost: %v", err)
			return
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Errorf("a request was lost: %v", err)
			return
		}
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "blue" {
			t.Errorf("%s: %q, %v", response.Status, body, err)
		}
		if response.Close {
			return
		}
	}
}
