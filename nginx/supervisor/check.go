package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/listen"
)

// ConfigError is NGINX's verdict on a configuration.
type ConfigError struct {
	File    string `json:"file,omitempty"` // relative to the configuration's directory if in there, "" if not known
	Line    int    `json:"line,omitempty"` // from 1, 0 if not known
	Message string `json:"message"`
	Object  string `json:"object,omitempty"` // that the line comes from, "" if not known
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString("NGINX refuses the configuration: ")
	b.WriteString(e.Message)
	if e.File != "" {
		fmt.Fprintf(&b, " in %s:%d", e.File, e.Line)
	}
	if e.Object != "" {
		fmt.Fprintf(&b, " (%s)", e.Object)
	}
	return b.String()
}

// Verdict returns NGINX's message and the place it names: a file of the configuration, "" if there is none, and a line from 1.
func (e *ConfigError) Verdict() (message, file string, line int) { return e.Message, e.File, e.Line }

// outputLimit is how much of a test's output is kept; the verdict is at its end.
const outputLimit = 64 << 10

// errInterrupted says that a test had to make way for NGINX.
var errInterrupted = errors.New("the test made way for a start of NGINX")

// test has NGINX check a configuration that is on disk.
func (s *Supervisor) test(ctx context.Context, files nginx.Files) error {
	for {
		if err := s.sockets.Enter(ctx); err != nil {
			return fmt.Errorf("wait to test the configuration: %w", err)
		}
		started := time.Now()
		err := s.runTest(ctx, files)
		s.sockets.Leave()
		if errors.Is(err, errInterrupted) {
			continue
		}
		s.options.Observer.Tested(time.Since(started), err)
		return err
	}
}

func (s *Supervisor) runTest(ctx context.Context, files nginx.Files) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.ReloadTimeout,
		fmt.Errorf("it takes longer than %s", s.options.ReloadTimeout))
	defer cancel()
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	s.setInterrupt(func() { interrupt(errInterrupted) })
	defer s.setInterrupt(nil)

	dir := s.configurations.directory(files.Generation)
	output := tail{limit: outputLimit}
	cmd := exec.CommandContext(ctx, s.options.Binary, "-t", "-q", "-e", "stderr", "-c", filepath.Join(dir, mainFile))
	cmd.Dir = s.options.Dir
	cmd.Env = append(os.Environ(), "SLUICE_CONFIG_TEST=1")
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return s.tryPorts(files)
	case ctx.Err() != nil:
		return fmt.Errorf("test the configuration: %w", context.Cause(ctx))
	case !errors.As(err, &exit):
		return fmt.Errorf("test the configuration: %w", err)
	}
	return newConfigError(verdict(output.String(), err), files, dir)
}

// tryPorts finds a port that another program has. Those of the configuration that NGINX runs are its own.
func (s *Supervisor) tryPorts(files nginx.Files) error {
	conf, _ := files.Get(mainFile)
	running := func() []byte {
		text, _ := os.ReadFile(filepath.Join(s.configurations.directory(s.configurations.current()), mainFile)) // there may be none
		return text
	}
	if err := listen.Further(conf, running); err != nil {
		return &ConfigError{Message: err.Error()}
	}
	return nil
}

func (s *Supervisor) setInterrupt(f context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = f
}

// verdict finds the message in NGINX's output that says why it gave up: the last grave one.
func verdict(output string, err error) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if grave.MatchString(lines[i]) {
			return lines[i]
		}
	}
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}

var (
	grave = regexp.MustCompile(`\[(emerg|alert|crit|error)\] `)
	// A line has a severity, when it comes from a log also a process and a connection, a message and
	// often a place.
	messageForm = regexp.MustCompile(`^(?:.*?\[(?:emerg|alert|crit|error)\] )?(?:\d+#\d+: )?(?:\*\d+ )?(.*?)(?: in (\S+):(\d+))?$`)
)

const messageLimit = 1000

func newConfigError(line string, files nginx.Files, dir string) *ConfigError {
	m := messageForm.FindStringSubmatch(strings.TrimSpace(line))
	if m == nil {
		m = []string{line, line, "", ""}
	}
	e := &ConfigError{Message: m[1], File: m[2]}
	e.Line, _ = strconv.Atoi(m[3])
	// NGINX repeats the argument it dislikes, which may be a key.
	if i := strings.Index(e.Message, "-----BEGIN"); i >= 0 {
		e.Message = e.Message[:i] + "…"
	}
	current := filepath.Join(filepath.Dir(dir), link)
	for _, prefix := range []string{dir, current} {
		prefix += string(filepath.Separator)
		e.File = strings.TrimPrefix(e.File, prefix)
		e.Message = strings.ReplaceAll(e.Message, prefix, "")
	}
	if len(e.Message) > messageLimit {
		e.Message = strings.ToValidUTF8(e.Message[:messageLimit], "") + "…"
	}
	return e.Of(files)
}

// Of names the object that the refused line comes from, by the layout of the files that were refused.
func (e *ConfigError) Of(files nginx.Files) *ConfigError {
	if e.File == mainFile {
		e.Object = files.Layout.At(e.Line).String()
	}
	return e
}

// startError is a failed start or reload, with the gravest thing that NGINX wrote meanwhile.
type startError struct {
	what      string
	cause     error
	complaint string // a line of NGINX's log, or ""
}

func newStartError(what string, cause error, complaint string) error {
	return &startError{what, cause, complaint}
}

func (e *startError) Unwrap() error { return e.cause }

func (e *startError) Error() string {
	text := e.cause.Error()
	if e.what != "" {
		text = e.what + ": " + text
	}
	if e.complaint != "" {
		text += ": " + newConfigError(e.complaint, nginx.Files{}, "").Message
	}
	return text
}

// blame turns the failure of a start or reload into a ConfigError if NGINX named a place in the
// configuration.
func blame(err error, files nginx.Files, dir string) error {
	var failed *startError
	if !errors.As(err, &failed) || failed.complaint == "" {
		return err
	}
	if e := newConfigError(failed.complaint, files, dir); e.File != "" {
		return e
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - t.limit; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
