package box

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// User is who runs the command.
type User struct {
	ID     int
	Group  int
	Groups []int
}

// ParseUser reads what an image says of its user: "101" or "101:82".
func ParseUser(text string) (User, error) {
	id, group, hasGroup := strings.Cut(text, ":")
	var u User
	var err error
	if u.ID, err = strconv.Atoi(id); err != nil {
		return u, fmt.Errorf("user %q: not a number", text)
	}
	if hasGroup {
		if u.Group, err = strconv.Atoi(group); err != nil {
			return u, fmt.Errorf("group of user %q: not a number", text)
		}
	}
	return u, nil
}

// Capabilities is a set of them, each one bit by its number (capabilities(7)).
type Capabilities uint64

// AllCapabilities are those that this machine's root has, too.
const AllCapabilities = ^Capabilities(0)

// capabilityNames are by number, as in linux/capability.h.
var capabilityNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// ParseCapability reads a name as pods have it, with or without CAP_; ALL is all of them.
func ParseCapability(name string) (Capabilities, error) {
	name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	if name == "ALL" {
		return AllCapabilities, nil
	}
	number := slices.Index(capabilityNames, name)
	if number < 0 {
		return 0, fmt.Errorf("there is no capability %q", name)
	}
	return 1 << number, nil
}

// becomeUser leaves what a container engine leaves: the capabilities are permitted, effective and in the bounding set, but
// neither inheritable nor ambient. So a program that is not run by root only has those that its file has as well.
func (s Spec) becomeUser() error {
	capabilities, err := s.limitCapabilities()
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	if err := unix.Setgroups(s.User.Groups); err != nil {
		return fmt.Errorf("set the groups: %w", err)
	}
	if err := unix.Setresgid(s.User.Group, s.User.Group, s.User.Group); err != nil {
		return fmt.Errorf("become group %d: %w", s.User.Group, err)
	}
	if err := unix.Setresuid(s.User.ID, s.User.ID, s.User.ID); err != nil {
		return fmt.Errorf("become user %d: %w", s.User.ID, err)
	}
	if err := capabilities.set(); err != nil {
		return err
	}
	if s.Confined {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("forbid new rights: %w", err)
		}
	}
	return nil
}

// limitCapabilities takes from the bounding set what the container may not have, and returns what it does have: this
// machine may have less.
func (s Spec) limitCapabilities() (Capabilities, error) {
	var here [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &here[0]); err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	for number := range bits.Len64(uint64(AllCapabilities)) {
		if s.Capabilities&(1<<number) != 0 {
			continue
		}
		if known, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(number), 0, 0, 0); err != nil || known == 0 {
			continue // this kernel has no more, or this machine lacks it
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(number), 0, 0, 0); err != nil {
			return 0, fmt.Errorf("drop capability %d: %w", number, err)
		}
	}
	return s.Capabilities & (Capabilities(here[0].Permitted) | Capabilities(here[1].Permitted)<<32), nil
}

func (c Capabilities) set() error {
	low, high := uint32(c), uint32(c>>32)
	sets := [2]unix.CapUserData{{Effective: low, Permitted: low}, {Effective: high, Permitted: high}}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	return nil
}
