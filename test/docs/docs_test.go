// Package docs_test keeps the documentation true: its examples run, its links lead somewhere, and its lists of
// reasons and metrics are those of the program.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const top = "../.."

// page is a file of the documentation.
type page struct {
	path  string // from the top
	lines []string
}

func (p page) text() string { return strings.Join(p.lines, "\n") }

func (p page) at(line int) string { return fmt.Sprintf("%s:%d", p.path, line+1) }

// pages are README.md, CONTRIBUTING.md and all of docs.
func pages(t *testing.T) []page {
	t.Helper()
	names := []string{"README.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir(filepath.Join(top, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			name, _ := filepath.Rel(top, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []page
	for _, name := range names {
		list = append(list, read(t, name))
	}
	return list
}

func read(t *testing.T, name string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return page{name, strings.Split(string(text), "\n")}
}

// block is a fenced block of a page.
type block struct {
	language string
	line     int    // of the opening fence
	after    int    // the line behind the closing fence
	heading  string // the last one above it
	lines    []string
}

func (b block) text() string { return strings.Join(b.lines, "\n") + "\n" }

func blocks(t *testing.T, p page) []block {
	t.Helper()
	var list []block
	heading := ""
	for i := 0; i < len(p.lines); i++ {
		if title, is := strings.CutPrefix(p.lines[i], "#"); is {
			heading = strings.TrimSpace(strings.TrimLeft(title, "#"))
		}
		language, opens := strings.CutPrefix(p.lines[i], "```")
		if !opens {
			continue
		}
		b := block{language: language, line: i, heading: heading}
		for i++; i < len(p.lines) && p.lines[i] != "```"; i++ {
			b.lines = append(b.lines, p.lines[i])
		}
		if i == len(p.lines) {
			t.Fatalf("%s: the block is not closed", p.at(b.line))
		}
		b.after = i + 1
		list = append(list, b)
	}
	return list
}

// prose is the page with its blocks blanked out, so that line numbers stay.
func prose(t *testing.T, p page) page {
	t.Helper()
	out := page{p.path, slices.Clone(p.lines)}
	for _, b := range blocks(t, p) {
		for i := b.line; i < b.after; i++ {
			out.lines[i] = ""
		}
	}
	return out
}

// sluice is the program, built once. The kubectl plugin is beside it.
var sluice = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sluice-docs-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", top+"/cmd/sluice", top+"/cmd/kubectl-ingress").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build sluice: %w\n%s", err, out)
	}
	return filepath.Join(dir, "sluice"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := sluice(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// place is a directory in which examples run: like the repository after `make build`, but nothing that they write
// stays.
func place(t *testing.T) string {
	t.Helper()
	program, err := sluice()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	examples, err := filepath.Abs(filepath.Join(top, "examples"))
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "bin"), 0o755)
	}
	if err == nil {
		err = os.Symlink(program, filepath.Join(dir, "bin", "sluice"))
	}
	if err == nil {
		err = os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(examples))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

const tested = "<!-- tested -->"

// TestExamples runs every block of shell lines that is marked as tested. If a block of text follows at once, that is
// what the lines print, on both outputs. Indents make no difference, and a line of three dots stands for any lines.
func TestExamples(t *testing.T) {
	ran := 0
	for _, p := range pages(t) {
		list := blocks(t, p)
		for i, b := range list {
			if b.line == 0 || p.lines[b.line-1] != tested {
				continue
			}
			ran++
			t.Run(p.at(b.line), func(t *testing.T) {
				cmd := exec.Command("bash", "-euc", b.text())
				cmd.Dir = place(t)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if i+1 < len(list) && list[i+1].language == "text" && list[i+1].line <= b.after+1 {
					if want := list[i+1].text(); !prints(string(out), want) {
						t.Errorf("it prints\n%s\nbut the text says\n%s", out, want)
					}
				}
			})
		}
		if marks := strings.Count(p.text(), "\n"+tested+"\n```sh\n"); marks != strings.Count(p.text(), tested) {
			t.Errorf("%s: something is marked as tested that is no block of shell lines", p.path)
		}
	}
	if ran == 0 {
		t.Error("no example is tested")
	}
}

