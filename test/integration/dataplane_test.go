//go:build integration

package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/test/logged"
)

// dataplane is a running `sluice dataplane`.
type dataplane struct {
	*exec.Cmd
	t   testing.TB
	log *logged.Text
}

func startDataplane(t testing.TB, state string) *dataplane {
	t.Helper()
	p := &dataplane{t: t, log: &logged.Text{}}
	p.Cmd = exec.Command(filepath.Join(repository(t), "bin/sluice"), "dataplane", "--state-dir", state, "--dataplane-socket", socketIn(state))
	p.Stdout, p.Stderr = p.log, p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			client.CloseIdleConnections()
			p.signal(syscall.SIGTERM)
			_ = p.Wait()
			if code := p.ProcessState.ExitCode(); code != 0 {
				t.Errorf("the data plane ended with %d", code)
			}
		}
		if t.Failed() {
			t.Logf("log of the data plane:\n%s", tail(p.log.String(), 6000))
		}
	})
	return p
}

func socketIn(state string) string { return filepath.Join(state, "controller", "dataplane.sock") }

func (p *dataplane) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// Whichever of both is away, NGINX serves what it was told last, and is not reloaded when they are together again.
func TestTheControllerAndTheDataPlaneStartInAnyOrder(t *testing.T) {
	startPods(t, 1)
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			state := stateDir(t)
			plane := startDataplane(t, state)
			controller := func() *daemon {
				return startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1), "--routing="+routing, "--state-dir", state,
					"--dataplane-socket", socketIn(state), "--access-log", filepath.Join(state, "access.log"), "--error-log", filepath.Join(state, "error.log"))
			}
			first := controller()
			first.eventually(time.Second, "it is served", first.serves("shop.test", "/", 200, podAddress(1)))
			first.write("more.yaml", shops([]string{"late.test"}))
			first.eventually(5*time.Second, "a new host is live", first.serves("late.test", "/", 200, podAddress(1)))
			first.write("more.yaml", "")
			first.eventually(5*time.Second, "it is gone again", first.serves("late.test", "/", 404, ""))
			first.stop()

			plane.signal(syscall.SIGKILL)
			killNGINX(t, state)
			_ = plane.Wait() // after all who write to its log have ended
			startDataplane(t, state)
			first.eventually(5*time.Second, "it is served by a data plane alone", first.serves("shop.test", "/", 200, podAddress(1)))

			alone := processes(state)
			second := controller()
			second.eventually(time.Second, "it is served", second.serves("shop.test", "/", 200, podAddress(1)))
			if n := second.reloads(); n != 0 {
				t.Errorf("there were %v reloads", n)
			}
			if now := processes(state); fmt.Sprint(slices.Sorted(slices.Values(now))) != fmt.Sprint(slices.Sorted(slices.Values(alone))) {
				t.Errorf("NGINX and its workers were %v and are %v", alone, now)
			}
		})
	}
}
