package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func files(contents map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range contents {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// readFrom shows what was read with the file it came from: "a.yaml ConfigMap default/a".
func readFrom(objs Objects) []string {
	var all []string
	for _, p := range objs.all() {
		all = append(all, p.file+" "+p.key.String())
	}
	return all
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got  %q\nwant %q", what, got, want)
	}
}

func TestLoad(t *testing.T) {
	fsys := files(map[string]string{
		"b.yml":              cm("b"),
		"a.yaml":             cm("a"),
		"a/z.json":           jsonCM("z"),
		"a/sub/deep.yaml":    cm("deep"),
		"notes.txt":          "not YAML: [",
		"README":             "not YAML: [",
		".hidden.yaml":       cm("hidden"),
		".git/config.yaml":   cm("hidden"),
		"a/..data/real.yaml": cm("hidden"),
		"a.yaml~":            cm("left"),
		".a.yaml.swp":        cm("left"),
		"#a.yaml#":           cm("left"),
		"a.yaml.bak":         cm("left"),
	})
	for _, test := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"all", nil, []string{"a.yaml ConfigMap default/a", "a/sub/deep.yaml ConfigMap default/deep", "a/z.json ConfigMap default/z", "b.yml ConfigMap default/b"}},
		{"root", []string{"."}, []string{"a.yaml ConfigMap default/a", "a/sub/deep.yaml ConfigMap default/deep", "a/z.json ConfigMap default/z", "b.yml ConfigMap default/b"}},
		{"directory", []string{"a"}, []string{"a/sub/deep.yaml ConfigMap default/deep", "a/z.json ConfigMap default/z"}},
		{"files in the order of their paths", []string{"b.yml", "./a.yaml"}, []string{"a.yaml ConfigMap default/a", "b.yml ConfigMap default/b"}},
		{"overlapping", []string{"a/sub", "a", "a/z.json", "a/"}, []string{"a/sub/deep.yaml ConfigMap default/deep", "a/z.json ConfigMap default/z"}},
		{"what is named is read", []string{".hidden.yaml", "a.yaml.bak"}, []string{".hidden.yaml ConfigMap default/hidden", "a.yaml.bak ConfigMap default/left"}},
		{"hidden directory by name", []string{".git"}, []string{".git/config.yaml ConfigMap default/hidden"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			objs, notes := Load(fsys, test.paths...)
			equal(t, "read", readFrom(objs), test.want)
			if len(notes) > 0 {
				t.Error(notes)
			}
		})
	}
}

func TestLoadNotes(t *testing.T) {
	_, notes := Load(files(map[string]string{
		"a.yaml": cm("same") + "---\na: [",
		"b.yaml": cm("same"),
		"c.yaml": strings.Repeat("#", maxFile+1),
	}), "gone", ".")
	var got []string
	for _, n := range notes {
		got = append(got, n.File+":"+text(n))
	}
	equal(t, "notes", got, []string{
		"a.yaml:5: error:  |  | not valid YAML: line 5: did not find expected node content",
		"c.yaml:0: error:  |  | larger than 8 MiB",
		"gone:0: error:  |  | cannot be read: file does not exist",
		"b.yaml:1: warning: ConfigMap default/same |  | defined in a.yaml, line 1, as well; the one here counts",
	})
}

// A mounted ConfigMap shows its files as links into a hidden directory.
func TestLoadFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"real/..v1", "elsewhere"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "real/..v1/a.yaml"), []byte(cm("a")), 0o644),
		os.WriteFile(filepath.Join(dir, "elsewhere/b.yaml"), []byte(cm("b")), 0o644),
		os.Symlink("..v1", filepath.Join(dir, "real/..data")),
		os.Symlink("..data/a.yaml", filepath.Join(dir, "real/a.yaml")),
		os.Symlink("nothing", filepath.Join(dir, "real/broken.yaml")),
		os.Symlink("../elsewhere", filepath.Join(dir, "real/dir")),
		os.Symlink(".", filepath.Join(dir, "real/loop.yaml")),
		os.Symlink("real", filepath.Join(dir, "current")),
	)
	if err != nil {
		t.Fatal(err)
	}
	objs, notes := Load(os.DirFS(dir), "current")
	equal(t, "read", readFrom(objs), []string{"current/a.yaml ConfigMap default/a"})
	var got []string
	for _, n := range notes {
		got = append(got, n.File+":"+text(n))
	}
	equal(t, "notes", got, []string{
		"current/broken.yaml:0: error:  |  | cannot be read: no such file or directory",
		"current/dir:0: info:  |  | a link to a directory is not followed",
		"current/loop.yaml:0: info:  |  | a link to a directory is not followed",
	})
}

// closed is a directory tree in which one directory cannot be listed and one file cannot be opened.
type closed struct {
	fstest.MapFS
	name string
}

func (c closed) Open(name string) (fs.File, error) {
	if name == c.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return c.MapFS.Open(name)
}

func (c closed) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == c.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return c.MapFS.ReadDir(name)
}

func TestLoadWithoutPermission(t *testing.T) {
	fsys := files(map[string]string{"a/1.yaml": cm("a1"), "a/2.yaml": cm("a2"), "b/1.yaml": cm("b1"), "ab.yaml": cm("ab")})
	before, _ := Load(fsys)
	for _, test := range []struct {
		closed string
		read   []string
	}{
		{"a", []string{"ab.yaml ConfigMap default/ab", "b/1.yaml ConfigMap default/b1"}},
		{"a/2.yaml", []string{"a/1.yaml ConfigMap default/a1", "ab.yaml ConfigMap default/ab", "b/1.yaml ConfigMap default/b1"}},
		{".", nil},
	} {
		now, notes := Load(closed{fsys, test.closed})
		equal(t, "read", readFrom(now), test.read)
		equal(t, "notes", texts(notes), []string{"0: error:  |  | cannot be read: permission denied"})
		equal(t, "kept", readFrom(Keep(before, now)), readFrom(before))
	}
}
