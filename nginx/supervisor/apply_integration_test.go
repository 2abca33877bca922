//go:build integration

package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

func TestStartServesAndStopLeavesNothing(t *testing.T) {
	s := newSite(t, "").run()
	s.mustPush(backend(t, "blue"))
	started := time.Now()
	s.mustApply(s.files("one"))
	t.Logf("tested and started in %v", time.Since(started))
	// The state was on disk before NGINX started.
	mustGet(t, "/app", "blue")
	mustGet(t, "/", "one")
	within(t, time.Second, "ready", func() bool { return s.Status().Ready })
	status := s.Status()
	if status.Generation != "one" || status.PID == 0 || status.OldGenerations != 0 || status.LastError != nil {
		t.Errorf("status is %+v", status)
	}
	if info, err := os.Stat(s.path("state.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the control socket has mode %v (%v)", info.Mode(), err)
	}
	s.stop()
	if _, err := get("/"); err == nil {
		t.Error("it still serves")
	}
	for _, name := range []string{"state.sock", "nginx.pid"} {
		if _, err := os.Lstat(s.path(name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	if err := s.Apply(context.Background(), s.files("two"), "test"); !errors.Is(err, errStopped) {
		t.Errorf("apply after the end gives %v", err)
	}
	if s.Status().Ready {
		t.Error("ready after the end")
	}
}

func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	var took []time.Duration
	s := newSite(t, "", func(o *Options) {
		o.Observer.Reloaded = func(_ string, d time.Duration, _ error) { took = append(took, d) }
	}).run()
	s.mustPush(backend(t, "blue"))
	s.mustApply(s.files("g0"))
	onStatic, onApp := startLoad("/"), startLoad("/app")
	for i := range 20 {
		generation := fmt.Sprint("g", i+1)
		s.mustApply(s.files(generation))
		// Nobody is served by the former configuration any more.
		for range 5 {
			mustGet(t, "/", generation)
		}
	}
	for _, l := range []load{onStatic, onApp} {
		requests, failures := l.stop()
		t.Logf("%d requests, %d failed", requests, len(failures))
		if requests < 1000 || len(failures) > 0 {
			t.Errorf("%d of %d failed: %v", len(failures), requests, failures[:min(len(failures), 5)])
		}
	}
	slices.Sort(took[1:])
	t.Logf("20 reloads: median %v, longest %v", took[1:][10], took[1:][19])
	directories, _ := filepath.Glob(s.path("conf/g*"))
	if len(directories) != keep+1 {
		t.Errorf("configurations kept: %v", directories)
	}
}

func TestBadConfigurationChangesNothing(t *testing.T) {
	s := newSite(t, "").run()
	s.mustApply(s.files("good"))
	pid := s.Status().PID
	bad := s.files("bad", "", "no_such_directive on;")
	web := &nginx.Server{Locations: []*nginx.Location{{Owner: "Ingress shop/web"}}}
	bad.Layout = nginx.Layout{{Server: web, Span: nginx.Span{First: 1, Lines: 1000}, Parts: []nginx.Span{{First: 0, Lines: 1000}}}}
	err := s.Apply(context.Background(), bad, "test")
	var refused *ConfigError
	if !errors.As(err, &refused) {
		t.Fatalf("the error is %v", err)
	}
	want := ConfigError{"nginx.conf", 40, `unknown directive "no_such_directive"`, "Ingress shop/web"}
	if *refused != want {
		t.Errorf("the error is %+v, want %+v", *refused, want)
	}
	mustGet(t, "/", "good")
	status := s.Status()
	if status.Generation != "good" || status.PID != pid || status.LastError == nil {
		t.Errorf("status is %+v", status)
	}
	if left, _ := filepath.Glob(s.path("conf/bad*")); len(left) > 0 || s.configurations.current() != "good" {
		t.Errorf("left: %v, current is %s", left, s.configurations.current())
	}
	s.mustApply(s.files("better"))
	mustGet(t, "/", "better")
	if err := s.Status().LastError; err != nil {
		t.Errorf("the error stays: %v", err)
	}
}

func TestBadFirstConfigurationStartsNothing(t *testing.T) {
	s := newSite(t, "").run()
	if err := s.Apply(context.Background(), s.files("bad", "}"), "test"); err == nil {
		t.Fatal("no error")
	}
	if left := s.left(); len(left) > 0 {
		t.Errorf("processes: %v", left)
	}
	s.mustApply(s.files("good"))
	mustGet(t, "/", "good")
}

// The test does not bind, or not in the same way, so this shows up when NGINX starts or reloads.
func TestAddressInUseIsReported(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:18001")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "").run()
	listen := func(generation string) error {
		f := s.files(generation)
		f.List[0].Content = []byte(strings.Replace(string(f.List[0].Content), "listen "+address, "listen 127.0.0.1:18001; listen "+address, 1))
		return s.Apply(context.Background(), f, "test")
	}
	const want = "bind() to 127.0.0.1:18001 failed (98: Address already in use)"
	if err := listen("first"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a start gives %v", err)
	}
	within(t, time.Second, "nothing runs", func() bool { return len(s.left()) == 0 })
	s.mustApply(s.files("good"))
	if err := listen("second"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a reload gives %v", err)
	}
	mustGet(t, "/", "good")
	if got := s.Status(); got.Generation != "good" || s.configurations.current() != "good" {
		t.Errorf("status is %+v", got)
	}
	taken.Close()
	if err := listen("third"); err != nil {
		t.Error(err)
	}
}

func TestUnchangedGenerationIsNoReload(t *testing.T) {
	reloads := 0
	s := newSite(t, "", func(o *Options) {
		o.Observer.Reloaded = func(string, time.Duration, error) { reloads++ }
	}).run()
	s.mustApply(s.files("one"))
	f := s.files("one")
	f.List[1].Content = append(f.List[1].Content, " # new"...)
	s.mustApply(f)
	if text, err := os.ReadFile(s.path("conf/current/upstreams.conf")); err != nil || !strings.HasSuffix(string(text), "# new") {
		t.Errorf("upstreams.conf is %q (%v)", text, err)
	}
	if reloads != 1 {
		t.Errorf("%d reloads", reloads)
	}
}

// hang gives a configuration whose test waits for somebody to write to a pipe.
func (s *site) hang(generation string) (path string, apply func(context.Context) error) {
	path = filepath.Join(s.dir, generation+".pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		s.t.Fatal(err)
	}
	f := s.files(generation, "include "+path+";")
	return path, func(ctx context.Context) error { return s.Apply(ctx, f, "test") }
}

// isTesting tells whether a test runs.
func (s *site) isTesting() bool {
	return slices.ContainsFunc(s.left(), func(title string) bool { return strings.Contains(title, " -t ") })
}

func TestPushDoesNotWaitForAHangingTest(t *testing.T) {
	s := newSite(t, "").run()
	blue, green := backend(t, "blue"), backend(t, "green")
	s.mustPush(blue)
	s.mustApply(s.files("one"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, apply := s.hang("two")
	result := make(chan error, 1)
	go func() { result <- apply(ctx) }()
	within(t, 5*time.Second, "the test runs", s.isTesting)
	started := time.Now()
	s.mustPush(green)
	mustGet(t, "/app", "green")
	if err := s.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > time.Second {
		t.Errorf("pushed, seen and settled only after %v", took)
	}
	if !s.isTesting() {
		t.Error("the test has ended before")
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("apply gives %v", err)
	}
	within(t, time.Second, "the test has ended", func() bool { return !s.isTesting() })
	mustGet(t, "/", "one")
}

func TestAHangingTestIsEndedInTime(t *testing.T) {
	s := newSite(t, "", func(o *Options) { o.ReloadTimeout = 500 * time.Millisecond }).run()
	_, apply := s.hang("one")
	if err := apply(context.Background()); err == nil || !strings.Contains(err.Error(), "longer than 500ms") {
		t.Errorf("apply gives %v", err)
	}
	if s.isTesting() {
		t.Error("the test still runs")
	}
}

func TestOldWorkersAreBounded(t *testing.T) {
	const limit = 2
	s := newSite(t, "", func(o *Options) { o.MaxOldGenerations = limit }).run()
	s.mustApply(s.files("g0"))
	var slow []*http.Response
	for i := range 5 {
		response, err := (&http.Client{Transport: &http.Transport{}}).Get("http://" + address + "/slow")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		slow = append(slow, response)
		s.mustApply(s.files(fmt.Sprint("g", i+1)))
		if got, want := s.Status().OldGenerations, min(i+1, limit); got != want {
			t.Errorf("after %d reloads %d old generations live, want %d", i+1, got, want)
		}
	}
	// Only the youngest requests go on.
	for i, response := range slow {
		body := bufio.NewReader(response.Body)
		if _, err := body.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_, _ = body.ReadByte()
			close(ended)
		}()
		select {
		case <-ended:
			if i >= len(slow)-limit {
				t.Errorf("request %d was ended", i)
			}
		case <-time.After(200 * time.Millisecond):
			if i < len(slow)-limit {
				t.Errorf("request %d goes on", i)
			}
		}
	}
}
