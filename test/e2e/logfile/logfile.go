// Package logfile keeps what a process prints in a file that does not grow without bounds. It does not look at it.
package logfile

import (
	"io/fs"
	"os"
	"sync"
)

// Limit is how many bytes a file has before it is put aside as NAME.1, of which there is one. So twice as much is kept.
const Limit = 16 << 20

// File is an io.WriteCloser.
type File struct {
	name  string
	limit int64

	mu   sync.Mutex
	file *os.File
	size int64
}

// Open goes on where an earlier File of that name ended.
func Open(name string) (*File, error) { return open(name, Limit) }

func open(name string, limit int64) (*File, error) {
	f := &File{name: name, limit: limit}
	return f, f.reopen(os.O_APPEND)
}

func (f *File) reopen(how int) error {
	file, err := os.OpenFile(f.name, os.O_CREATE|os.O_WRONLY|how, 0o644)
	if err != nil {
		return err
	}
	var info fs.FileInfo
	if info, err = file.Stat(); err != nil {
		return err
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write never splits what it is given between two files.
func (f *File) Write(text []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.size > 0 && f.size+int64(len(text)) > f.limit {
		if err := f.putAside(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(text)
	f.size += int64(n)
	return n, err
}

func (f *File) putAside() error {
	if err := os.Rename(f.name, f.name+".1"); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	return f.reopen(os.O_TRUNC)
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
