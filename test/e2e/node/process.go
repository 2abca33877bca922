package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-ingress/sluice/test/e2e/logfile"
	"github.com/sluice-ingress/sluice/test/e2e/node/box"
)

// process is one run of a container.
type process struct {
	container *container
	command   *exec.Cmd
	spec      box.Spec
	ended     chan struct{}
}

// start asks for a process that is the first of namespaces of its own, so that nothing of it outlives it.
func (p *process) start() error {
	c := p.container
	var err error
	if p.spec, err = c.box(); err != nil {
		return err
	}
	output, logged, err := p.openLog()
	if err != nil {
		return err
	}
	defer output.Close()
	p.command = exec.Command(c.pod.agent.Container)
	p.command.Stdout, p.command.Stderr = output, output
	p.command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS, Pdeathsig: syscall.SIGKILL, Setsid: true,
	}
	failure, err := p.startWith(p.command, p.spec, c.pod.network)
	if err != nil {
		return err
	}
	go func() {
		_ = p.command.Wait() // its code is read from the state
		<-logged
		close(p.ended)
	}()
	if failure != nil {
		_ = output.Close() // else the log would not end
		<-p.ended
	}
	return failure
}

// startWith starts cmd/container in a network and returns when it has become the spec's command, or why it has not. Only if
// it could not even be started, there is nothing to wait for.
func (p *process) startWith(command *exec.Cmd, spec box.Spec, network *os.File, more ...*os.File) (failure, err error) {
	input, err := p.writeSpec(spec)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	failures, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer failures.Close()
	command.ExtraFiles = append([]*os.File{input, tell}, more...)
	if err := errors.Join(p.container.pod.agent.thread.in(network, command.Start), tell.Close()); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(failures)
	if err == nil && len(text) > 0 {
		err = errors.New(string(text))
	}
	return err, nil
}

// openLog makes a pipe into the container's log. It belongs to the container's user, as images open it again by the name
// /dev/stdout. When logged is closed, nobody has the pipe any more and all of it is written.
func (p *process) openLog() (output *os.File, logged <-chan struct{}, err error) {
	pod := p.container.pod
	name := fmt.Sprintf("%s_%s_%s.log", pod.object.Namespace, pod.object.Name, p.container.spec.Name)
	log, err := logfile.Open(filepath.Join(pod.agent.Logs, name))
	if err != nil {
		return nil, nil, err
	}
	input, output, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	if err := output.Chown(p.spec.User.ID, p.spec.User.Group); err != nil {
		return nil, nil, errors.Join(err, input.Close(), output.Close(), log.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer input.Close()
		_, err := io.Copy(log, input)
		if err := errors.Join(err, log.Close()); err != nil {
			pod.log.Error("cannot write the log", "container", p.container.spec.Name, "error", err)
		}
	}()
	return output, done, nil
}

// writeSpec makes a file to read a spec from, which has no name.
func (p *process) writeSpec(spec box.Spec) (*os.File, error) {
	file, err := os.CreateTemp(p.container.pod.dir, "spec-")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Remove(file.Name()), json.NewEncoder(file).Encode(spec)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	_, err = file.Seek(0, io.SeekStart)
	return file, err
}

// stdio are the standard files of a command; nil for none.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// join runs a command where the process is, as its user, with its environment and rights.
func (p *process) join(ctx context.Context, command []string, files stdio) error {
	spec := p.spec
	spec.Joins, spec.Command = true, command
	program, err := os.Open(p.container.pod.agent.Container)
	if err != nil {
		return err
	}
	defer program.Close()
	there := []string{
		"--target", strconv.Itoa(p.command.Process.Pid), "--mount", "--pid", "--net", "--uts", "--root", "--",
		fmt.Sprintf("/proc/self/fd/%d", box.ProgramFile),
	}
	cmd := exec.CommandContext(ctx, "nsenter", there...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files.in, files.out, files.err
	cmd.WaitDelay = time.Second
	failure, err := p.startWith(cmd, spec, nil, program)
	if err != nil {
		return err
	}
	return errors.Join(failure, cmd.Wait())
}

// stop ends the process: its hook, a signal, and without asking when the context ends. As from a kubelet, a process
// whose hook took all the time gets a little more.
func (p *process) stop(ctx context.Context) {
	p.beforeStop(ctx)
	signal := syscall.SIGTERM
	lifecycle := p.container.spec.Lifecycle
	if lifecycle != nil && lifecycle.StopSignal != nil && strings.HasSuffix(string(*lifecycle.StopSignal), "QUIT") {
		signal = syscall.SIGQUIT
	}
	_ = p.command.Process.Signal(signal) // fails if it has ended by itself
	if ctx.Err() != nil && lifecycle != nil && lifecycle.PreStop != nil {
		const leastAfterHook = 2 * time.Second
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(p.container.pod.agentRuns, leastAfterHook)
		defer cancel()
	}
	select {
	case <-p.ended:
		return
	case <-ctx.Done():
	}
	_ = p.command.Process.Kill()
	<-p.ended
}

// exitCode is as shells tell it: 128 and the signal's number for who was killed.
func (p *process) exitCode() int {
	status := p.command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
