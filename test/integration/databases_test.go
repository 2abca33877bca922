//go:build integration

package integration

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/nginx/geoip"
	"github.com/sluice-ingress/sluice/test/mmdb"
)

// putDatabases makes those that a case takes to be there: whoever is on this machine is in Berlin, and 192.0.2.0/24 in Paris.
func putDatabases(t testing.TB, databases []geoip.Database) {
	t.Helper()
	for _, d := range databases {
		if d.Flaw != "" {
			continue
		}
		records := map[string]mmdb.Record{"127.0.0.0/8": mmdb.City("Germany", "DE", "Berlin"), "192.0.2.0/24": mmdb.City("France", "FR", "Paris")}
		if d.Edition == "GeoLite2-ASN" {
			records = map[string]mmdb.Record{"127.0.0.0/8": mmdb.ASN(64500, "Example Networks")}
		}
		mmdb.Put(t, d.Path, mmdb.Encode(t, d.Edition, 1780000000, records))
	}
}

const geographicLog = `
apiVersion: v1
kind: ConfigMap
metadata: {name: controller, namespace: ingress}
data:
  use-geoip2: "true"
  log-format-upstream: '[$request_uri $geoip2_city_country_code/$geoip2_city $geoip2_asn $geoip2_org]'
`

// Variables are in the access log as soon as databases are there, and of those that are put in their place; requests are served
// meanwhile.
func TestDatabasesComeAndChange(t *testing.T) {
	startPods(t, 1)
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			wanted, err := geoip.Wanted("GeoLite2-City,GeoLite2-ASN", geoip.Directory)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(geoip.Directory); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(geoip.Directory, 0o755); err != nil { //nolint:gosec // workers are another user
				t.Fatal(err)
			}
			manifests := shop("shop.test", 1)
			manifests["controller.yaml"] = geographicLog
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+routing, "--configmap=ingress/controller")
			d.eventually(5*time.Second, "the host is served without databases", d.serves("shop.test", "/none", http.StatusOK, ""))
			d.eventually(5*time.Second, "the missing are named", d.logs("KeyWithoutEffect", "data.use-geoip2", "GeoLite2-City.mmdb does not exist"))

			putDatabases(t, wanted)
			d.eventually(10*time.Second, "databases that appear are used", d.isLogged(t, "/", "DE/Berlin 64500 Example Networks"))
			mmdb.Put(t, wanted[0].Path, mmdb.Encode(t, "GeoLite2-City", 1790000000, map[string]mmdb.Record{"127.0.0.0/8": mmdb.City("Austria", "AT", "Wien")}))
			d.eventually(10*time.Second, "a database is exchanged", d.isLogged(t, "/", "AT/Wien 64500 Example Networks"))

			mmdb.Put(t, wanted[0].Path, []byte("nonsense"))
			d.eventually(10*time.Second, "a damaged one is told of", d.logs("GeoLite2-City.mmdb is no database of MaxMind, or not complete"))
			d.eventually(10*time.Second, "the other stays in use", d.isLogged(t, "/", "/ 64500 Example Networks"))
		})
	}
}

// isLogged asks for a path, and looks whether the access log ends in its request with a text.
func (d *daemon) isLogged(t *testing.T, path, text string) func() error {
	return func() error {
		if err := d.serves("shop.test", path, http.StatusOK, "")(); err != nil {
			return err
		}
		log, err := os.ReadFile(filepath.Join(d.state, "access.log"))
		want := fmt.Sprintf("[%s %s]\n", path, text)
		if err == nil && tail(string(log), len(want)) != want {
			err = fmt.Errorf("it ends in %q, want %q", tail(string(log), 200), want)
		}
		return err
	}
}

// Databases are fetched before anybody is served, and nothing that goes wrong with them keeps the controller from serving. The
// key of a licence is in no log.
func TestDatabasesAreFetched(t *testing.T) {
	startPods(t, 1)
	records := map[string]mmdb.Record{"127.0.0.0/8": mmdb.City("Germany", "DE", "Berlin")}
	var refuses atomic.Bool
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuses.Load() || r.URL.Path != "/GeoLite2-City.tar.gz" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		content := mmdb.Encode(t, "GeoLite2-City", 1780000000, records)
		packed := gzip.NewWriter(w)
		archive := tar.NewWriter(packed)
		_ = archive.WriteHeader(&tar.Header{Name: "GeoLite2-City_20260601/GeoLite2-City.mmdb", Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(content))})
		_, _ = archive.Write(content)
		_ = archive.Close()
		_ = packed.Close()
	}))
	defer mirror.Close()
	for _, mode := range []string{"compiled", "dynamic"} {
		t.Run(mode, func(t *testing.T) {
			if err := os.RemoveAll(geoip.Directory); err != nil {
				t.Fatal(err)
			}
			refuses.Store(false)
			manifests := shop("shop.test", 1)
			manifests["controller.yaml"] = geographicLog
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+mode, "--configmap=ingress/controller",
				"--maxmind-mirror="+mirror.URL, "--maxmind-license-key=open-sesame", "--maxmind-retries-count=2", "--maxmind-retries-timeout=10ms")
			d.eventually(5*time.Second, "the log has the city", d.isLogged(t, "/", "DE/Berlin  "))
			d.eventually(5*time.Second, "what failed is told", d.logs("could not be fetched", "edition=GeoLite2-ASN", "401"))
			d.stop()

			refuses.Store(true)
			d.start()
			d.eventually(5*time.Second, "the former file is used", d.isLogged(t, "/again", "DE/Berlin  "))
			if strings.Contains(d.log.String(), "open-sesame") {
				t.Error("the log has the key")
			}
		})
	}
}
