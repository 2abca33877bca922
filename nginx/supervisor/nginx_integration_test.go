//go:build integration

package supervisor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/test/bare"
	"github.com/sluice-ingress/sluice/test/logged"
)

const address = "127.0.0.1:18000"

var (
	get     = bare.Address(address).Get
	mustGet = bare.Address(address).MustGet
	backend = bare.Backend
	within  = bare.Within
)

// site is a supervisor with a real NGINX.
type site struct {
	*Supervisor
	t    *testing.T
	dir  string
	stop func() // ends Run and waits for it
	log  *logged.Text
}

// newSite makes a supervisor that does not run yet, in dir or a directory of its own.
func newSite(t *testing.T, dir string, change ...func(*Options)) *site {
	t.Helper()
	bare.NeedNGINX(t)
	if dir == "" {
		dir = bare.Dir(t)
	}
	log := bare.Log(t)
	options := Options{
		Binary: bare.Binary, Dir: dir, Stderr: log,
		Log:           slog.New(slog.NewTextHandler(log, nil)),
		ShutdownGrace: 5 * time.Second,
		ReloadTimeout: 20 * time.Second,
	}
	for _, c := range change {
		c(&options)
	}
	return &site{Supervisor: New(options), t: t, dir: dir, log: log, stop: func() {}}
}

// run has Run run until the end of the test.
func (s *site) run() *site {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("run: %v", err)
		}
		if left := s.left(); len(left) > 0 {
			s.t.Errorf("processes are left: %v", left)
		}
	})
	s.t.Cleanup(func() { s.stop() })
	return s
}

// left are the processes in the site's directory.
func (s *site) left() []string {
	home, err := os.Stat(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var titles []string
	for _, p := range processes(func(p process) bool {
		cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", p.pid))
		return err == nil && os.SameFile(cwd, home)
	}) {
		titles = append(titles, p.title())
	}
	return titles
}

func (s *site) files(generation string, more ...string) nginx.Files {
	return bare.Address(address).Files(s.t, s.dir, generation, more...)
}

func (s *site) mustApply(f nginx.Files) {
	s.t.Helper()
	if err := s.Apply(context.Background(), f, "test"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) mustPush(state dynamic.State) {
	s.t.Helper()
	if err := s.Push(context.Background(), state); err != nil {
		s.t.Fatal(err)
	}
}

// load sends requests until it is stopped, some over connections that stay.
type load struct {
	stop func() (requests int, failures []string)
}

func startLoad(path string) load {
	var (
		mu       sync.Mutex
		requests int
		failures []string
		group    sync.WaitGroup
	)
	done := make(chan struct{})
	for i := range 6 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: 10 * time.Second}
		group.Go(func() {
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
				}
				err := once(client, path)
				mu.Lock()
				requests++
				if err != nil {
					failures = append(failures, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	return load{func() (int, []string) {
		close(done)
		group.Wait()
		return requests, failures
	}}
}

func once(client *http.Client, path string) error {
	response, err := client.Get("http://" + address + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return err
}
