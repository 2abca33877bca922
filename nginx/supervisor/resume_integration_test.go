//go:build integration

package supervisor

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// resumed is another supervisor in the directory of one that has ended.
func (s *site) resumed() *site {
	s.t.Helper()
	s.stop()
	next := newSite(s.t, s.dir)
	if err := next.Recover(); err != nil {
		s.t.Fatal(err)
	}
	next.run()
	if err := next.Resume(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	return next
}

func TestWhatWasLiveIsServedAgainBeforeAnybodySaysAnything(t *testing.T) {
	first := newSite(t, "").run()
	blue := backend(t, "blue")
	first.mustPush(blue)
	first.mustApply(first.files("one"))

	s := first.resumed()
	mustGet(t, "/", "one")
	mustGet(t, "/app", "blue")
	if got := s.Status(); got.Ready || got.Generation != "one" {
		t.Errorf("nobody has said yet that this is the state, and the status is %+v", got)
	}

	pid := s.Status().PID
	workers := inGroup(pid)
	s.mustPush(blue)
	s.mustApply(s.files("one"))
	if !s.Status().Ready {
		t.Error("not ready")
	}
	if now := inGroup(pid); !slices.Equal(workers, now) {
		t.Errorf("the workers were %v and are %v: what is live was made live again", workers, now)
	}
	s.mustPush(backend(t, "green"))
	mustGet(t, "/app", "green")
	s.mustApply(s.files("two"))
	mustGet(t, "/", "two")
}

// A process that is killed may have written half a line.
func TestATornLineOfStateIsLeftOut(t *testing.T) {
	first := newSite(t, "").run()
	first.mustPush(backend(t, "blue"))
	first.mustApply(first.files("one"))
	first.stop()
	text, err := os.ReadFile(first.path("state.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	torn := strings.Replace(string(text), `"generation":`, `"generation":9`, 1)[:len(text)/2]
	if err := os.WriteFile(first.path("state.jsonl"), append(text, torn...), 0o600); err != nil {
		t.Fatal(err)
	}
	s := first.resumed()
	mustGet(t, "/app", "blue")
	s.mustPush(backend(t, "green"))
	mustGet(t, "/app", "green")
	within(t, time.Second, "ready", func() bool { return s.Status().Ready })
}

// Whatever is on disk, what comes later is served.
func TestAConfigurationThatDoesNotResumeIsForgotten(t *testing.T) {
	first := newSite(t, "")
	if err := first.configurations.write(first.files("bad", "nonsense;")); err != nil {
		t.Fatal(err)
	}
	if err := first.configurations.point("bad"); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, first.dir)
	if err := s.Recover(); err != nil {
		t.Fatal(err)
	}
	s.run()
	if err := s.Resume(context.Background()); err == nil {
		t.Error("it resumed")
	}
	s.mustPush(backend(t, "blue"))
	s.mustApply(s.files("one"))
	mustGet(t, "/app", "blue")
}
