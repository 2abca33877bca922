//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/test/logged"
)

// daemon is a running `sluice controller --manifests`, the binary that users get.
type daemon struct {
	t         testing.TB
	cmd       *exec.Cmd
	manifests string
	state     string
	log       *logged.Text
	ports     ports
	ended     chan error
	args      []string
}

type ports struct{ http, https, health int }

// startDaemon starts the daemon on a directory with the given manifests and waits until it is ready.
func startDaemon(t testing.TB, p ports, manifests map[string]string, flags ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, manifests: t.TempDir(), state: stateDir(t), log: &logged.Text{}, ports: p, ended: make(chan error, 1)}
	for name, text := range manifests {
		d.write(name, text)
	}
	d.args = append([]string{
		"controller", "--manifests", d.manifests, "--state-dir", d.state, "--lua-dir", filepath.Join(repository(t), "rootfs/etc/nginx/lua"),
		"--http-port", strconv.Itoa(p.http), "--https-port", strconv.Itoa(p.https), "--healthz-port", strconv.Itoa(p.health),
		"--healthz-host", "127.0.0.1", "--access-log", filepath.Join(d.state, "access.log"), "--error-log", filepath.Join(d.state, "error.log"),
		"--workers", "2",
	}, flags...)
	t.Cleanup(d.stop)
	d.start()
	return d
}

// start starts the daemon, again if it was stopped, and returns how long it took to be ready.
func (d *daemon) start() time.Duration {
	d.t.Helper()
	binary := filepath.Join(repository(d.t), "bin/sluice")
	if _, err := os.Stat(binary); err != nil {
		d.t.Fatalf("%v; make build makes it", err)
	}
	d.cmd = exec.Command(binary, d.args...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func(cmd *exec.Cmd) { d.ended <- cmd.Wait() }(d.cmd)
	return d.eventually(20*time.Second, "the daemon is ready", func() error { return d.probe("/readyz") })
}

// stop ends the daemon as Ctrl-C does and checks that it leaves nothing behind.
func (d *daemon) stop() {
	if d.cmd == nil || d.cmd.ProcessState != nil {
		return
	}
	workers := processes(d.state)
	client.CloseIdleConnections() // NGINX waits a minute for the first request on one that has had none
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Kill()
		d.t.Error("the daemon did not end")
	}
	if left := processes(d.state); len(left) > 0 {
		d.t.Errorf("of processes %v %v are left", workers, left)
	}
	if d.t.Failed() {
		d.t.Logf("log:\n%s", tail(d.log.String(), 6000))
		errorLog, _ := os.ReadFile(filepath.Join(d.state, "error.log"))
		d.t.Logf("error.log:\n%s", tail(string(errorLog), 3000))
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// processes lists the NGINX masters that run in a state directory, and their workers.
func processes(state string) []int {
	entries, _ := os.ReadDir("/proc")
	parents := map[int]int{}
	var masters, all []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if i := bytes.LastIndexByte(stat, ')'); i >= 0 {
			fields := strings.Fields(string(stat[i+1:]))
			if len(fields) > 1 && fields[0] != "Z" {
				parents[pid], _ = strconv.Atoi(fields[1])
			}
		}
		if line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")); bytes.Contains(line, []byte(state)) && bytes.Contains(line, []byte("nginx: master")) {
			masters = append(masters, pid)
		}
	}
	for _, m := range masters {
		if slices.Contains(masters, parents[m]) {
			continue // a worker that has just been forked still has its parent's name
		}
		all = append(all, m)
		for pid, parent := range parents {
			if parent == m {
				all = append(all, pid)
			}
		}
	}
	return all
}

// killNGINX kills all processes of an NGINX. Its master is stopped first: it would start a worker for each that dies.
func killNGINX(t *testing.T, state string) {
	t.Helper()
	kill := func(pid int, signal syscall.Signal) {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) { // a worker may be ending
			t.Fatal(err)
		}
	}
	kill(processes(state)[0], syscall.SIGSTOP)
	for _, process := range processes(state) {
		kill(process, syscall.SIGKILL)
	}
}

func (d *daemon) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.manifests, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) probe(path string) error {
	_, err := d.fetch(path)
	return err
}

func (d *daemon) fetch(path string) (string, error) {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", d.ports.health, path))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// reloads counts the reloads since the start.
func (d *daemon) reloads() float64 {
	d.t.Helper()
	const name = "sluice_reloads_total"
	text, err := d.fetch("/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	sum := 0.0
	for _, m := range regexp.MustCompile(`(?m)^`+name+`\{cause="([^"]*)"\} (\S+)$`).FindAllStringSubmatch(text, -1) {
		if m[1] == "start" {
			continue
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			d.t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// get sends a request to a host through NGINX and returns its status and the pod that answered.
func (d *daemon) get(host, path string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", d.ports.http, path), nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	pod := regexp.MustCompile(`"pod":"([^"]*)"`).FindSubmatch(body)
	if pod == nil {
		return resp.StatusCode, "", err
	}
	return resp.StatusCode, string(pod[1]), err
}

var client = &http.Client{
	Timeout:       10 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// eventually waits until check passes.
func (d *daemon) eventually(limit time.Duration, what string, check func() error) time.Duration {
	d.t.Helper()
	start := time.Now()
	for {
		err := check()
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			d.t.Fatalf("not within %s: %s: %v\nlog:\n%s", limit, what, err, tail(d.log.String(), 4000))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// serves returns a check that the path answers with the status, from the pod if one is given.
func (d *daemon) serves(host, path string, status int, pod string) func() error {
	return func() error {
		gotStatus, gotPod, err := d.get(host, path)
		if err != nil {
			return err
		}
		if gotStatus != status || pod != "" && gotPod != pod {
			return fmt.Errorf("%s%s answers %d from %q, want %d from %q", host, path, gotStatus, gotPod, status, pod)
		}
		return nil
	}
}

// logs returns a check that the log has a line with all the texts.
func (d *daemon) logs(texts ...string) func() error {
	return func() error {
		scanner := bufio.NewScanner(strings.NewReader(d.log.String()))
		for scanner.Scan() {
			found := true
			for _, text := range texts {
				found = found && strings.Contains(scanner.Text(), text)
			}
			if found {
				return nil
			}
		}
		return fmt.Errorf("no line of the log has %q", texts)
	}
}
