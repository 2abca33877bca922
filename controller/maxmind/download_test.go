package maxmind

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/geoip"
	"github.com/sluice-ingress/sluice/test/mmdb"
)

const key = "secret/key+1"

type entry struct {
	name string
	text []byte
	size int64 // of the header; 0 is that of the text
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	w := tar.NewWriter(packed)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Typeflag: tar.TypeReg, Mode: 0o600, Size: max(e.size, int64(len(e.text)))}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil && !slices.ContainsFunc(entries, func(e entry) bool { return e.size > 0 }) {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func city(t *testing.T, built int64) []byte {
	return mmdb.Encode(t, "GeoLite2-City", built, map[string]mmdb.Record{"192.0.2.0/24": mmdb.City("France", "FR", "Paris")})
}

func wantedIn(t *testing.T, dir string) []geoip.Database {
	t.Helper()
	wanted, err := geoip.Wanted("GeoLite2-City", dir)
	if err != nil {
		t.Fatal(err)
	}
	return wanted
}

// fetchFrom has a database fetched from a handler that plays MaxMind, and returns what the log says and which files there are then.
func fetchFrom(t *testing.T, dir string, d Download, handler http.HandlerFunc) (log string, files []string) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	if d.Mirror == "" {
		d.origin = server.URL
	} else {
		d.Mirror = server.URL + d.Mirror
	}
	var b bytes.Buffer
	s := Open(Options{Wanted: wantedIn(t, dir), Download: d, Log: slog.New(slog.NewTextHandler(&b, nil))})
	s.fetch(context.Background())
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		files = append(files, f.Name())
	}
	return b.String(), files
}

func TestADatabaseIsFetched(t *testing.T) {
	dir, content := t.TempDir(), city(t, 1)
	var asked, referer string
	_, files := fetchFrom(t, dir, Download{LicenseKey: nginx.NewSecret(key), Attempts: 1}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stored" { // as MaxMind does
			asked = r.URL.String()
			http.Redirect(w, r, "/stored", http.StatusFound)
			return
		}
		referer = r.Header.Get("Referer")
		_, _ = w.Write(archive(t, entry{name: "GeoLite2-City_20260601/LICENSE.txt", text: []byte("of MaxMind")}, entry{name: "GeoLite2-City_20260601/GeoLite2-City.mmdb", text: content}))
	})
	if want := "/app/geoip_download?edition_id=GeoLite2-City&license_key=secret%2Fkey%2B1&suffix=tar.gz"; asked != want {
		t.Errorf("asked for %s, want %s", asked, want)
	}
	if referer != "" {
		t.Errorf("whoever keeps the files is told %s", referer)
	}
	if diff := cmp.Diff([]string{"GeoLite2-City.mmdb"}, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	path := filepath.Join(dir, "GeoLite2-City.mmdb")
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file is another (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("NGINX cannot read it: %v, %v", info.Mode(), err)
	}
}

// What cannot be used leaves the former file as it is, and nothing else behind; and nobody gets to see the key.
func TestWhatCannotBeUsedChangesNothing(t *testing.T) {
	redirected := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	}
	answer := func(content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Invalid license key "+key, code) }
	}
	whole := archive(t, entry{name: "x/GeoLite2-City.mmdb", text: city(t, 2)})
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		why     string
	}{
		"wrong key":            {status(http.StatusUnauthorized), "the server answers 401 Unauthorized"},
		"broken server":        {status(http.StatusInternalServerError), "the server answers 500"},
		"no archive":           {answer([]byte("<html>")), "read the archive"},
		"other edition":        {answer(archive(t, entry{name: "x/GeoLite2-ASN.mmdb", text: city(t, 2)})), "the archive has no GeoLite2-City.mmdb"},
		"no database":          {answer(archive(t, entry{name: "GeoLite2-City.mmdb", text: []byte("nonsense")})), "is no database of MaxMind"},
		"name that ends in it": {answer(archive(t, entry{name: "x/notGeoLite2-City.mmdb", text: city(t, 2)})), "the archive has no"},
		"cut off":              {answer(whole[:len(whole)-200]), "unexpected EOF"},
		"too large":            {answer(archive(t, entry{name: "GeoLite2-City.mmdb", size: mostUnpacked + 1})), "too large"},
		"endless redirects":    {redirected, "redirects ten times"},
		"hangs up":             {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, former := t.TempDir(), city(t, 1)
			path := filepath.Join(dir, "GeoLite2-City.mmdb")
			mmdb.Put(t, path, former)
			log, files := fetchFrom(t, dir, Download{LicenseKey: nginx.NewSecret(key), Attempts: 1}, c.handler)
			if !strings.Contains(log, c.why) {
				t.Errorf("the log does not say %q:\n%s", c.why, log)
			}
			for _, secret := range []string{key, "secret%2Fkey", "license_key"} {
				if strings.Contains(log, secret) {
					t.Errorf("the log has %q:\n%s", secret, log)
				}
			}
			if diff := cmp.Diff([]string{"GeoLite2-City.mmdb"}, files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, former) {
				t.Errorf("the former file has changed (%v)", err)
			}
		})
	}
}

