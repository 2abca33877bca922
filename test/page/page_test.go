// Package page_test looks at the status page of a real controller with a real browser.
package page_test

import (
	"bytes"
	"flag"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/status-page.png")

func TestSomebodyLooksAtThePage(t *testing.T) {
	dir := manifests(t, "more.yaml")
	serve(t, dir)
	b := open(t)
	b.want(b.see("/"), "Ready", "2 of 2 workers report", "MissingService", "admin.localhost", "the newest is live")
	if title := ask[string](b, "document.title"); title != "Overview · Sluice" {
		t.Errorf("the title is %q", title)
	}

	// A search, as somebody types it, and a link in what it finds.
	b.follow(chromedp.SendKeys(chromedp.ID("q"), "shop.localhost CART\r"))
	b.want(ask[string](b, "location.pathname+location.search"), "/routes?q=shop.localhost+CART")
	b.want(b.text("main"), "1 to 2 of 2 found for", "127.0.20.1:9000 serves", "Ingress shop/shop-next: 20 of 100 requests", "127.0.30.1:9000 serves")
	b.follow(chromedp.Click(`//td/a[.="shop/shop"]`))
	b.want(b.text("main"), "127.0.10.1:9000 serves", "127.0.10.2:9000 serves", "TLS by Secret shop-localhost")

	b.want(b.see("/certificates"), "default certificate served", "Secret shop/admin-localhost does not exist", "valid")
	b.want(b.see("/problems?q=admin"), "InvalidAnnotationValue", "MissingSecret")
	if reason := ask[string](b, `document.querySelector("a.reason").href`); !strings.Contains(reason, "/docs/reasons.md#") {
		t.Errorf("a reason leads to %s", reason)
	}
	b.want(b.see("/reloads"), "start", "live")

	// A pod more, which needs no reload.
	scale(t, dir)
	eventually(t, "the third pod is shown", func() error {
		return missing(b.see("/routes?q=shop/shop+catalog"), "127.0.10.3:9000 serves")
	})
	b.checkQuiet()
}

// scale adds the pod that examples/quickstart/pods.yaml has for whoever scales.
func scale(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "pods.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`# - addresses: ["127.0.10.3"]`), []byte(`- addresses: ["127.0.10.3"]`), 1)
	text = bytes.Replace(text, []byte("#   conditions: {ready: true}"), []byte("  conditions: {ready: true}"), 1)
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

type missingError string

func (e missingError) Error() string { return string(e) + " is not there" }

func missing(text, word string) error {
	if strings.Contains(text, word) {
		return nil
	}
	return missingError(word)
}

// TestATenantsMarkupIsText: what a tenant plants does not run, load anything or change the page.
func TestATenantsMarkupIsText(t *testing.T) {
	serve(t, manifests(t, "hostile.yaml"))
	b := open(t)
	for _, path := range []string{
		"/", "/routes", "/certificates", "/problems", "/reloads", "/routes?q=hostile", `/routes?q=%22%3E%3Cscript%3Edocument.title='query'%3C/script%3E`,
	} {
		text := b.see(path)
		if title := ask[string](b, "document.title"); !strings.HasSuffix(title, " · Sluice") {
			t.Errorf("%s: a script has run: the title is %q", path, title)
		}
		if n := ask[int](b, `document.querySelectorAll("script, iframe, b, main img, [style], [onerror]").length`); n != 0 {
			t.Errorf("%s has %d elements that nobody of us wrote:\n%s", path, n, text)
		}
	}
	b.want(b.see("/routes?q=hostile"), "<script>document.title='path'</script>")
	b.want(b.see("/problems?q=hostile"), "onerror=")
	b.checkQuiet()
}

// TestThePageIsLegible on screens of all sizes, in light and dark, and for those who do not see it.
func TestThePageIsLegible(t *testing.T) {
	serve(t, manifests(t, "more.yaml"))
	b := open(t)
	for _, path := range []string{"/", "/routes", "/certificates", "/problems", "/reloads"} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{360, 1280} {
				call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				b.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(origin+path))
				if is := ask[int64](b, "document.documentElement.scrollWidth"); is > width {
					t.Errorf("%s is %d pixels wide on a screen of %d", path, is, width)
				}
				for _, fault := range ask[[]string](b, faults) {
					t.Errorf("%s, %s, %d pixels: %s", path, scheme, width, fault)
				}
			}
		}
	}
	b.checkQuiet()
}

