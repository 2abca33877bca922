//go:build integration

package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDebug asks a running NGINX, as the kubectl plugin does in its container.
func TestDebug(t *testing.T) {
	startPods(t, 1)
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1), "--routing="+routing)
			var status struct {
				Workers []struct{ Configuration string }
			}
			d.debug(&status, "status")
			live, err := os.Readlink(filepath.Join(d.state, "conf", "current"))
			if err != nil {
				t.Fatal(err)
			}
			if len(status.Workers) != 2 || status.Workers[0].Configuration != filepath.Base(live) {
				t.Errorf("status %+v, want two workers with %s", status, live)
			}

			var backends map[string]*struct {
				Endpoints []struct {
					Address string
					Port    int
				}
			}
			d.debug(&backends, "backends", "--", "shop_web_80", "shop_none_80")
			web := backends["shop_web_80"]
			if web == nil || len(web.Endpoints) != 1 || web.Endpoints[0].Address != podIP(1) || web.Endpoints[0].Port != podPort {
				t.Errorf("backend shop_web_80 is %+v, want %s", web, podAddress(1))
			}
			if _, asked := backends["shop_none_80"]; !asked || backends["shop_none_80"] != nil {
				t.Errorf("a backend that nobody knows is %+v", backends["shop_none_80"])
			}

			var certificates []struct{ Host, Subject, Error string }
			d.debug(&certificates, "certs", "--https-port", "18582", "shop.test")
			if len(certificates) != 1 || certificates[0].Host != "shop.test" || certificates[0].Subject == "" || certificates[0].Error != "" {
				t.Errorf("certificates %+v", certificates)
			}

			text, err := d.runDebug("conf")
			if err != nil {
				t.Fatal(err)
			}
			onDisk, err := os.ReadFile(filepath.Join(d.state, "conf", "current", "nginx.conf"))
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != string(onDisk) || strings.Contains(string(text), "PRIVATE KEY") {
				t.Errorf("conf prints another text than is live:\n%s", text)
			}
		})
	}
}

// debug runs `sluice debug` and reads what it prints.
func (d *daemon) debug(into any, words ...string) {
	d.t.Helper()
	text, err := d.runDebug(words...)
	if err != nil {
		d.t.Fatalf("sluice debug %v: %v\n%s", words, err, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		d.t.Fatalf("sluice debug %v: %v\n%s", words, err, text)
	}
}

func (d *daemon) runDebug(words ...string) ([]byte, error) {
	return exec.Command(filepath.Join(repository(d.t), "bin/sluice"), append([]string{"debug", "--state-dir", d.state}, words...)...).Output()
}
