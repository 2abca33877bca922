package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// The names of the programs in ingress-nginx's image. Existing manifests start them, so our image has links of these
// names that lead to us.
const (
	controllerLink   = "/nginx-ingress-controller"
	waitShutdownLink = "/wait-shutdown"
)

// commandLine turns what the process was started with into what follows the program's name: a link of the image is a
// program's name and a command in one.
func commandLine(args []string) []string {
	switch args[0] {
	case controllerLink:
		return append([]string{"controller"}, args[1:]...)
	case waitShutdownLink:
		return append([]string{"wait-shutdown"}, args[1:]...)
	default:
		return args[1:]
	}
}

// isController tells whether a command line is that of our daemon.
func isController(args []string) bool {
	if len(args) == 0 {
		return false
	}
	args = commandLine(args)
	return len(args) > 0 && (args[0] == "controller" || args[0] == controllerLink)
}

func waitShutdownCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "wait-shutdown",
		Short: "Stop the controller of this container and return when it is gone",
		Long: "Sends SIGTERM to the controller that runs in the same container and returns when that is gone.\n" +
			"It is for preStop hooks; existing manifests call it " + waitShutdownLink + ".",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return stopControllers(cmd.Context()) },
	}
}

// stopControllers returns at once if there is none.
func stopControllers(ctx context.Context) error {
	if err := useCapabilities(); err != nil {
		return err
	}
	controllers, err := findControllers()
	for _, c := range controllers {
		err = errors.Join(err, signalled(c, syscall.SIGTERM))
	}
	for _, c := range controllers {
		err = errors.Join(err, waitGone(ctx, c))
	}
	return err
}

// useCapabilities has this goroutine use what it may: the kernel shows whose program a process runs only to who uses at least
// the capabilities that the process may use (ptrace(2), access mode checking), and ours are given unused.
func useCapabilities() error {
	runtime.LockOSThread() // for good: capabilities are a thread's
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read our capabilities: %w", err)
	}
	for i := range sets {
		sets[i].Effective = sets[i].Permitted
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("use our capabilities: %w", err)
	}
	return nil
}

// findControllers looks at all processes we see, which may be those of the whole pod or of the machine. It is an error
// if there are controllers but the kernel lets us look at none closely enough to know it for ours.
func findControllers() ([]*os.Process, error) {
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []*os.Process
	var unknown error
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || !runsController(pid) {
			continue
		}
		p, err := os.FindProcess(pid) // from here on it cannot be taken for a later process of that number
		if err == nil && runsController(pid) {
			var ours bool
			if ours, err = isOurs(pid); ours {
				found = append(found, p)
			}
		}
		if err != nil && !isGone(err) {
			unknown = errors.Join(unknown, fmt.Errorf("process %d is a controller, perhaps another container's: %w", pid, err))
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, unknown
}

func runsController(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && isController(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"))
}

// isOurs tells whether a process runs our program and sees the same files, which no process of another container does.
func isOurs(pid int) (bool, error) {
	for _, name := range []string{"exe", "ns/mnt"} {
		theirs, err := os.Stat(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			return false, err
		}
		ours, err := os.Stat("/proc/self/" + name)
		if err != nil {
			return false, err
		}
		if !os.SameFile(theirs, ours) {
			return false, nil
		}
	}
	return true, nil
}

func signalled(p *os.Process, s os.Signal) error {
	if err := p.Signal(s); err != nil && !isGone(err) {
		return fmt.Errorf("signal the controller, process %d: %w", p.Pid, err)
	}
	return nil
}

// waitGone asks again and again, as only parents are told.
func waitGone(ctx context.Context, p *os.Process) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		switch err := p.Signal(syscall.Signal(0)); {
		case isGone(err):
			return nil
		case err != nil:
			return fmt.Errorf("wait for the controller, process %d: %w", p.Pid, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d still runs: %w", p.Pid, ctx.Err())
		case <-ticker.C:
		}
	}
}

func isGone(err error) bool {
	return slices.ContainsFunc([]error{os.ErrProcessDone, syscall.ESRCH, fs.ErrNotExist}, func(gone error) bool { return errors.Is(err, gone) })
}
