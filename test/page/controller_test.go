package page_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	pageAddress = "127.0.0.1:18846"
	origin      = "http://" + pageAddress
	// longest is how long something may take on a machine that does other things, too.
	longest = 60 * time.Second
)

// log is what a program has written so far.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func repository(t *testing.T) string {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// manifests are a copy of the example shop with these files of testdata beside it.
func manifests(t *testing.T, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(repository(t), "examples/quickstart"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range more {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// start runs a program of ours in the Debian root until the test ends. It sees the directories.
func start(t *testing.T, dirs []string, words ...string) *log {
	t.Helper()
	top := repository(t)
	args := []string{"--pid"}
	for _, dir := range dirs {
		args = append(args, "--bind", dir)
	}
	args = append(append(args, "--", filepath.Join(top, "bin/sluice")), words...)
	cmd := exec.Command(filepath.Join(top, "rootfs/enter"), args...)
	written := &log{}
	cmd.Stdout, cmd.Stderr = written, written
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // all that it started ends with it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s has written:\n%s", words[0], written)
		}
	})
	return written
}

// serve runs a controller with the page, and returns when it is ready.
func serve(t *testing.T, dir string, more ...string) {
	t.Helper()
	words := append([]string{
		"controller", "--manifests", dir, "--http-port", "18880", "--https-port", "18843", "--healthz-host", "127.0.0.1", "--healthz-port", "18854",
		"--profiling=false", "--workers", "2", "--status-page-address", pageAddress,
	}, more...)
	dirs := []string{dir}
	for _, word := range more {
		if filepath.IsAbs(word) {
			dirs = append(dirs, filepath.Dir(word))
		}
	}
	start(t, dirs, words...)
	eventually(t, "the controller is ready", func() error {
		response, err := http.Get("http://127.0.0.1:18854/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	})
}

// eventually looks until something is so.
func eventually(t *testing.T, what string, is func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	err := is()
	for end := time.Now().Add(longest); err != nil; err = is() {
		if time.Now().After(end) {
			t.Fatalf("not after %s: %s: %v", longest, what, err)
		}
		<-tick.C
	}
}

// route is what is compared of /status.json.
type route struct {
	Host, Path, Service, State string
	Backend                    struct {
		Source string
		Peers  []struct {
			Address string
			Port    int
			State   string
		}
	}
	Canaries []struct{ Owner, When string }
}

func routes(t *testing.T, query string) []route {
	t.Helper()
	response, err := http.Get(origin + "/status.json?q=" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", response.StatusCode, err, text)
	}
	var status struct{ Routes struct{ Items []route } }
	if err := json.Unmarshal(text, &status); err != nil {
		t.Fatal(err)
	}
	return status.Routes.Items
}
