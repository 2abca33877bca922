//go:build integration

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKilledMasterIsReplaced(t *testing.T) {
	restarts := make(chan struct{}, 10)
	s := newSite(t, "", func(o *Options) { o.Observer.Restarted = func() { restarts <- struct{}{} } }).run()
	blue, green := backend(t, "blue"), backend(t, "green")
	s.mustPush(blue)
	s.mustApply(s.files("one"))
	within(t, time.Second, "ready", func() bool { return s.Status().Ready })
	pid := s.Status().PID
	orphans := inGroup(pid)

	l := startLoad("/app")
	started := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-restarts
	s.mustPush(green) // it arrives, however far the restart is
	within(t, 2*time.Second, "ready again", func() bool { return s.Status().Ready && s.Status().PID != pid })
	t.Logf("a new NGINX has taken over after %v", time.Since(started))
	within(t, 2*time.Second, "the orphans are gone", func() bool { return len(alive(orphans)) == 0 })
	t.Logf("the orphans were gone after %v", time.Since(started))
	mustGet(t, "/app", "green")
	requests, failures := l.stop()
	t.Logf("%d requests, %d failed: %v", requests, len(failures), failures[:min(len(failures), 5)])
	if got := s.Status().OldGenerations; got != 0 {
		t.Errorf("%d old generations", got)
	}
	s.mustApply(s.files("two"))
	mustGet(t, "/", "two")
}

func TestKilledGroupIsReplaced(t *testing.T) {
	s := newSite(t, "").run()
	s.mustPush(backend(t, "blue"))
	s.mustApply(s.files("one"))
	pid := s.Status().PID
	started := time.Now()
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, 2*time.Second, "serves again", func() bool {
		got, err := get("/app")
		return err == nil && got == "blue" && s.Status().PID != pid
	})
	t.Logf("serves again after %v", time.Since(started))
}

// Two masters can only have the same address at the same time with reuseport.
func TestKilledMasterIsReplacedWithoutReuseport(t *testing.T) {
	s := newSite(t, "").run()
	f := s.files("one")
	f.List[0].Content = []byte(strings.Replace(string(f.List[0].Content), " reuseport", "", 1))
	s.mustApply(f)
	pid := s.Status().PID
	l := startLoad("/")
	started := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "a new NGINX is up", func() bool { return s.Status().PID != pid && s.current().isUp() })
	requests, failures := l.stop()
	t.Logf("a new NGINX is up after %v; meanwhile %d of %d requests failed", time.Since(started), len(failures), requests)
	mustGet(t, "/", "one")
}

func TestRestartDoesNotWaitForAHangingTest(t *testing.T) {
	s := newSite(t, "").run()
	s.mustApply(s.files("one"))
	pid := s.Status().PID
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, apply := s.hang("two")
	result := make(chan error, 1)
	go func() { result <- apply(ctx) }()
	within(t, 5*time.Second, "the test runs", s.isTesting)
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, 2*time.Second, "serves again", func() bool { return s.Status().PID != pid && s.current().isUp() })
	within(t, 2*time.Second, "the test is made again", s.isTesting)
	mustGet(t, "/", "one")
	s.stop()
	if err := <-result; !errors.Is(err, errStopped) {
		t.Errorf("apply gives %v", err)
	}
}

// Whatever a reload is doing when NGINX dies: some configuration serves soon, and the next one is taken.
func TestKillsDuringReloads(t *testing.T) {
	s := newSite(t, "").run()
	s.mustPush(backend(t, "blue"))
	s.mustApply(s.files("g"))
	for i := range 7 { // more would make the pauses between restarts long
		result := make(chan error, 1)
		generation := fmt.Sprint("g", i)
		go func() { result <- s.Apply(context.Background(), s.files(generation), "test") }()
		moment := time.Duration(i) * 20 * time.Millisecond // the steps of Apply leave no trace to wait for
		time.Sleep(moment)
		pid := s.Status().PID
		if pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		err := <-result
		t.Logf("killed after %v: %v", moment, err)
		within(t, 2*longestPause, "serves", func() bool {
			got, err := get("/")
			return err == nil && s.Status().PID != pid && s.current().isUp() && got == s.Status().Generation
		})
		if now := s.Status().Generation; (now == generation) != (err == nil) {
			t.Errorf("apply gives %v, and %s is live", err, now)
		}
	}
	s.mustApply(s.files("last"))
	mustGet(t, "/", "last")
	mustGet(t, "/app", "blue")
	within(t, 5*time.Second, "the orphans are gone", func() bool { return s.Status().OldGenerations == 0 })
}

