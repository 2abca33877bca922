package manifests

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

const standardInput = "<stdin>"

// Read reads files and directories of manifests once; - is standard input. Namespace is that of objects that name none, "default" if it
// is "". Texts, unless nil, gets what was read, by file. What cannot
// be read of a file or directory that is there is in the Notes.
func Read(paths []string, stdin io.Reader, namespace string, texts map[string][]byte) (objects cluster.Objects, notes []cluster.Note, err error) {
	if texts == nil {
		texts = map[string][]byte{}
	}
	reader := cluster.Reader{Namespace: namespace}
	for _, path := range paths {
		var some cluster.Objects
		var more []cluster.Note
		if path == "-" {
			text, err := io.ReadAll(stdin)
			if err != nil {
				return objects, notes, fmt.Errorf("read standard input: %w", err)
			}
			texts[standardInput] = text
			some, more = reader.Decode(standardInput, text)
		} else {
			if _, err := os.Stat(path); err != nil {
				return objects, notes, fmt.Errorf("read manifests: %w", err)
			}
			some, more = reader.Load(anyPath{texts}, filepath.Clean(path))
		}
		objects = objects.Merge(some)
		notes = append(notes, more...)
	}
	return objects, notes, nil
}

// anyPath is the machine's file system with the paths that users write: also absolute ones and such with "..". It keeps
// the texts that are read.
type anyPath struct{ texts map[string][]byte }

func (p anyPath) Open(name string) (fs.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &kept{File: f, name: name, texts: p.texts}, nil
}

// kept is a file whose text is kept as it is read.
type kept struct {
	*os.File
	name  string
	text  bytes.Buffer
	texts map[string][]byte
}

func (k *kept) Read(into []byte) (int, error) {
	n, err := k.File.Read(into)
	k.text.Write(into[:n])
	k.texts[k.name] = k.text.Bytes()
	return n, err
}
