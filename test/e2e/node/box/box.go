// Package box puts a process where a container's would be: into a root of its own that it may write to and
// nobody sees, with the pod's volumes in it, as the pod's user. It knows nothing of Kubernetes, and is all
// that cmd/container has, so that starting a container costs next to nothing.
package box

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// These are the file descriptors that cmd/container is started with.
const (
	SpecFile    = 3 + iota // a Spec as JSON
	FailureFile            // a pipe to which it writes why there is no command; it is closed when there is one
	ProgramFile            // only of one that joins a container: itself
)

// Spec says what to run and what it sees.
type Spec struct {
	Root     string   // its files; "/" for this machine's
	Scratch  string   // an empty directory, covered in this mount namespace only
	ReadOnly bool     // the root, not the mounts
	Mounts   []Mount  // parents first
	Command  []string // found by the PATH of Env, below Root
	Env      []string
	Dir      string
	Hostname string
	Hidden   string // a directory of this machine; mounts in it are not shown in a container whose root is "/"

	User         User
	Capabilities Capabilities
	Confined     bool // no program may gain rights

	Joins bool // this process is in the container already: the above is true but for the user and what follows
}

// Mount shows a file or directory of this machine.
type Mount struct {
	Source   string
	Target   string // below Root
	ReadOnly bool
}

// Enter turns this process, which must be the first of its own mount, PID and UTS namespaces unless it joins others, into
// the command. It returns only what went wrong.
func (s Spec) Enter() error {
	runtime.LockOSThread() // some of what follows is of a thread
	for file := SpecFile; file <= ProgramFile; file++ {
		unix.CloseOnExec(file)
	}
	if !s.Joins {
		if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
			return fmt.Errorf("set the hostname: %w", err)
		}
		if err := s.buildRoot(); err != nil {
			return err
		}
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if len(s.Command) == 0 {
		return fmt.Errorf("the image has no command")
	}
	program, err := lookPath(s.Command[0], s.Env)
	if err != nil {
		return err
	}
	if err := s.becomeUser(); err != nil {
		return err
	}
	// A change of user takes this away from a process; without it the command would outlive the node agent.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the node agent: %w", err)
	}
	return fmt.Errorf("execute %s: %w", program, unix.Exec(program, s.Command, s.Env))
}

// hidden is where this machine's files are while the root is built.
const hidden = "/.host"

// buildRoot lays memory over the root's files and makes that this process's root. Mounts come after, so that no link
// in the root leads to this machine's files.
func (s Spec) buildRoot() error {
	mounts, err := s.allMounts()
	if err != nil {
		return err
	}
	root, err := s.overlay()
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := os.Mkdir("."+hidden, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."+hidden); err != nil {
		return fmt.Errorf("change the root to %s: %w", root, err)
	}
	if s.Root != "/" {
		if err := makeDevices(); err != nil {
			return err
		}
	}
	for _, m := range mounts {
		if err := m.make(); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.Source, m.Target, err)
		}
	}
	if err := mountNew("proc", "/proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := unix.Unmount(hidden, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := os.Remove(hidden); err != nil {
		return err
	}
	if s.ReadOnly {
		if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return nil
}

// overlay lays memory over the root's files.
func (s Spec) overlay() (root string, err error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := unix.Mount("container", s.Scratch, "tmpfs", 0, "mode=0755,size=256m"); err != nil {
		return "", fmt.Errorf("mount memory on %s: %w", s.Scratch, err)
	}
	upper, work, root := filepath.Join(s.Scratch, "upper"), filepath.Join(s.Scratch, "work"), filepath.Join(s.Scratch, "root")
	for _, dir := range []string{upper, work, root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", err
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", s.Root, upper, work)
	if err := unix.Mount("container", root, "overlay", 0, layers); err != nil {
		return "", fmt.Errorf("lay memory over %s: %w", s.Root, err)
	}
	return root, nil
}

// allMounts are what every container has, then the pod's volumes; without links in their sources.
func (s Spec) allMounts() ([]Mount, error) {
	mounts := []Mount{{Source: "/sys", Target: "/sys", ReadOnly: true}}
	if s.Root == "/" {
		text, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return nil, err
		}
		mounts = machineMounts(string(text), s.Hidden)
	}
	mounts = append(mounts, s.Mounts...)
	for i, m := range mounts {
		source, err := filepath.EvalSymlinks(m.Source)
		if err != nil {
			return nil, err
		}
		mounts[i].Source = source
	}
	return mounts, nil
}

// machineMounts are the topmost mounts of this machine besides /, /proc and what is hidden: an overlay of / is without them.
func machineMounts(mountinfo, hidden string) []Mount {
	var mounts []Mount
	for line := range strings.Lines(mountinfo) {
		target := strings.Fields(line)[4]
		above := func(m Mount) bool { return target == m.Target || strings.HasPrefix(target, m.Target+"/") }
		if target != "/" && !above(Mount{Target: "/proc"}) && !above(Mount{Target: hidden}) && !slices.ContainsFunc(mounts, above) {
			mounts = append(mounts, Mount{Source: target, Target: target})
		}
	}
	return mounts
}

func (m Mount) make() error {
	from := hidden + m.Source
	source, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := place(m.Target, source.IsDir()); err != nil {
		return err
	}
	if err := unix.Mount(from, m.Target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if m.ReadOnly {
		return unix.Mount("", m.Target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
	}
	return nil
}

// place makes what can be mounted upon.
func place(target string, isDir bool) error {
	if isDir {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if there, err := os.Lstat(target); err == nil && there.Mode()&os.ModeSymlink != 0 {
		if err := os.Remove(target); err != nil { // a link may lead to nothing, as that of resolv.conf often does
			return err
		}
	}
	f, err := os.OpenFile(target, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// lookPath finds a program by the PATH of the container, not by this process's.
func lookPath(name string, env []string) (string, error) {
	for _, e := range env {
		if path, is := strings.CutPrefix(e, "PATH="); is {
			if err := os.Setenv("PATH", path); err != nil {
				return "", err
			}
		}
	}
	return exec.LookPath(name)
}
