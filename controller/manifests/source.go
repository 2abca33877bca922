// Package manifests is a source of snapshots: a directory of Kubernetes manifests, watched for changes.
//
// It turns files into cluster.Snapshots, one after the other. A file that becomes unreadable keeps the
// objects it had; only its removal removes them. It never writes to the directory.
package manifests

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Source watches one directory.
type Source struct {
	dir     string
	log     *slog.Logger
	watcher *fsnotify.Watcher
	changes chan struct{}

	mu      sync.Mutex
	objects cluster.Objects
	notes   map[string][]cluster.Note // by file
}

// settle is how long a file must be left alone before it is read, since editors write in several steps. An
// event restarts the wait, but not beyond longestSettle.
const (
	settle        = 30 * time.Millisecond
	longestSettle = 300 * time.Millisecond
)

// Open reads the directory and starts to watch it. Run has to be called for changes to be seen.
func Open(dir string, log *slog.Logger) (*Source, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open manifests: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open manifests: %s is not a directory", dir)
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch manifests: %w", err)
	}
	s := &Source{dir: dir, log: log, watcher: watcher, changes: make(chan struct{}, 1)}
	if err := s.watchTree(dir); err != nil {
		return nil, errors.Join(err, watcher.Close())
	}
	s.readAll()
	return s, nil
}

// Changes gets a value when Snapshot may return something new. Several changes may come as one.
func (s *Source) Changes() <-chan struct{} { return s.changes }

// Snapshot returns the objects as they are now.
func (s *Source) Snapshot() cluster.Snapshot {
	s.mu.Lock()
	objects := s.objects
	notes := objects.Duplicates()
	for _, list := range s.notes {
		notes = append(notes, list...)
	}
	s.mu.Unlock()
	snapshot := cluster.FromObjects(objects)
	snapshot.Notes, snapshot.Places = notes, objects.Places()
	snapshot.Now = time.Now()
	return snapshot
}

// Run follows changes until the context ends.
func (s *Source) Run(ctx context.Context) error {
	defer s.watcher.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-s.watcher.Events:
			s.read(s.burst(ctx, event))
			select {
			case s.changes <- struct{}{}:
			default:
			}
		case err := <-s.watcher.Errors:
			// Events were lost, so look at everything.
			s.log.Warn("watching manifests missed events; reading all of them", "error", err)
			s.read(nil)
		}
	}
}

// burst collects the files of events that come close together. It returns nil if everything has to be read
// again, because files or directories came or went.
func (s *Source) burst(ctx context.Context, first fsnotify.Event) map[string]bool {
	files := map[string]bool{}
	all := s.note(first, files)
	deadline, quiet := time.After(longestSettle), time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case event := <-s.watcher.Events:
			all = s.note(event, files) || all
			quiet.Reset(settle)
			continue
		case <-quiet.C:
		case <-deadline:
		case <-ctx.Done():
		}
		if all {
			return nil
		}
		return files
	}
}

// note adds the file of an event. It returns true if reading that file alone is not enough.
func (s *Source) note(event fsnotify.Event, files map[string]bool) bool {
	if event.Has(fsnotify.Create) {
		if info, err := os.Stat(event.Name); err == nil && info.IsDir() {
			if err := s.watchTree(event.Name); err != nil {
				s.log.Warn("a new directory of manifests is not watched", "error", err)
			}
			return true
		}
	}
	// Mounted ConfigMaps swap a hidden link, after which any file may be another.
	hidden := strings.HasPrefix(filepath.Base(event.Name), ".")
	files[event.Name] = true
	return hidden || event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename)
}

func (s *Source) watchTree(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("watch manifests: %w", err)
		}
		if !entry.IsDir() {
			return nil
		}
		if path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if err := s.watcher.Add(path); err != nil {
			return fmt.Errorf("watch %s: %w", path, err)
		}
		return nil
	})
}

// read reads the given files, or all.
func (s *Source) read(files map[string]bool) {
	if files == nil {
		s.readAll()
		return
	}
	var names []string
	for file := range files {
		name, err := filepath.Rel(s.dir, file)
		if err == nil && cluster.IsManifest(name) {
			names = append(names, filepath.ToSlash(name))
		}
	}
	if len(names) == 0 {
		return
	}
	newer, notes := cluster.Load(os.DirFS(s.dir), names...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects = cluster.Keep(s.objects, s.objects.Merge(newer))
	for _, name := range names {
		delete(s.notes, name)
	}
	s.keepNotes(notes)
}

func (s *Source) readAll() {
	objects, notes := cluster.Load(os.DirFS(s.dir), ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects = cluster.Keep(s.objects, objects)
	s.notes = map[string][]cluster.Note{}
	s.keepNotes(notes)
}

func (s *Source) keepNotes(notes []cluster.Note) {
	for _, n := range notes {
		s.notes[n.File] = append(s.notes[n.File], n)
	}
}