// Names in an archive decide nothing about where something is written.
func TestArchivesNameNoFiles(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "geoip")
	_, files := fetchFrom(t, dir, Download{LicenseKey: nginx.NewSecret(key), Attempts: 1}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(archive(t, entry{name: "../evil.mmdb", text: city(t, 1)}, entry{name: "../GeoLite2-City.mmdb", text: city(t, 1)}))
	})
	if diff := cmp.Diff([]string{"GeoLite2-City.mmdb"}, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if beside, err := os.ReadDir(parent); err != nil || len(beside) != 1 {
		t.Errorf("beside the directory there are %v, %v", beside, err)
	}
}

func TestAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		download Download
		code     int
		want     int32
	}{
		"as often as asked":          {Download{Attempts: 3, Pause: time.Millisecond}, http.StatusServiceUnavailable, 3},
		"too many requests":          {Download{Attempts: 2, Pause: time.Millisecond}, http.StatusTooManyRequests, 2},
		"once without a pause":       {Download{Attempts: 3}, http.StatusServiceUnavailable, 1},
		"once if it is for nothing":  {Download{Attempts: 3, Pause: time.Millisecond}, http.StatusUnauthorized, 1},
		"once if the count is wrong": {Download{Attempts: -1, Pause: time.Millisecond}, http.StatusServiceUnavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var attempts atomic.Int32
			c.download.LicenseKey = nginx.NewSecret(key)
			fetchFrom(t, t.TempDir(), c.download, func(w http.ResponseWriter, _ *http.Request) {
				attempts.Add(1)
				w.WriteHeader(c.code)
			})
			if got := attempts.Load(); got != c.want {
				t.Errorf("%d attempts, want %d", got, c.want)
			}
		})
	}
}

// A mirror is asked for the edition, and told nothing of the key.
func TestMirror(t *testing.T) {
	dir := t.TempDir()
	var asked string
	_, files := fetchFrom(t, dir, Download{LicenseKey: nginx.NewSecret(key), Mirror: "/databases/", Attempts: 1}, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = w.Write(archive(t, entry{name: "GeoLite2-City.mmdb", text: city(t, 1)}))
	})
	if asked != "/databases/GeoLite2-City.tar.gz" || len(files) != 1 {
		t.Errorf("asked for %s, got %v", asked, files)
	}
}

func TestErrorsHaveNoAddress(t *testing.T) {
	for _, d := range []Download{
		{Mirror: "http://user:password@127.0.0.1:1/x"}, {Mirror: "http://user:password@\x7f/"},
		{LicenseKey: nginx.NewSecret(key), origin: "http://127.0.0.1:1"},
	} {
		err := d.attempt(context.Background(), wantedIn(t, t.TempDir())[0])
		if err == nil || strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "secret") {
			t.Errorf("the error is %v", err)
		}
	}
	if text := fmt.Sprintf("%+v %#v", Download{LicenseKey: nginx.NewSecret(key)}, Download{LicenseKey: nginx.NewSecret(key)}); strings.Contains(text, key) {
		t.Errorf("printed, it is %s", text)
	}
}

func TestRedirectsKeepTLS(t *testing.T) {
	request := func(address string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := follow(request("http://127.0.0.1/"), []*http.Request{request("https://127.0.0.1/")}); err == nil {
		t.Error("a redirect leads away from TLS")
	}
	if err := follow(request("https://127.0.0.1/"), []*http.Request{request("https://127.0.0.1/")}); err != nil {
		t.Error(err)
	}
}

func TestBounded(t *testing.T) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(&bounded{from: strings.NewReader("123456"), left: 4}); err == nil || b.String() != "1234" {
		t.Errorf("read %q, %v", &b, err)
	}
}

// What is put into the directory is seen, once for each change.
func TestChangesAreSeen(t *testing.T) {
	dir := t.TempDir()
	s := Open(Options{Wanted: wantedIn(t, dir), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if !s.Await(ctx) {
		t.Fatal("nothing is fetched, and yet awaited")
	}
	missing := s.Databases()
	if missing[0].Flaw != "does not exist" {
		t.Errorf("found %+v", missing)
	}
	var former []geoip.Database
	for _, built := range []int64{1, 2} {
		mmdb.Put(t, missing[0].Path, city(t, built))
		select {
		case <-s.Changes():
		case <-time.After(20 * time.Second):
			t.Fatal("the database has not been seen")
		}
		now := s.Databases()
		if now[0].Flaw != "" || now[0].Version == "" || cmp.Equal(now, former) {
			t.Errorf("found %+v after %+v", now, former)
		}
		former = now
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	s := Open(Options{Wanted: wantedIn(t, t.TempDir()), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if s.Await(ctx) {
		t.Error("it goes on")
	}
	if _, err := geoip.Wanted("../etc/passwd,GeoLite2-City", "/x"); err == nil || errors.Unwrap(err) != nil {
		t.Errorf("a path is an edition: %v", err)
	}
}
