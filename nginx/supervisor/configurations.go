package supervisor

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

const (
	mainFile  = "nginx.conf"
	link      = "current"
	unwritten = ".tmp" // ends the name of what is not complete
	keep      = 2      // directories kept beside the live one, to look at after an incident
)

// configurations is the directory that holds one directory for each configuration, named by generation, and
// the link "current" to the one that NGINX reads.
type configurations struct{ root string }

func (c configurations) directory(generation string) string { return filepath.Join(c.root, generation) }

// main is the file NGINX is started with; the link in it is what makes a reload read another one.
func (c configurations) main() string { return filepath.Join(c.root, link, mainFile) }

// write lays down a configuration in a new directory, which appears complete or not at all.
func (c configurations) write(files nginx.Files) error {
	final := c.directory(files.Generation)
	dir := final + unwritten
	err := os.RemoveAll(dir)
	for _, f := range files.List {
		if err == nil {
			err = writeFile(filepath.Join(dir, f.Name), f)
		}
	}
	if err == nil {
		err = os.RemoveAll(final) // from an earlier time, never the live one
	}
	if err == nil {
		err = os.Rename(dir, final)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return fmt.Errorf("write configuration %s: %w", files.Generation, err)
	}
	return nil
}

// refresh replaces the files of a configuration in place that differ, each at once.
func (c configurations) refresh(files nginx.Files) error {
	dir := c.directory(files.Generation)
	for _, f := range files.List {
		path := filepath.Join(dir, f.Name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, f.Content) {
			continue
		}
		if err := replaceFile(path, f); err != nil {
			return fmt.Errorf("refresh configuration %s: %w", files.Generation, err)
		}
	}
	return nil
}

func writeFile(path string, f nginx.File) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil { //nolint:gosec // workers open files in it, by name
		return err
	}
	mode := fs.FileMode(0o644)
	if f.Secret {
		mode = 0o600
	}
	if err := os.WriteFile(path, f.Content, mode); err != nil || !f.Workers || os.Geteuid() != 0 {
		return err
	}
	return os.Chown(path, nobody, -1)
}

// nobody is the user, by Debian's number, that workers are of a master that is root.
const nobody = 65534

func replaceFile(path string, f nginx.File) error {
	temporary := path + unwritten
	_ = os.Remove(temporary) // its mode may be another
	if err := writeFile(temporary, f); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// current returns the generation that NGINX reads, or "".
func (c configurations) current() string {
	target, err := os.Readlink(filepath.Join(c.root, link))
	if err != nil {
		return ""
	}
	return target
}

// point makes NGINX read a configuration from now on; none if generation is "".
func (c configurations) point(generation string) error {
	path := filepath.Join(c.root, link)
	if generation == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take back the configuration: %w", err)
		}
		return nil
	}
	temporary := path + unwritten
	_ = os.Remove(temporary)
	err := os.Symlink(generation, temporary)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("swap in configuration %s: %w", generation, err)
	}
	return nil
}

func (c configurations) remove(generation string) {
	if generation != c.current() {
		_ = os.RemoveAll(c.directory(generation)) // what stays is pruned later
	}
}

// prune removes all but the live configuration and the youngest of the others.
func (c configurations) prune(live string) {
	entries, err := os.ReadDir(c.root)
	if err != nil {
		return
	}
	type directory struct {
		name  string
		since time.Time
	}
	var others []directory
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil || !e.IsDir() || e.Name() == live:
		case strings.HasSuffix(e.Name(), unwritten):
			_ = os.RemoveAll(filepath.Join(c.root, e.Name()))
		default:
			others = append(others, directory{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(others, func(a, b directory) int {
		return cmp.Or(b.since.Compare(a.since), strings.Compare(a.name, b.name))
	})
	for _, d := range others[min(keep, len(others)):] {
		_ = os.RemoveAll(filepath.Join(c.root, d.name))
	}
}

// isName tells whether text can name a directory here.
func isName(text string) bool {
	for _, r := range text {
		if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", r) {
			return false
		}
	}
	return text != "" && text != link
}

// isPath tells whether text can name a file within a configuration.
func isPath(text string) bool {
	return filepath.IsLocal(text) && filepath.Clean(text) == text && text != "."
}
