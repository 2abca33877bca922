package supervisor

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// The file is written anew when this many updates follow the full one, or when it has grown to double the
// size, but not for a few bytes.
const (
	linesMost = 1000
	smallFile = 64 << 10

	// entriesOfLine bounds what NGINX has to keep while it reads a line.
	entriesOfLine = 1000
)

// journal is the file from which NGINX takes its state when it starts: updates, one a line, the first ones together a
// full one. Adding is instant; the file follows in the background.
type journal struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	pending []dynamic.Update

	writing sync.Mutex     // held over what follows
	all     dynamic.Update // every update so far in one
	size    int            // of the file
	full    int            // of the lines of the full update
	lines   int            // after these
	isTorn  bool           // the file is not what it should be
}

// add takes an update, which must not be changed afterwards. The first one has to be a full one.
func (j *journal) add(u dynamic.Update) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if u.Reset {
		j.pending = nil
	}
	j.pending = append(j.pending, u)
}

// flush writes what was added so far.
func (j *journal) flush() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	updates := j.pending
	j.pending = nil
	j.mu.Unlock()
	if len(updates) == 0 && !j.isTorn {
		return nil
	}
	err := j.write(updates)
	j.isTorn = err != nil
	if err != nil {
		err = fmt.Errorf("write the state file: %w", err)
		j.log.Error("the state on disk is out of date", "error", err)
	}
	return err
}

func (j *journal) write(updates []dynamic.Update) error {
	isNew := j.isTorn
	var lines bytes.Buffer
	for _, u := range updates {
		if u.Reset {
			isNew = true
			j.all = dynamic.Update{}
		}
		if fold(&j.all, u); isNew {
			continue // it is written with all others
		}
		line, err := u.Encode()
		if err != nil {
			return err
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	if isNew || j.lines+len(updates) > linesMost || j.size+lines.Len() > max(2*j.full, smallFile) {
		return j.rewrite()
	}
	file, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(lines.Bytes())
	if closed := file.Close(); err == nil {
		err = closed
	}
	j.size += lines.Len()
	j.lines += len(updates)
	return err
}

// rewrite replaces the file by one full update, in parts.
func (j *journal) rewrite() error {
	var lines bytes.Buffer
	for _, part := range j.all.Parts(entriesOfLine) {
		line, err := part.Encode()
		if err != nil {
			return err
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	if err := os.MkdirAll(filepath.Dir(j.path), 0o755); err != nil {
		return err
	}
	temporary := j.path + unwritten
	_ = os.Remove(temporary) // its mode may be another
	err := os.WriteFile(temporary, lines.Bytes(), 0o600)
	if err == nil {
		err = os.Rename(temporary, j.path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return err
	}
	j.size, j.full, j.lines = lines.Len(), lines.Len(), 0
	return nil
}

// fold makes all the full update that has the effect of itself and then u.
func fold(all *dynamic.Update, u dynamic.Update) {
	all.Version, all.Generation, all.Reset = u.Version, u.Generation, true
	if u.Settings != nil {
		all.Settings = u.Settings
	}
	all.Backends = added(all.Backends, u.Backends)
	all.Certificates = added(all.Certificates, u.Certificates)
	all.Hosts = added(all.Hosts, u.Hosts)
	all.Staples = added(all.Staples, u.Staples)
	all.Routes = added(all.Routes, u.Routes)
	if u.Names != nil {
		all.Names = u.Names
	}
	if u.Removed != nil {
		drop(all.Backends, u.Removed.Backends)
		drop(all.Certificates, u.Removed.Certificates)
		drop(all.Hosts, u.Removed.Hosts)
		drop(all.Staples, u.Removed.Staples)
		drop(all.Routes, u.Removed.Routes)
	}
}

func added[V any](all, some map[string]V) map[string]V {
	if all == nil {
		all = make(map[string]V, len(some))
	}
	maps.Copy(all, some)
	return all
}

func drop[V any](all map[string]V, names []string) {
	for _, name := range names {
		delete(all, name)
	}
}
