// Package attacks reads the attacks that this program has to withstand: one text file each, with what an attacker
// writes, what that did to others, what is done about it here, and what has to come out.
//
// A case is a txtar archive. Its comment says what the attack did elsewhere. Sections:
//
//	about         lines of "field: text", see Case
//	ingress.yaml, objects.yaml, configmap.yaml, options, requests
//	              as in package golden, with {{VALUE}} for what the attacker writes and {{KEY}} for the annotation
//	values        what the attacker writes: Go string literals, one a line; each is tried alone
//	like          a harmless value with the same outcome, another literal
//	problems      what is reported: severity, object, field and reason, one a line
//
// Without ingress.yaml it is an Ingress with the annotations that "about" names, one after the other.
package attacks

import (
	_ "embed"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/test/golden"
)

// Case is an attack.
type Case struct {
	Name string

	IDs         []string // such as CVE-2023-5044
	By          string   // tenant, client or pod
	Writes      string   // where the attacker's text stands
	Annotations []string // names without prefix, if it is one of these
	There       string   // what happened elsewhere
	Here        string   // what holds against it
	Proofs      []Proof  // tests elsewhere

	Values   []string
	Like     string
	Problems string // with {{KEY}}

	path    string
	archive *txtar.Archive
}

// Proof is a test elsewhere: a file from the top of the repository, and the name by which it is found there.
type Proof struct{ File, Test string }

// Dir is where the cases are, seen from a directory below test.
const Dir = "../attacks/testdata"

//go:embed neighbour.yaml
var neighbour []byte

//go:embed attacker.yaml
var attacker []byte

// neighbourly holds in every case: who did nothing is served.
const neighbourly = "GET http://good.example.com/\n< 200\n^ service echo\n"

// Load reads all cases, by name.
func Load(t testing.TB) []Case {
	t.Helper()
	var cases []Case
	for _, path := range golden.Files(t, Dir) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := Case{Name: strings.TrimSuffix(filepath.Base(path), ".txtar"), path: path, archive: &txtar.Archive{}}
		archive := txtar.Parse(text)
		c.There = strings.Join(strings.Fields(string(archive.Comment)), " ")
		for _, f := range archive.Files {
			c.read(t, f)
		}
		if c.There == "" || c.By == "" || c.Writes == "" || c.Here == "" {
			t.Errorf("%s does not say who writes what, what happened elsewhere, and what holds here", path)
		}
		cases = append(cases, c)
	}
	return cases
}

func (c *Case) read(t testing.TB, f txtar.File) {
	switch f.Name {
	case "about":
		c.readAbout(t, string(f.Data))
	case "values":
		for line := range strings.Lines(string(f.Data)) {
			c.Values = append(c.Values, literal(t, c.path, line))
		}
	case "like":
		c.Like = literal(t, c.path, string(f.Data))
	case "problems":
		c.Problems = string(f.Data)
	default:
		c.archive.Files = append(c.archive.Files, f)
	}
}

func (c *Case) readAbout(t testing.TB, text string) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "id":
			c.IDs = strings.Split(value, ", ")
		case "by":
			c.By = value
		case "writes":
			c.Writes = value
		case "annotations":
			c.Annotations = strings.Fields(value)
		case "here":
			c.Here = value
		case "proof":
			file, test, _ := strings.Cut(value, " ")
			c.Proofs = append(c.Proofs, Proof{file, test})
		default:
			t.Fatalf("%s: nothing is known of %q", c.path, line)
		}
	}
}

func literal(t testing.TB, path, text string) string {
	value, err := strconv.Unquote(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("%s: %s is no string literal: %v", path, text, err)
	}
	return value
}

// Has tells whether the case has that section.
func (c Case) Has(name string) bool {
	return slices.ContainsFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == name })
}

// Try is one thing that an attacker writes.
type Try struct{ Key, Value string }

// Tries are all that the case has. A case without values has one, with nothing in it.
func (c Case) Tries() []Try {
	keys, values := c.Annotations, c.Values
	if len(keys) == 0 {
		keys = []string{""}
	}
	if len(values) == 0 {
		values = []string{""}
	}
	var tries []Try
	for _, key := range keys {
		for _, value := range values {
			tries = append(tries, Try{key, value})
		}
	}
	return tries
}

// With is the world in which the attacker has written that.
func (c Case) With(t testing.TB, try Try) golden.Case {
	t.Helper()
	a := &txtar.Archive{Files: []txtar.File{{Name: "neighbour.yaml", Data: neighbour}}}
	files := c.archive.Files
	if len(c.Annotations) > 0 && !c.Has("ingress.yaml") {
		files = append(files[:len(files):len(files)], txtar.File{Name: "ingress.yaml", Data: attacker})
	}
	if !c.Has("requests") {
		files = append(files[:len(files):len(files)], txtar.File{Name: "requests"})
	}
	for _, f := range files {
		text := c.fill(string(f.Data), try)
		if f.Name == "requests" {
			text = neighbourly + text
		}
		a.Files = append(a.Files, txtar.File{Name: f.Name, Data: []byte(text)})
	}
	return golden.New(t, c.path, a)
}

// Want are the Problems that are expected.
func (c Case) Want(try Try) string { return c.fill(c.Problems, try) }

// fill puts in what the attacker writes. Go's strings of ASCII are YAML's too.
func (c Case) fill(text string, try Try) string {
	return strings.NewReplacer("{{VALUE}}", strconv.QuoteToASCII(try.Value), "{{KEY}}", try.Key).Replace(text)
}