func TestStopEndsATestAndAReload(t *testing.T) {
	for name, when := range map[string]func(s *site) bool{
		"during the test": func(s *site) bool { return s.isTesting() },
		"at once":         func(*site) bool { return true },
		"once it runs":    func(s *site) bool { return s.current() != nil },
		"once it is up":   func(s *site) bool { return s.current().isUp() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "").run()
			result := make(chan error, 1)
			go func() {
				err := s.Apply(context.Background(), s.files("one"), "test")
				if err == nil {
					err = s.Apply(context.Background(), s.files("two"), "test")
				}
				result <- err
			}()
			within(t, 5*time.Second, name, func() bool { return when(s) })
			started := time.Now()
			s.stop() // which looks for processes
			if took := time.Since(started); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			<-result
		})
	}
}

func TestStopDrains(t *testing.T) {
	s := newSite(t, "", func(o *Options) { o.ShutdownGrace = time.Second }).run()
	s.mustApply(s.files("one"))
	response, err := http.Get("http://" + address + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	started := time.Now()
	s.stop()
	if took := time.Since(started); took < time.Second || took > 3*time.Second {
		t.Errorf("with a request that does not end it took %v", took)
	}
}

func TestColdStartNeedsNobodyToPush(t *testing.T) {
	first := newSite(t, "").run()
	first.mustPush(backend(t, "blue"))
	first.mustApply(first.files("one"))
	green := backend(t, "green")
	first.mustPush(green)
	mustGet(t, "/app", "green")
	first.stop()

	second := newSite(t, first.dir).run()
	second.mustApply(second.files("one"))
	mustGet(t, "/app", "green")
	if second.Status().Ready {
		t.Error("ready although nobody said what the state is")
	}
	blue := backend(t, "blue")
	second.mustPush(blue)
	mustGet(t, "/app", "blue")
	if !second.Status().Ready {
		t.Error("not ready")
	}
}

func TestLeftoverOfACrashIsTakenOver(t *testing.T) {
	crashed := newSite(t, "")
	f := crashed.files("one")
	if err := crashed.configurations.write(f); err != nil {
		t.Fatal(err)
	}
	if err := crashed.configurations.point("one"); err != nil {
		t.Fatal(err)
	}
	m, err := crashed.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.kill)
	if err := writePID(crashed.path("nginx.pid"), m.pid); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "the leftover serves", func() bool { _, err := get("/"); return err == nil })

	s := newSite(t, crashed.dir).run()
	l := startLoad("/")
	s.mustApply(s.files("two"))
	within(t, 2*time.Second, "the leftover is gone", func() bool { return len(inGroup(m.pid)) == 0 })
	mustGet(t, "/", "two")
	s.mustPush(backend(t, "blue"))
	mustGet(t, "/app", "blue")
	requests, failures := l.stop()
	t.Logf("%d requests, %d failed: %v", requests, len(failures), failures[:min(len(failures), 5)])
}

func TestStateSurvivesNewDictionaries(t *testing.T) {
	s := newSite(t, "").run()
	s.mustPush(backend(t, "blue"))
	s.mustApply(s.files("one"))
	s.mustPush(backend(t, "green"))
	f := s.files("two")
	f.List[0].Content = []byte(strings.ReplaceAll(string(f.List[0].Content), " 4m;", " 5m;"))
	s.mustApply(f)
	mustGet(t, "/app", "green")
	within(t, time.Second, "ready", func() bool { return s.Status().Ready })
}
