package node

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// addresses gives out those of a range in turn, so that one that was given back rests as long as possible.
type addresses struct {
	mu     sync.Mutex
	within netip.Prefix
	last   netip.Addr
	taken  map[netip.Addr]bool
}

func newAddresses(within netip.Prefix) *addresses {
	within = within.Masked()
	return &addresses{within: within, last: within.Addr(), taken: map[netip.Addr]bool{}}
}

func (a *addresses) take() (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range 1 << (a.within.Addr().BitLen() - a.within.Bits()) {
		a.last = a.last.Next()
		if !a.within.Contains(a.last.Next()) { // the last is for broadcasts, the first is the range's own
			a.last = a.within.Addr().Next()
		}
		if !a.taken[a.last] {
			a.taken[a.last] = true
			return a.last, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all addresses of %s are taken", a.within)
}

func (a *addresses) giveBack(address netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.taken, address)
}

// thread starts processes, in any network namespace. All come from one thread that lives as long as the
// agent: the kernel kills a child when the thread that started it ends.
type thread struct{ work chan func() }

func newThread() *thread {
	t := &thread{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for work := range t.work {
			work()
		}
	}()
	return t
}

// in runs work in a network namespace; the agent's own when it is nil.
func (t *thread) in(namespace *os.File, work func() error) error {
	result := make(chan error)
	t.work <- func() { result <- within(namespace, work) }
	return <-result
}

func within(namespace *os.File, work func() error) error {
	if namespace == nil {
		return work()
	}
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a pod's network: %w", err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic("the node agent cannot return to its network: " + err.Error())
		}
	}()
	return work()
}

// newNetwork makes a network namespace that lives as long as the file or a process in it.
func (t *thread) newNetwork() (*os.File, error) {
	var made *os.File
	err := t.in(nil, func() error {
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer home.Close()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network: %w", err)
		}
		if made, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return unix.Setns(int(home.Fd()), unix.CLONE_NEWNET)
	})
	return made, err
}

// gateway is what pods think the next hop is. It is the same for all, and never leaves the link.
const gateway = "169.254.1.1"

// connect joins a pod's network to the agent's: the address is reached by a route of its own, which wins
// over the whole range being local.
func (t *thread) connect(network *os.File, address, node netip.Addr, sysctls map[string]string) error {
	link := linkName(address)
	if _, err := net.InterfaceByName(link); err == nil { // of an agent that was killed
		if err := ip("link del " + link); err != nil {
			return err
		}
	}
	err := t.in(nil, func() error {
		return ip(
			fmt.Sprintf("link add %s type veth peer name eth0 netns /proc/%d/fd/%d", link, os.Getpid(), network.Fd()),
			fmt.Sprintf("address add %s/32 dev %s", gateway, link),
			fmt.Sprintf("link set %s up", link),
			fmt.Sprintf("route add %s dev %s src %s table local", address, link, node),
		)
	})
	if err != nil {
		return err
	}
	return t.in(network, func() error {
		for file, value := range sysctls {
			if err := os.WriteFile(file, []byte(value), 0); err != nil {
				return fmt.Errorf("sysctl: %w", err)
			}
		}
		return ip(
			"link set lo up",
			fmt.Sprintf("address add %s/32 dev eth0", address),
			"link set eth0 up",
			fmt.Sprintf("route add %s dev eth0", gateway),
			fmt.Sprintf("route add default via %s", gateway),
		)
	})
}

// disconnect comes before the network is closed: the kernel removes the link too, but some time after.
func disconnect(address netip.Addr) error { return ip("link del " + linkName(address)) }

func linkName(address netip.Addr) string { return fmt.Sprintf("pod%x", address.As4()) }

func ip(commands ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}
