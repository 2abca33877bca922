package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// namespaces is where `ip netns` looks for them by name.
const namespaces = "/run/netns"

// Enclose runs a program in a network namespace of its own, which `ip netns exec NAME` enters, until it ends. The
// program gets a SIGTERM when the context ends or this process does.
//
// The name is a link to the program's namespace, not a mount: the kernel removes the namespace with the last process in
// it, however that ends.
func Enclose(ctx context.Context, name string, program *exec.Cmd) error {
	if err := os.MkdirAll(namespaces, 0o755); err != nil {
		return err
	}
	sweep()
	link := filepath.Join(namespaces, name)
	if _, err := os.Lstat(link); err == nil {
		return fmt.Errorf("there is a network namespace called %s already", name)
	}
	program.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if err := program.Start(); err != nil {
		return fmt.Errorf("make a network namespace, which only root can: %w", err)
	}
	defer os.Remove(link) // the program does too, if it is not killed
	if err := os.Symlink(fmt.Sprintf("/proc/%d/ns/net", program.Process.Pid), link); err != nil {
		_ = program.Process.Kill()
		_ = program.Wait()
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = program.Process.Signal(syscall.SIGTERM) })()
	return program.Wait()
}

// sweep removes names whose namespace is gone: of those who were killed together with what they ran.
func sweep() {
	links, _ := filepath.Glob(filepath.Join(namespaces, "sluice-e2e-*")) // the pattern is right
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, "/proc/") {
			continue
		}
		if _, err := os.Stat(link); os.IsNotExist(err) {
			_ = os.Remove(link) // or somebody else did
		}
	}
}

// layNetwork makes the addresses of pods, Services and machines local.
func layNetwork() error {
	if shared, err := sharesNetwork(os.Getppid()); err != nil || shared {
		return errors.Join(err, errors.New("this is not a network namespace of its own"))
	}
	commands := []string{"link set lo up"}
	for _, local := range []string{podRange, serviceRange, machineRange, balancerRange} {
		commands = append(commands, fmt.Sprintf("route add local %s dev lo", local))
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, bytes.TrimSpace(output))
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) // from pod to pod
}

func sharesNetwork(with int) (bool, error) {
	mine, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return false, err
	}
	its, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", with))
	return os.SameFile(mine, its), err
}

// forward passes on connections until the listener, which may be of another network namespace, is closed.
func forward(from net.Listener, to string) {
	for {
		client, err := from.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer server.Close()
			go func() {
				_, _ = io.Copy(server, client)
				_ = server.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(client, server)
		}()
	}
}
