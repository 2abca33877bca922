package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// measure prints how large the configuration of so many hosts is, how long NGINX takes to check it and how
// much memory its processes have.
func measure(ctx context.Context, dir, lua string, hosts int) error {
	dir = filepath.Join(dir, fmt.Sprint("size-", hosts))
	start := time.Now()
	p, err := plan(dir, lua, hosts)
	if err != nil {
		return err
	}
	planned := time.Since(start)
	test := filepath.Join(dir, "test")
	if err := os.MkdirAll(test, 0o755); err != nil { //nolint:gosec // workers are another user
		return err
	}
	bytes := 0
	for _, f := range p.Files.List {
		if err := os.WriteFile(filepath.Join(test, f.Name), f.Content, 0o600); err != nil {
			return err
		}
		if f.Name == "nginx.conf" {
			bytes = len(f.Content)
		}
	}
	cmd := exec.CommandContext(ctx, binary, "-t", "-q", "-c", filepath.Join(test, "nginx.conf"))
	cmd.Env = append(os.Environ(), "SLUICE_CONFIG_TEST=1")
	start = time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nginx -t: %w\n%s", err, out)
	}
	tested := time.Since(start)
	n, err := startSluice(ctx, dir, lua, hosts)
	if err != nil {
		return err
	}
	defer n.stop()
	if _, _, err := send(n.port, hosts, 2*time.Second); err != nil {
		return err
	}
	worker := 0
	for _, pid := range children(n.master) {
		worker = max(worker, resident(pid))
	}
	fmt.Printf("%-34s %10s %10s %10d %9d MB %9d MB\n", fmt.Sprintf("%d Ingresses × 2 paths", hosts),
		planned.Round(time.Millisecond), tested.Round(time.Millisecond), bytes, resident(n.master), worker)
	return nil
}

// resident is the resident memory of a process in MB.
func resident(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kb int
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, _ = fmt.Sscan(rest, &kb)
		}
	}
	return kb / 1024
}
