// Package maxmind watches the databases of a directory, and fetches them from MaxMind or a mirror of it at start.
package maxmind

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/controller/directory"
	"github.com/sluice-ingress/sluice/nginx/geoip"
)

// Options say which databases, and where they come from.
type Options struct {
	Wanted   []geoip.Database // all in one directory
	Download Download
	NoModule bool // NGINX has no module to read them
	Log      *slog.Logger
}

// Source is the databases that are asked for, as far as they are there.
type Source struct {
	Options
	watcher   *directory.Watcher // nil if no directory can be watched
	looking   sync.Mutex         // what was seen last is what is kept
	databases atomic.Pointer[[]geoip.Database]
	changes   chan struct{}
	fetched   chan struct{} // closed when all have been fetched, or could not be
}

// Open looks at the databases. Their directory need not exist, but is watched only if it does.
func Open(o Options) *Source {
	s := &Source{Options: o, changes: make(chan struct{}, 1), fetched: make(chan struct{})}
	s.watch()
	s.look()
	return s
}

func (s *Source) watch() {
	if len(s.Wanted) == 0 {
		return
	}
	var err error
	if s.watcher, err = directory.Watch(filepath.Dir(s.Wanted[0].Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.Warn("databases of addresses are not watched", "error", err)
	}
}

// Databases are those that are asked for, as they were found last.
func (s *Source) Databases() []geoip.Database { return *s.databases.Load() }

// Changes gets a value when Databases returns something new.
func (s *Source) Changes() <-chan struct{} { return s.changes }

// mostFetching bounds how long clients wait for databases. They do because snippets that go by them are not taken without.
const mostFetching = time.Minute

// Await returns when the databases have been fetched, could not be, or take too long; false if the context ended first.
func (s *Source) Await(ctx context.Context) bool {
	timer := time.NewTimer(mostFetching)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		s.Log.Warn("databases of addresses have not all been fetched; NGINX starts without, and has them as soon as they are there", "after", mostFetching)
	case <-s.fetched:
	}
	return true
}

// fetch has them fetched if there is anything to fetch from, and looks at what came of it.
func (s *Source) fetch(ctx context.Context) {
	defer close(s.fetched)
	if !s.Download.isAskedFor() {
		return
	}
	for _, database := range s.Wanted {
		if err := s.Download.fetch(ctx, database, s.Log); err != nil {
			s.Log.Error("a database of addresses could not be fetched", "edition", database.Edition, "error", err)
			continue
		}
		s.Log.Info("a database of addresses was fetched", "edition", database.Edition)
	}
	s.look()
}

// Run fetches the databases, once, and follows changes of their directory until the context ends.
func (s *Source) Run(ctx context.Context) error {
	var fetching sync.WaitGroup
	fetching.Go(func() { s.fetch(ctx) })
	defer fetching.Wait()
	if s.watcher == nil {
		return nil
	}
	s.watcher.Run(ctx, func(err error) { s.Log.Warn("watching databases of addresses", "error", err) }, s.look)
	return nil
}

// look finds out which databases are there.
func (s *Source) look() {
	s.looking.Lock()
	defer s.looking.Unlock()
	found := slices.Clone(s.Wanted)
	for i := range found {
		if found[i].Version, found[i].Flaw = inspect(found[i].Path); s.NoModule {
			found[i].Flaw = "cannot be used, as NGINX's module for it is not installed"
		}
	}
	if before := s.databases.Swap(&found); before == nil || slices.Equal(*before, found) {
		return
	}
	s.Log.Info("databases of addresses are others than before")
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

// marker begins the description at the end of a database, within the last 128 KiB ("MaxMind DB File Format Specification",
// section "Database Metadata").
var marker = []byte("\xab\xcd\xefMaxMind.com")

const longestDescription = 128 << 10

// inspect returns a hash of what the file at a path says of itself, which includes when it was built, or what is wrong with it. A file
// that has been cut off has no such description, as that is at the end.
func inspect(path string) (version, flaw string) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "does not exist"
	}
	if err != nil {
		return "", "cannot be read"
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", "is no file that can be read"
	}
	end := make([]byte, min(info.Size(), longestDescription))
	if _, err := file.ReadAt(end, info.Size()-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return "", "cannot be read"
	}
	at := bytes.LastIndex(end, marker)
	if at < 0 {
		return "", "is no database of MaxMind, or not complete"
	}
	sum := sha256.Sum256(fmt.Appendf(end[at:], "%d", info.Size()))
	return hex.EncodeToString(sum[:8]), ""
}
