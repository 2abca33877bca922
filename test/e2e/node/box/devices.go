package box

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// makeDevices fills /dev as container engines do: a few devices, terminals and shared memory of its own, and the links by
// which images write to standard output.
func makeDevices() error {
	if err := mountNew("tmpfs", "/dev", unix.MS_NOSUID, "mode=0755,size=64k"); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		device := Mount{Source: "/dev/" + name, Target: "/dev/" + name}
		if err := device.make(); err != nil {
			return fmt.Errorf("show %s: %w", device.Source, err)
		}
	}
	if err := mountNew("tmpfs", "/dev/shm", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size=64m"); err != nil {
		return err
	}
	if err := mountNew("devpts", "/dev/pts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(to, "/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

// mountNew mounts a file system of its own on a directory, which is made if need be.
func mountNew(kind, target string, flags uintptr, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount a %s on %s: %w", kind, target, err)
	}
	return nil
}
