// Package directory tells when the files of a directory may have changed.
package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a directory must be left alone before somebody looks at it.
const settle = 50 * time.Millisecond

// Watcher watches one directory.
type Watcher struct{ files *fsnotify.Watcher }

// Watch begins to watch a directory. It fails with fs.ErrNotExist if there is none.
func Watch(dir string) (*Watcher, error) {
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch a directory: %w", err)
	}
	if err := files.Add(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", dir, err), files.Close())
	}
	return &Watcher{files}, nil
}

// Run calls look when something has happened since Watch, and the directory has been left alone for a moment; and failed before
// that if what happened is not known. It returns when the context ends, and watches no more.
func (w *Watcher) Run(ctx context.Context, failed func(error), look func()) {
	defer w.files.Close()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.files.Events:
			quiet.Reset(settle)
		case err := <-w.files.Errors:
			failed(err)
			quiet.Reset(settle)
		case <-quiet.C:
			look()
		}
	}
}
