package supervisor

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// sleeper starts a process group that does nothing.
func sleeper(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func TestEndCollectsWhatIsOurs(t *testing.T) {
	cmd := sleeper(t, t.TempDir())
	group := inGroup(cmd.Process.Pid)
	if len(group) != 1 || !group[0].isAlive() {
		t.Fatalf("found %+v", group)
	}
	end(group, 0)
	if group[0].isAlive() || len(inGroup(cmd.Process.Pid)) > 0 {
		t.Error("it is still there")
	}
	again := group[0]
	again.pid, again.start = syscall.Getpid(), 1
	if again.isAlive() {
		t.Error("another process was taken for it")
	}
}

func TestLeftoversAreOnlyOurs(t *testing.T) {
	ours, others := t.TempDir(), t.TempDir()
	file := filepath.Join(ours, "nginx.pid")
	if master, workers := leftovers(file, ours); master != nil || workers != nil {
		t.Errorf("found %v and %v without a file", master, workers)
	}
	for dir, want := range map[string]bool{ours: true, others: false} {
		cmd := sleeper(t, dir)
		if err := writePID(file, cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		master, workers := leftovers(file, ours)
		if (master != nil) != want || len(workers) > 0 {
			t.Errorf("in %s: found %v and %v", dir, master, workers)
		}
	}
}

func TestOldGenerationsAreLimited(t *testing.T) {
	var g generations
	var all []process
	for range 4 {
		p := inGroup(sleeper(t, t.TempDir()).Process.Pid)
		g.add(p)
		g.add(p) // known already
		all = append(all, p...)
	}
	if got := g.count(); got != 4 {
		t.Fatalf("counted %d generations", got)
	}
	if ended := g.limit(3); ended != 1 || g.count() != 3 || all[0].isAlive() || !all[1].isAlive() {
		t.Errorf("ended %d, %d are left", ended, g.count())
	}
	end(all[2:3], 0)
	if got := g.count(); got != 2 {
		t.Errorf("counted %d generations after one has ended by itself", got)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	want := []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}
	for i, w := range want {
		if got := b.next(time.Second); got != w {
			t.Errorf("pause %d is %v, want %v", i, got, w)
		}
	}
	for range 20 {
		b.next(time.Second)
	}
	if got := b.next(time.Second); got != longestPause {
		t.Errorf("the longest pause is %v", got)
	}
	if got := b.next(2 * time.Minute); got != 0 {
		t.Errorf("after a long life the pause is %v", got)
	}
}

func TestReportCountsDistinctWorkers(t *testing.T) {
	r := report{Wanted: 2, Workers: []worker{{0, 10, "new"}, {0, 11, "new"}, {1, 12, "old"}}}
	if r.allRun("new") {
		t.Error("one worker was counted twice")
	}
	r.Workers[2].Configuration = "new"
	if !r.allRun("new") || (report{}).allRun("new") {
		t.Error("all run it")
	}
}