// faults lists what keeps people from reading a page: text of too little contrast (WCAG 2.2, 1.4.3: 4.5 to 1), pictures and fields
// without words, headings that skip a level, tables without headers.
const faults = `(() => {
	const found = new Set();
	const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
	const luminance = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
		const a = luminance(rgb(getComputedStyle(e).color)), b = luminance(ground(e));
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) found.add(e.tagName + "." + e.className + " has a contrast of " + contrast.toFixed(2) + ": " + e.textContent.trim().slice(0, 30));
	}
	for (const e of document.querySelectorAll("img:not([alt])")) found.add("a picture has no words");
	for (const e of document.querySelectorAll("input")) if (!e.labels.length) found.add("a field has no label");
	let level = 0;
	for (const e of document.querySelectorAll("h1, h2, h3, h4")) { const is = +e.tagName[1]; if (is > level + 1) found.add("a heading skips a level: " + e.textContent); level = is; }
	if (document.querySelectorAll("h1").length !== 1) found.add("not one heading of the first level");
	for (const e of document.querySelectorAll("table")) if (![...e.querySelectorAll("thead th")].every(h => h.scope === "col")) found.add("a table has no headers");
	if (!document.documentElement.lang || !document.querySelector("main")) found.add("no language, or no main part");
	return [...found];
})()`

// TestTheWholeIsTheSameInBothRoutings, and with NGINX in a container of its own.
func TestTheWholeIsTheSameInBothRoutings(t *testing.T) {
	dir := manifests(t, "more.yaml")
	var all [][]route
	socket := filepath.Join(t.TempDir(), "d.sock")
	for name, flags := range map[string][]string{
		"compiled": nil, "dynamic": {"--routing", "dynamic"}, "data plane": {"--routing", "dynamic", "--dataplane-socket", socket},
	} {
		t.Run(name, func(t *testing.T) {
			if slices.Contains(flags, socket) {
				start(t, []string{filepath.Dir(socket)}, "dataplane", "--dataplane-socket", socket)
			}
			serve(t, dir, flags...)
			found := routes(t, "")
			if at := slices.IndexFunc(found, func(r route) bool { return r.Backend.Source == "plan" }); at >= 0 {
				t.Errorf("workers were not asked about %+v", found[at])
			}
			all = append(all, found)
		})
	}
	for _, other := range all[1:] {
		if diff := cmp.Diff(all[0], other); diff != "" || len(other) == 0 {
			t.Errorf("routes differ:\n%s", diff)
		}
	}
}

// TestTheGuardStandsBeforeTheRealPage asks as a name that leads here would.
func TestTheGuardStandsBeforeTheRealPage(t *testing.T) {
	serve(t, manifests(t))
	request, err := http.NewRequest(http.MethodGet, origin+"/status.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "rebound.test"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("the page answers another name with %d", response.StatusCode)
	}
	response, err = http.Post(origin+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("the page answers POST with %d", response.StatusCode)
	}
}

// TestPicture makes the picture of the documentation, with -update.
func TestPicture(t *testing.T) {
	serve(t, manifests(t, "more.yaml"))
	b := open(t)
	b.do(chromedp.EmulateViewport(1120, 1130), chromedp.Navigate(origin+"/routes"))
	picture := get(b, chromedp.CaptureScreenshot())
	shot, err := png.Decode(bytes.NewReader(picture))
	if err != nil || shot.Bounds().Dx() != 1120 {
		t.Fatalf("the picture is none: %v", err)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(repository(t), "docs/status-page.png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(filepath.Join(repository(t), "docs/status-page.png"))
	if err != nil {
		t.Fatalf("%v; go test -run TestPicture -update makes it", err)
	}
	if _, err := png.Decode(bytes.NewReader(kept)); err != nil || len(kept) > 250_000 {
		t.Errorf("the picture of the documentation has %d bytes, %v", len(kept), err)
	}
}
