package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs, with all that it has started.
type process struct {
	cmd  *exec.Cmd
	log  string // file of what it says
	done chan struct{}
	err  error // how it ended, once done is closed
}

// start starts a program on the given processors, all if empty, as in taskset(1). What it says goes to the file DIR/NAME.log.
func start(dir, cpus, name string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(dir, filepath.Base(name)+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = command(context.Background(), cpus, name, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), "POD_NAMESPACE=bench", "POD_NAME=bench")
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func command(ctx context.Context, cpus, name string, args ...string) *exec.Cmd {
	if cpus == "" {
		return exec.CommandContext(ctx, name, args...)
	}
	return exec.CommandContext(ctx, "taskset", append([]string{"--cpu-list", cpus, name}, args...)...)
}

// run runs a program to its end.
func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// signal sends a signal to the program itself: taskset has become it.
func (p *process) signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// stop ends the program and waits until it has gone. One that does not end by itself is killed with its children.
func (p *process) stop() {
	_ = p.signal(syscall.SIGTERM) // it may have gone
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		for _, pid := range Tree(p.cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-p.done
	}
}

// await asks until there is no error, the program has gone, or the time is over.
func (p *process) await(ctx context.Context, within time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %w\n%s", p.cmd.Path, p.err, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w\n%s", p.cmd.Path, within, err, p.lastWords())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// lastWords are the last lines of the log.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// Tree is a process and all that descend from it.
func Tree(pid int) []int {
	list := []int{pid}
	var text []byte
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well-formed
	for _, file := range threads {
		part, _ := os.ReadFile(file) // none of a thread that has gone
		text = append(text, part...)
	}
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			list = append(list, Tree(child)...)
		}
	}
	return list
}

// tick is the unit of times in /proc: the kernel's USER_HZ, 100 on all of Linux.
const tick = time.Second / 100

// CPU is the time that processes have used, and what those of their children that have gone used.
func CPU(pids []int) time.Duration {
	var ticks int64
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has gone
		}
		// The name, in brackets, may hold anything; utime to cstime are fields 14 to 17 of proc_pid_stat(5).
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, field := range fields[11:15] {
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// named are those of the processes that run a program.
func named(pids []int, program string) []int {
	var list []int
	for _, pid := range pids {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(name)) == program {
			list = append(list, pid)
		}
	}
	return list
}

// Proportional is the memory of processes in bytes; what several of them share counts once.
func Proportional(pids []int) int64 {
	var sum int64
	for _, pid := range pids {
		n, err := memory(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		if err == nil { // else it has gone
			sum += n
		}
	}
	return sum
}

// Largest is the resident memory of the largest of the processes in bytes.
func Largest(pids []int) int64 {
	var most int64
	for _, pid := range pids {
		n, err := memory(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
		if err == nil {
			most = max(most, n)
		}
	}
	return most
}

// memory reads a line of a file of /proc.
func memory(name, field string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, field); is {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New(name + " has no " + field)
}
