package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-ingress/sluice/test/e2e/logfile"
)

// parts are the processes of a cluster.
type parts struct {
	cluster *Cluster
	failed  func(error) // called when one ends that nobody has killed

	mu      sync.Mutex
	running map[string]*part
}

type part struct {
	command  *exec.Cmd
	log      io.Closer
	ended    chan struct{}
	expected bool // guarded by the mutex of parts
}

func newParts(c *Cluster, failed func(error)) *parts {
	return &parts{cluster: c, failed: failed, running: map[string]*part{}}
}

// start starts a component. It is killed with this process.
func (p *parts) start(name string) error {
	all := append(p.cluster.servers(), p.cluster.clients()...)
	at := slices.IndexFunc(all, func(c component) bool { return c.name == name })
	if at < 0 {
		return fmt.Errorf("there is no component %q", name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[name] != nil {
		return fmt.Errorf("%s runs already", name)
	}
	log, err := logfile.Open(p.cluster.path("logs", name+".log"))
	if err != nil {
		return err
	}
	command := exec.Command(filepath.Join(p.cluster.Programs, all[at].program), all[at].args...)
	command.Stdout, command.Stderr = log, log
	command.WaitDelay = time.Second // if something that it started still has its output
	// In a group of its own, as Ctrl-C is not for it.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if all[at].mounts {
		command.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	if err := command.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	started := &part{command: command, log: log, ended: make(chan struct{})}
	p.running[name] = started
	go p.watch(name, started)
	return nil
}

func (p *parts) watch(name string, of *part) {
	err := errors.Join(of.command.Wait(), of.log.Close())
	p.mu.Lock()
	expected := of.expected
	delete(p.running, name)
	p.mu.Unlock()
	close(of.ended)
	if !expected {
		p.failed(fmt.Errorf("%s ended, see %s: %v", name, p.cluster.path("logs", name+".log"), err))
	}
}

// kill ends a component at once and returns when it has ended. What a node agent ran is killed with it.
func (p *parts) kill(name string) error {
	p.mu.Lock()
	running := p.running[name]
	if running == nil {
		p.mu.Unlock()
		return fmt.Errorf("%s does not run", name)
	}
	running.expected = true
	p.mu.Unlock()
	process := running.command.Process
	_ = process.Signal(syscall.SIGSTOP) // fails if it has ended by itself, and so on
	pods := children(process.Pid)       // all, as it cannot start more
	_ = process.Kill()
	<-running.ended
	for _, pod := range pods { // now ours, see AdoptOrphans; killed by the kernel, but for programs with file capabilities
		_ = syscall.Kill(pod, syscall.SIGKILL)
		_, _ = syscall.Wait4(pod, nil, 0, nil)
	}
	return nil
}

func (p *parts) killAll() {
	p.mu.Lock()
	var names []string
	for name, running := range p.running {
		running.expected = true
		_ = running.command.Process.Kill()
		names = append(names, name)
	}
	p.mu.Unlock()
	for _, name := range names {
		_ = p.kill(name) // waits; fails if it has ended meanwhile
	}
}

// AdoptOrphans makes this process the parent of what its children leave behind, so that KillOrphans finds it.
func AdoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// KillOrphans kills all children of this process, of which none may be waited for elsewhere, and returns when none is left.
func KillOrphans() {
	for {
		for _, child := range children(os.Getpid()) {
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

func children(of int) []int {
	var all []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", of)) // the pattern is right
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if id, err := strconv.Atoi(field); err == nil {
				all = append(all, id)
			}
		}
	}
	return all
}

// Command runs one for a user of the cluster: it sees the kubeconfig, and gets a SIGTERM when the context ends.
func (c *Cluster) Command(ctx context.Context, words ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig(), DirVariable+"="+c.Dir)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}
