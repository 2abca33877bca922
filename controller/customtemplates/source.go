// Package customtemplates watches a directory for templates that replace the built-in ones. A template that
// cannot be used changes nothing: the last good set stays in force.
package customtemplates

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/sluice-ingress/sluice/controller/directory"
	"github.com/sluice-ingress/sluice/templates"
)

// Source is a directory of templates, which need not exist.
type Source struct {
	dir     string
	log     *slog.Logger
	watcher *directory.Watcher // nil if the directory does not exist
	set     atomic.Pointer[templates.Set]
	changes chan struct{}
}

// Open reads the templates. A bad one is an error here: there is no last good set yet.
func Open(dir string, log *slog.Logger) (*Source, error) {
	s := &Source{dir: dir, log: log, changes: make(chan struct{}, 1)}
	if err := s.read(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || dir == "" {
		return s, nil
	}
	var err error
	if s.watcher, err = directory.Watch(dir); err != nil {
		return nil, fmt.Errorf("watch templates: %w", err)
	}
	return s, nil
}

// Templates returns the last good set.
func (s *Source) Templates() *templates.Set { return s.set.Load() }

// Changes gets a value when Templates returns a new set.
func (s *Source) Changes() <-chan struct{} { return s.changes }

// Run follows changes until the context ends.
func (s *Source) Run(ctx context.Context) error {
	if s.watcher == nil {
		return nil
	}
	s.watcher.Run(ctx, func(err error) { s.log.Warn("watching templates", "error", err) }, s.reread)
	return nil
}

func (s *Source) reread() {
	if err := s.read(); err != nil {
		s.log.Error("the templates cannot be used; the last good ones stay in force", "error", err)
		return
	}
	s.log.Info("templates were read again", "directory", s.dir)
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

func (s *Source) read() error {
	set, err := Load(s.dir)
	if err != nil {
		return err
	}
	s.set.Store(set)
	return nil
}

// Load reads the templates of a directory that replace built-in ones. An empty name, or a directory
// that does not exist, replaces none.
func Load(dir string) (*templates.Set, error) {
	replaced := map[string]string{}
	for _, name := range templates.Names {
		if dir == "" {
			break
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
		replaced[name] = string(text)
	}
	set, err := templates.New(replaced)
	if err != nil {
		return nil, fmt.Errorf("templates in %q: %w", dir, err)
	}
	return set, nil
}
