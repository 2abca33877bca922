//go:build integration

package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Our checks pass nothing that NGINX is known to refuse, so these tests have a custom template that turns harmless values of one
// annotation into what NGINX refuses.

const trapKey = "nginx.ingress.kubernetes.io/proxy-next-upstream-tries"

// traps are what the values become: lines with which NGINX says where they stand, and some of which it finds out later.
var traps = map[string]string{
	"101": "no_such_directive on;",
	"102": "{{.}}", // a second time
	"103": "proxy_read_timeout 103x;",
	"104": "proxy_busy_buffers_size 1g;", // compared with other sizes when all is read
	"105": "proxy_set_header X-Trap $no_such_variable;",
	"106": "limit_conn no_such_zone 1;",
	"107": "client_body_buffer_size 99999999999999999999;",
	"108": `if ($uri ~ "(") { return 404; }`,
	"109": "include /no/such/directory/file.conf;",
	"110": "location = /trap { } location = /trap { }",
}

// trapTemplates is a directory with templates that have the traps.
func trapTemplates(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("      {{- range .Body}}\n      {{- if eq .Name \"proxy_next_upstream_tries\"}}\n      {{- $value := (index .Args 0).Value}}\n")
	for _, value := range trapValues() {
		fmt.Fprintf(&b, "      {{- if eq $value %q}}\n      %s\n      {{- end}}\n", value, traps[value])
	}
	b.WriteString("      {{- end}}\n      {{- end}}\n      {{.Body}}\n")
	dir := t.TempDir()
	for _, name := range []string{"location.tmpl", "shape.tmpl"} {
		text, err := os.ReadFile(filepath.Join(repository(t), "templates", name))
		if err != nil {
			t.Fatal(err)
		}
		with := strings.Replace(string(text), "      {{.Body}}\n", b.String(), 1)
		if with == string(text) {
			t.Fatalf("%s has no body", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(with), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func trapValues() []string {
	var values []string
	for value := range traps {
		values = append(values, value)
	}
	slices.Sort(values)
	return values
}

// trapped is the Ingress shop/NAME with that number of tries; below 100 it is harmless.
func trapped(name, value string) string {
	metadata := fmt.Sprintf("{name: %s, namespace: shop, annotations: {%s: %q, nginx.ingress.kubernetes.io/proxy-body-size: 3m}}", name, trapKey, value)
	return strings.Replace(shopIngress(name+".test", "/"), "{name: web, namespace: shop}", metadata, 1)
}

// fleetOf are Ingresses shop/web-N with hosts of their own.
func fleetOf(n int) string {
	var hosts []string
	for i := range n {
		hosts = append(hosts, fmt.Sprintf("host-%d.test", i))
	}
	return shops(hosts)
}

// neighbour is an Ingress that somebody else changes.
func neighbour(path string) string {
	return strings.Replace(shopIngress("neighbour.test", path), "{name: web, namespace: shop}", "{name: neighbour, namespace: shop}", 1)
}

// quarantined checks how many Ingresses are in quarantine.
func (d *daemon) quarantined(n int) error {
	metrics, err := d.fetch("/metrics")
	if err == nil && !strings.Contains(metrics, fmt.Sprintf("sluice_quarantined_objects{kind=\"Ingress\"} %d\n", n)) {
		err = fmt.Errorf("not %d objects are in quarantine", n)
	}
	return err
}

// latencies are how long changes of others took to be live while one Ingress was given values, one after the other.
type latencies struct{ endpoints, paths []time.Duration }

// whileChanging gives shop/bad a value, and changes the pods of all and the path of a neighbour at the same time.
func (d *daemon) whileChanging(l *latencies, value string, pod int) {
	d.t.Helper()
	d.log.Clear()
	d.write("bad.yaml", trapped("bad", value))
	d.write("pods.yaml", shopPods(pod))
	l.endpoints = append(l.endpoints, d.eventually(20*time.Second, "the new pod answers", d.serves("host-1.test", "/", 200, podAddress(pod))))
	path := "/for-" + value
	d.write("neighbour.yaml", neighbour(path))
	l.paths = append(l.paths, d.eventually(20*time.Second, "the neighbour's path is live", d.serves("neighbour.test", path, 200, "")))
}

func worst(list []time.Duration) time.Duration { return slices.Max(list) }

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// One Ingress of 500 is turned bad in ten ways. It keeps its last good behaviour, all others and all endpoints go on as if nothing
// were, no request fails, and the Problem says what to mend. The same after a restart.
func TestOneBadObjectHurtsNobody(t *testing.T) {
	for mode := range modes {
		t.Run(mode, func(t *testing.T) {
			startPods(t, 1, 2)
			manifests := shop("shop.test", 1)
			manifests["fleet.yaml"], manifests["bad.yaml"], manifests["neighbour.yaml"] = fleetOf(498), trapped("bad", "11"), neighbour("/")
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+mode, "--template-dir", trapTemplates(t))
			others, itself := startLoad(d, "host-2.test", 100), startLoad(d, "bad.test", 50)

			var before, after latencies
			for n, value := range trapValues() {
				mended, harmless := strconv.Itoa(41+n), strconv.Itoa(21+n)
				d.log.Clear()
				d.write("bad.yaml", trapped("bad", mended)) // both measurements follow a reload
				d.eventually(20*time.Second, "the object that was mended is live", d.hasTries(mended))
				d.whileChanging(&before, harmless, 2)
				d.eventually(20*time.Second, "the change is live", d.hasTries(harmless))
				d.whileChanging(&after, value, 1)
				d.eventually(20*time.Second, "the Problem is told", d.logs("RefusedByNGINX", `object="Ingress shop/bad"`,
					"field=metadata.annotations["+trapKey+"]", "its last good version stays in force"))
				d.eventually(time.Second, "the metric counts it", func() error { return d.quarantined(1) })
			}
			d.log.Clear()
			d.write("bad.yaml", trapped("bad", "40"))
			d.eventually(20*time.Second, "the object that was mended is live", d.hasTries("40"))
			d.eventually(time.Second, "nothing is in quarantine", func() error { return d.quarantined(0) })
			others.end(t, "others")
			itself.end(t, "the bad one")
			for what, pair := range map[string][2][]time.Duration{
				"endpoints": {before.endpoints, after.endpoints}, "paths": {before.paths, after.paths},
			} {
				t.Logf("%s: median %v undisturbed, %v disturbed: %.2f times; worst %v and %v: %.2f times", what, median(pair[0]), median(pair[1]),
					float64(median(pair[1]))/float64(median(pair[0])), worst(pair[0]), worst(pair[1]), float64(worst(pair[1]))/float64(worst(pair[0])))
			}
			// Waiting for an incident would cost far more than this; less cannot be told from what else the machine does.
			if got, most := median(after.endpoints), 3*median(before.endpoints)+time.Second; got > most {
				t.Errorf("changes of endpoints took %v while an object was bad, more than %v", got, most)
			}
			d.restarts(t)
		})
	}
}

// hasTries returns a check that the configuration that all workers run has that number of tries.
func (d *daemon) hasTries(value string) func() error {
	return func() error {
		generation, err := os.Readlink(filepath.Join(d.state, "conf/current"))
		if err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(d.state, "conf", generation, "nginx.conf"))
		if err == nil && !strings.Contains(string(text), "proxy_next_upstream_tries "+value+";") {
			err = errors.New("it is not in the configuration")
		}
		return errors.Join(err, d.logs("configuration is live", generation)())
	}
}

// restarts starts the daemon again and again: with a good object, with one that is known to be bad, and with one that is not known.
func (d *daemon) restarts(t *testing.T) {
	d.stop()
	good := d.start()
	d.write("bad.yaml", trapped("bad", "104"))
	d.eventually(20*time.Second, "it is refused", func() error { return d.quarantined(1) })
	d.stop()
	known := d.start()
	if err := d.serves("bad.test", "/", 200, "")(); err != nil {
		t.Errorf("its last good version is lost: %v", err)
	}
	d.stop()
	if err := os.WriteFile(filepath.Join(d.state, "refused.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.log.Clear()
	unknown := d.start()
	for host, status := range map[string]int{"host-2.test": 200, "bad.test": 503} {
		if err := d.serves(host, "/", status, "")(); err != nil {
			t.Error(err)
		}
	}
	d.eventually(time.Second, "the damaged file is reported", d.logs("cannot be read", "refused.json"))
	d.eventually(time.Second, "the Problem is told", d.logs("RefusedByNGINX", `object="Ingress shop/bad"`, "its paths answer 503"))
	t.Logf("ready after %v with a good object, %v with one known to be bad, %v with one that was not known", good, known, unknown)
}