func prints(got, want string) bool {
	pattern := "\n" + regexp.QuoteMeta(unindented(want))
	pattern = strings.ReplaceAll(pattern, "\n\\.\\.\\.\n", "\n(?s:.*)")
	return regexp.MustCompile("^" + strings.TrimPrefix(pattern, "\n") + "$").MatchString(unindented(got))
}

// unindented also drops empty lines at the ends.
func unindented(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinksLeadSomewhere follows the links within the repository.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range pages(t) {
		for i, line := range prose(t, p).lines {
			for _, found := range link.FindAllStringSubmatch(line, -1) {
				if strings.Contains(found[1], "://") {
					continue
				}
				name, anchor, _ := strings.Cut(found[1], "#")
				target := p.path
				if name != "" {
					target = filepath.Join(filepath.Dir(p.path), name)
				}
				if _, err := os.Stat(filepath.Join(top, target)); err != nil {
					t.Errorf("%s: the link leads to %s, which does not exist", p.at(i), target)
				} else if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
					t.Errorf("%s: %s has no heading %q", p.at(i), target, anchor)
				}
			}
		}
	}
}

// anchors are the names that headings get as targets of links.
func anchors(p page) []string {
	var list []string
	for _, line := range p.lines {
		title, is := strings.CutPrefix(line, "#")
		if !is {
			continue
		}
		title = strings.ToLower(strings.TrimSpace(strings.TrimLeft(title, "#")))
		list = append(list, strings.ReplaceAll(regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(title, ""), " ", "-"))
	}
	return list
}

var code = regexp.MustCompile("`([^`]+)`")

// TestNamedFilesExist looks for every file of the repository that is named in the text. Words in capitals stand for
// any name, as in NAME.go.
func TestNamedFilesExist(t *testing.T) {
	here, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t) {
		for i, line := range prose(t, p).lines {
			for _, found := range code.FindAllStringSubmatch(line, -1) {
				name := strings.TrimPrefix(found[1], "./")
				first, _, nested := strings.Cut(name, "/")
				ours := slices.ContainsFunc(here, func(e os.DirEntry) bool { return e.Name() == first && e.IsDir() })
				if !nested || !ours || first == "bin" || strings.ContainsAny(name, " *{") || regexp.MustCompile(`\b[A-Z]+\.`).MatchString(name) {
					continue
				}
				if _, err := os.Stat(filepath.Join(top, name)); err != nil {
					t.Errorf("%s: there is no %s", p.at(i), name)
				}
			}
		}
	}
}

var (
	flag = regexp.MustCompile("(?:^|[\\s`(])(--[a-z][a-z0-9-]+)")
	// foreign are command lines of other programs, with the lines that go on with their flags.
	foreign = regexp.MustCompile(`^\s*(helm|docker|gh|kubectl create|--set)\b`)
)

// TestFlagsExist looks up every flag that is named anywhere, in the help of the program or the text of a script.
func TestFlagsExist(t *testing.T) {
	program, err := sluice()
	if err != nil {
		t.Fatal(err)
	}
	known := read(t, "rootfs/enter").text()
	plugin := filepath.Join(filepath.Dir(program), "kubectl-ingress")
	for _, command := range [][]string{{program, "controller"}, {program, "explain"}, {program, "render"}, {program, "lint"}, {program, "diff"}, {program, "migrate"}, {plugin, "conf"}, {plugin, "lint"}, {plugin, "routes"}} {
		help, err := exec.Command(command[0], command[1], "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		known += string(help)
	}
	for _, p := range pages(t) {
		for i, line := range p.lines {
			for _, found := range flag.FindAllStringSubmatch(line, -1) {
				if !foreign.MatchString(line) && !regexp.MustCompile(regexp.QuoteMeta(found[1])+`\b`).MatchString(known) {
					t.Errorf("%s: no command has the flag %s", p.at(i), found[1])
				}
			}
		}
	}
}

// TestGoVersion compares the version that people are told to install with the one the code needs.
func TestGoVersion(t *testing.T) {
	found := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod").text())
	if found == nil || !strings.Contains(read(t, "README.md").text(), "Go "+found[1]+" ") {
		t.Errorf("README.md does not ask for the version of go.mod, Go %v", found)
	}
}
