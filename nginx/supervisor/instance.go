package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// instance is one NGINX: a master process with its workers, in a process group of their own.
type instance struct {
	pid        int // of the master, and of the group
	cmd        *exec.Cmd
	started    time.Time
	up         chan struct{} // closed when every worker has reported for the first time
	noteUp     func()        // closes it
	gone       chan struct{} // closed when the master has ended
	ended      error         // how; to be read after gone
	logged     chan struct{} // closed when nobody can write messages any more
	complaints complaints
}

// start starts NGINX with what conf/current points to.
func (s *Supervisor) start() (*instance, error) {
	messages, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start NGINX: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(s.options.Binary, "-e", "stderr", "-c", s.configurations.main())
	cmd.Dir = s.options.Dir // by which ours are known, see leftovers
	cmd.Stdout = s.options.Stdout
	// A pipe of our own: with one of exec's, Wait would wait for orphaned workers, which hold it too.
	cmd.Stderr = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		messages.Close()
		return nil, fmt.Errorf("start NGINX: %w", err)
	}
	m := &instance{
		pid: cmd.Process.Pid, cmd: cmd, started: time.Now(),
		gone: make(chan struct{}), logged: make(chan struct{}),
	}
	m.up = make(chan struct{})
	m.noteUp = sync.OnceFunc(func() { close(m.up) })
	go func() {
		defer close(m.logged)
		defer messages.Close()
		m.complaints.follow(messages, s.options.Stderr)
	}()
	go func() {
		m.ended = cmd.Wait()
		if m.ended == nil {
			m.ended = errors.New("exit status 0")
		}
		close(m.gone)
	}()
	return m, nil
}

// isUp tells whether all workers have started and the master lives. There may be no instance.
func (m *instance) isUp() bool {
	if m == nil || m.isGone() {
		return false
	}
	select {
	case <-m.up:
		return true
	default:
		return false
	}
}

func (m *instance) isGone() bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}

// signal sends a signal to the master.
func (m *instance) signal(sig syscall.Signal) error { return m.cmd.Process.Signal(sig) }

// kill ends the whole group at once.
func (m *instance) kill() { _ = syscall.Kill(-m.pid, syscall.SIGKILL) }

// quit ends NGINX: workers may finish what they do until grace is over. While NGINX starts there is nothing
// to finish, and as it does not handle signals yet, SIGQUIT would leave a core file, keys included.
func (m *instance) quit(grace time.Duration) {
	if m.isUp() && m.askUntilGone(syscall.SIGQUIT, grace) || m.askUntilGone(syscall.SIGTERM, 2*time.Second) {
		return
	}
	m.kill()
	<-m.gone
}

// askUntilGone repeats a signal, because NGINX may miss one while it starts.
func (m *instance) askUntilGone(sig syscall.Signal, limit time.Duration) bool {
	deadline := time.After(limit)
	for {
		_ = m.signal(sig)
		select {
		case <-m.gone:
			return true
		case <-deadline:
			return false
		case <-time.After(time.Second):
		}
	}
}

// lastWords is why a master that has ended gave up, if it said so.
func (m *instance) lastWords() string {
	select {
	case <-m.logged:
	case <-time.After(10 * poll): // workers are left, so it is not its start that failed
	}
	return m.complaints.last()
}

// complaints passes NGINX's messages on and remembers the last one that says why it refuses something.
type complaints struct {
	mu   sync.Mutex
	line string
}

// follow ends when no process can write to the pipe any more.
func (c *complaints) follow(messages io.Reader, out io.Writer) {
	lines := bufio.NewReaderSize(messages, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		_, _ = out.Write(line)
		if isGrave(string(line)) {
			c.mu.Lock()
			c.line = strings.TrimSpace(string(line))
			c.mu.Unlock()
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// isGrave leaves out what merely follows from the line before.
func isGrave(line string) bool {
	return strings.Contains(line, "[emerg] ") && !strings.Contains(line, "still could not bind()")
}

func (c *complaints) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.line
}

func (c *complaints) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = ""
}

// writePID notes the group, so that a successor of ours finds what a crash of ours left behind.
func writePID(path string, pid int) error {
	temporary := path + unwritten
	if err := os.WriteFile(temporary, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
