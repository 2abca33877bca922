//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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
