// Package arch_test holds the rules of this house as tests: what may import what, what a pure package
// keeps its hands off, how long things may grow, and what must not be in the repository.
//
// A rule says its reason beside it, and so does every exception. An exception that is not needed any
// more fails its test, so that the lists stay short.
package arch_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/sluice-ingress/sluice"

// file is a text file of the repository.
type file struct {
	path string // from the top, with slashes
	text string
}

func (f file) lines() int {
	return strings.Count(strings.TrimSuffix(f.text, "\n")+"\n", "\n")
}

// goFile is a file of Go.
type goFile struct {
	file
	dir    string // "." at the top
	test   bool
	syntax *ast.File
	fset   *token.FileSet
}

func (f goFile) line(p token.Pos) int { return f.fset.Position(p).Line }

// files are all that git tracks, or would with `git add`.
var files = sync.OnceValues(func() ([]file, error) {
	top, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	// A container's owner of the tree is often not its user; git would refuse.
	list, err := exec.Command("git", "-c", "safe.directory=*", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, err
	}
	var all []file
	for _, name := range strings.Split(strings.TrimRight(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(top, name))
		switch {
		case os.IsNotExist(err):
			continue // deleted, but not yet for git
		case err != nil:
			return nil, err
		case bytes.IndexByte(text, 0) < 0:
			all = append(all, file{filepath.ToSlash(name), string(text)})
		}
	}
	return all, nil
})

func repository(t *testing.T) []file {
	t.Helper()
	all, err := files()
	if err != nil {
		t.Fatalf("read the files of the repository: %v", err)
	}
	return all
}

// parsed are the files of Go, those for tests included.
var parsed = sync.OnceValues(func() ([]goFile, error) {
	all, err := files()
	if err != nil {
		return nil, err
	}
	var list []goFile
	for _, f := range all {
		if path.Ext(f.path) != ".go" {
			continue
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, f.path, f.text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		list = append(list, goFile{f, path.Dir(f.path), strings.HasSuffix(f.path, "_test.go"), syntax, fset})
	}
	return list, nil
})

func goFiles(t *testing.T) []goFile {
	t.Helper()
	list, err := parsed()
	if err != nil {
		t.Fatalf("read the files of Go: %v", err)
	}
	return list
}

// exceptions are what a rule lets pass, by name, and why.
type exceptions map[string]string

// check compares what breaks a rule with the exceptions to it.
func (e exceptions) check(t *testing.T, broken map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		if e[name] == "" {
			t.Errorf("%s: %s", name, broken[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if broken[name] == "" {
			t.Errorf("%s needs no exception any more: take it off the list", name)
		}
	}
}
