package arch_test

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"
)

// What is longer than this holds more than one idea: split it by meaning.
const (
	longestFunction  = 70
	longestFile      = 500
	longestPackage   = 2500 // without tests, which grow with what they test
	longestTemplates = 500  // all together: they lay out, they do not decide
)

var longFunctions = exceptions{
	"test/tally/main_test.go TestTally": "one list of texts that go test prints; they read best one under the other",
}

var longFiles = exceptions{}

var longPackages = exceptions{
	"annotations":          "is to give kinds of values, and what OpenSSL takes, a package each",
	"controller/translate": "is being taken apart: how endpoints and certificates are found is to be a package each",
}

func TestFunctionsAreShort(t *testing.T) {
	broken := map[string]string{}
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			function, is := d.(*ast.FuncDecl)
			if !is {
				continue
			}
			if n := f.line(function.End()) - f.line(function.Pos()) + 1; n > longestFunction {
				broken[f.path+" "+function.Name.Name] = tooLong(n, longestFunction)
			}
		}
	}
	for _, f := range repository(t) {
		if path.Ext(f.path) == ".lua" {
			for name, n := range luaFunctions(f.text) {
				if n > longestFunction {
					broken[f.path+" "+name] = tooLong(n, longestFunction)
				}
			}
		}
	}
	longFunctions.check(t, broken)
}

func tooLong(n, limit int) string { return fmt.Sprintf("%d lines, at most %d", n, limit) }

// luaFunction is the first line of a function with a name: its indent and its name.
var luaFunction = regexp.MustCompile(`^(\s*)(?:local )?(?:function ([\w.:]+)|([\w.]+) = function)\b`)

// luaFunctions counts the lines of functions. It trusts the indent: a function ends where a line with the
// same indent starts with "end".
func luaFunctions(text string) map[string]int {
	lengths := map[string]int{}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		found := luaFunction.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		n := 1
		for ; i+n < len(lines) && !strings.HasPrefix(lines[i+n], found[1]+"end"); n++ {
			continue
		}
		if !strings.HasSuffix(strings.TrimRight(line, " ,"), "end") { // not all on one line
			lengths[found[2]+found[3]] = n + 1
		}
	}
	return lengths
}

func TestFilesAreShort(t *testing.T) {
	broken := map[string]string{}
	for _, f := range repository(t) {
		switch path.Ext(f.path) {
		case ".go", ".lua", ".tmpl":
			if n := f.lines(); n > longestFile {
				broken[f.path] = tooLong(n, longestFile)
			}
		}
	}
	longFiles.check(t, broken)
}

func TestPackagesAreSmall(t *testing.T) {
	lines := map[string]int{}
	for _, f := range goFiles(t) {
		if !f.test {
			lines[f.dir] += f.lines()
		}
	}
	broken := map[string]string{}
	for dir, n := range lines {
		if n > longestPackage {
			broken[dir] = tooLong(n, longestPackage)
		}
	}
	longPackages.check(t, broken)
}

func TestTemplatesAreShort(t *testing.T) {
	lines := 0
	for _, f := range repository(t) {
		if path.Ext(f.path) == ".tmpl" {
			lines += f.lines()
		}
	}
	if lines == 0 || lines > longestTemplates {
		t.Errorf("the templates have %s", tooLong(lines, longestTemplates))
	}
}
