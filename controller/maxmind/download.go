package maxmind

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/geoip"
)

// Download says where databases are fetched from. One that is there already stays if that fails. Unlike in ingress-nginx, which
// ends then, nothing that goes wrong keeps the controller from serving.
type Download struct {
	LicenseKey nginx.Secret  // of an account at MaxMind
	Mirror     string        // URL below which a mirror has EDITION.tar.gz; "" for MaxMind. It is not told the key
	Attempts   int           // for each database, at least one
	Pause      time.Duration // before the second attempt; each further one is half as long again. 0 for no second attempt

	origin string // of MaxMind; "" for the real one
}

// Bounds of what is fetched. The largest database, GeoIP2-City, has some 120 MB.
const (
	mostPacked   = 512 << 20
	mostUnpacked = 1 << 30
	mostTime     = 5 * time.Minute // of an attempt
)

// isAskedFor tells whether there is anything to fetch from, as in ingress-nginx.
func (d *Download) isAskedFor() bool { return d.LicenseKey.Reveal() != "" || d.Mirror != "" }

// fetch tries as often as it is told to.
func (d *Download) fetch(ctx context.Context, database geoip.Database, log *slog.Logger) error {
	pause := d.Pause
	for attempt := 1; ; attempt++ {
		err := d.attempt(ctx, database)
		var permanent refusal
		if err == nil || attempt >= d.Attempts || pause == 0 || errors.As(err, &permanent) {
			return err
		}
		log.Warn("a database of addresses could not be fetched; it is tried again", "edition", database.Edition, "in", pause, "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		pause += pause / 2
	}
}

// refusal is an answer that another attempt will not change.
type refusal struct{ status string }

func (r refusal) Error() string { return "the server answers " + r.status }

func (d *Download) attempt(ctx context.Context, database geoip.Database) error {
	ctx, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address(database.Edition), http.NoBody)
	if err != nil {
		return errors.New("--maxmind-mirror is no URL") // the error would repeat it
	}
	client := http.Client{CheckRedirect: follow}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return d.withoutAddress(err)
	}
	defer answer.Body.Close()
	switch code := answer.StatusCode; {
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		return refusal{fmt.Sprintf("%d %s", code, http.StatusText(code))}
	case code != http.StatusOK:
		return fmt.Errorf("the server answers %d %s", code, http.StatusText(code))
	}
	if err := unpack(answer.Body, database.Path); err != nil {
		return d.withoutAddress(err)
	}
	return nil
}

// address is where an edition is. That of MaxMind has the key in it.
func (d *Download) address(edition string) string {
	if d.Mirror != "" {
		return strings.TrimSuffix(d.Mirror, "/") + "/" + edition + ".tar.gz"
	}
	query := url.Values{"edition_id": {edition}, "license_key": {d.LicenseKey.Reveal()}, "suffix": {"tar.gz"}}
	return cmp.Or(d.origin, "https://download.maxmind.com") + "/app/geoip_download?" + query.Encode()
}

// follow goes where MaxMind keeps its files without telling that server, by the header Referer, the key; and never to where
// others can listen.
func follow(next *http.Request, former []*http.Request) error {
	next.Header.Del("Referer")
	switch {
	case len(former) >= 10:
		return errors.New("the server redirects ten times")
	case former[0].URL.Scheme == "https" && next.URL.Scheme != "https":
		return errors.New("the server redirects to an address without TLS")
	}
	return nil
}

// withoutAddress is an error without the address that was asked for, which has the key, or a password of the mirror.
func (d *Download) withoutAddress(err error) error {
	var failed *url.Error
	for errors.As(err, &failed) {
		err = failed.Err
	}
	text := err.Error()
	for _, secret := range []string{d.LicenseKey.Reveal(), url.QueryEscape(d.LicenseKey.Reveal()), d.Mirror} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "redacted")
		}
	}
	return errors.New(text)
}

// unpack writes the database in a compressed archive to a file, which changes as a whole or not at all. Of the archive's names
// only the last part is looked at, and none becomes that of a file.
func unpack(archive io.Reader, target string) error {
	packed := &bounded{from: archive, left: mostPacked}
	uncompressed, err := gzip.NewReader(packed)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	entries := tar.NewReader(&bounded{from: uncompressed, left: mostUnpacked})
	for {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the archive has no %s", filepath.Base(target))
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if entry.Typeflag != tar.TypeReg || path.Base(entry.Name) != filepath.Base(target) {
			continue
		}
		if entry.Size > mostUnpacked { // holes in it are in no archive
			return fmt.Errorf("%s in the archive is too large", filepath.Base(target))
		}
		return replace(target, entries)
	}
}

// replace writes a database beside its place, and renames it if it is one. Everybody may read it: NGINX is another user.
func replace(target string, content io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("make the directory of databases: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(target), ".fetching-*")
	if err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = io.Copy(file, content)
	if err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	if _, flaw := inspect(file.Name()); flaw != "" {
		return fmt.Errorf("what the archive has as %s %s", filepath.Base(target), flaw)
	}
	if err := os.Rename(file.Name(), target); err != nil {
		return fmt.Errorf("replace the database: %w", err)
	}
	return nil
}

// bounded reads so many bytes, and fails if there are more.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("it is too large")
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
