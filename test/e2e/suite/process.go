package suite

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Process is a program beside the cluster: no pod, but in its network.
type Process struct {
	Log   string // the file that it prints to
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start starts a program whose output is not wanted elsewhere. It is stopped after the test, and what it has printed is
// shown if that failed. To run it in the Debian root let the command be rootfs/enter --pid.
func Start(t testing.TB, command *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Log: filepath.Join(t.TempDir(), filepath.Base(command.Path)+".log"), cmd: command, ended: make(chan struct{})}
	log, err := os.Create(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatalf("start %s: %v", command.Path, err)
	}
	go func() {
		_ = command.Wait() // Stop says how it ended
		close(p.ended)
	}()
	t.Cleanup(func() {
		const longest = time.Minute
		_ = p.Stop(longest) // if it matters the test has asked
		if t.Failed() {
			text, _ := os.ReadFile(p.Log)
			t.Logf("%s printed:\n%s", command.Path, text)
		}
	})
	return p
}

// Stop asks the program to end, kills it after the longest time, and returns an error unless it ended by itself with 0.
func (p *Process) Stop(longest time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended
	select {
	case <-p.ended:
	case <-time.After(longest):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return errors.New("it did not end in time")
	}
	if !p.cmd.ProcessState.Success() {
		return errors.New(p.cmd.ProcessState.String())
	}
	return nil
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }
