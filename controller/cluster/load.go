package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxFile is the most that one manifest may hold. An API server takes objects of 1.5 MB; larger files
// than this are not manifests but mistakes.
const maxFile = 8 << 20

// Reader reads manifests.
type Reader struct {
	// Namespace is that of objects that name none, "default" if it is "".
	Namespace string
}

// Load is that of a Reader for namespace default.
func Load(fsys fs.FS, paths ...string) (Objects, []Note) { return Reader{}.Load(fsys, paths...) }

// Decode is that of a Reader for namespace default.
func Decode(name string, data []byte) (Objects, []Note) { return Reader{}.Decode(name, data) }

// Load reads manifests: each path is a file, or a directory that is searched for .yaml, .yml and .json
// files, in the order of their paths. Without paths it reads all of fsys. What cannot be read is in the
// Notes and keeps nothing else from being read.
func (r Reader) Load(fsys fs.FS, paths ...string) (Objects, []Note) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	names, notes := find(fsys, paths)
	files := failures(notes)
	for _, name := range names {
		f, more := r.loadFile(fsys, name)
		files = append(files, f)
		notes = append(notes, more...)
	}
	slices.SortStableFunc(notes, func(a, b Note) int { return cmp.Compare(a.File, b.File) })
	notes = slices.Compact(notes) // paths may overlap
	objs := sorted(files)
	return objs, append(notes, objs.Duplicates()...)
}

// Decode reads one stream of manifests; name stands for the file, as in "stdin".
func (r Reader) Decode(name string, data []byte) (Objects, []Note) {
	f, notes := r.decodeFile(name, data)
	objs := Objects{[]file{f}}
	return objs, append(notes, objs.Duplicates()...)
}

func (r Reader) loadFile(fsys fs.FS, name string) (file, []Note) {
	data, err := readFile(fsys, name)
	if err != nil {
		notes := []Note{unreadable(name, err)}
		return failures(notes)[0], notes
	}
	return r.decodeFile(name, data)
}

// readFile reads no more than one byte too many, which decodeFile then complains about.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// find lists the files to read, each once, and notes what it could not look into.
func find(fsys fs.FS, paths []string) (names []string, notes []Note) {
	for _, root := range paths {
		root = path.Clean(root)
		info, err := fs.Stat(fsys, root)
		switch {
		case err != nil:
			notes = append(notes, unreadable(root, err))
		case info.IsDir():
			found, more := walk(fsys, root)
			names = append(names, found...)
			notes = append(notes, more...)
		default:
			names = append(names, root)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), notes
}

func walk(fsys fs.FS, root string) (names []string, notes []Note) {
	visit := func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			notes = append(notes, unreadable(name, err))
		case name != root && strings.HasPrefix(path.Base(name), "."):
			// Version control, editors, and the directories behind the links of a mounted ConfigMap.
			if entry.IsDir() {
				return fs.SkipDir
			}
		case entry.Type()&fs.ModeSymlink != 0 && linksToDir(fsys, name):
			notes = append(notes, Note{File: name, Severity: Info, Message: "a link to a directory is not followed"})
		case isManifest(entry):
			names = append(names, name)
		}
		return nil
	}
	// visit stops at nothing, so neither does the walk.
	_ = fs.WalkDir(fsys, root, visit)
	return names, notes
}

// isManifest leaves out pipes, reading which may never end. Links count: that is how a mounted ConfigMap
// shows its files.
func isManifest(entry fs.DirEntry) bool {
	return IsManifest(entry.Name()) && (entry.Type().IsRegular() || entry.Type()&fs.ModeSymlink != 0)
}

// IsManifest goes by the end of the name, so that what editors leave behind ("web.yaml~", ".web.yaml.swp")
// does not count.
func IsManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return !strings.HasPrefix(path.Base(name), ".")
	}
	return false
}

func linksToDir(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.IsDir()
}

// failures are the files behind Notes, as far as those are errors.
func failures(notes []Note) []file {
	var files []file
	for _, n := range notes {
		if n.Severity == Error && !slices.ContainsFunc(files, func(f file) bool { return f.name == n.File }) {
			files = append(files, file{name: n.File, failed: true})
		}
	}
	return files
}

func unreadable(name string, err error) Note {
	// The path is in the Note already.
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		err = inPath.Err
	}
	return Note{File: name, Severity: Error, Message: printable(fmt.Sprintf("cannot be read: %v", err))}
}
