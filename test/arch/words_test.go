package arch_test

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// TestPackagesSayWhatTheyAreFor wants one comment that says what the package turns into what, and what it
// will never do.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	comments := map[string]string{}
	for _, f := range goFiles(t) {
		// A package of tests only has its comment in a test; nobody reads those of others.
		name := f.dir + " " + f.syntax.Name.Name
		if f.test && !strings.HasSuffix(f.syntax.Name.Name, "_test") {
			continue
		}
		comments[name] += f.syntax.Doc.Text()
	}
	for name, comment := range comments {
		dir, called, _ := strings.Cut(name, " ")
		of, isTest := strings.CutSuffix(called, "_test")
		if _, beside := comments[dir+" "+of]; isTest && beside {
			continue
		}
		switch {
		case comment == "":
			t.Errorf("%s: package %s has no comment that says what it is for", dir, called)
		case called != "main" && !strings.HasPrefix(comment, "Package "+called+" "):
			t.Errorf("%s: the comment of package %s does not start with its name", dir, called)
		}
	}
}

// TestNothingRunsBeforeMain bans init functions: order of files decides what they do, importing a package
// sets them off, and no test can do without them.
func TestNothingRunsBeforeMain(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			if function, is := d.(*ast.FuncDecl); is && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s:%d: func init", f.path, f.line(d.Pos()))
			}
		}
	}
}

// emptyWords say nothing about a thing but that somebody needed a place for it.
var emptyWords = regexp.MustCompile(`(?i)(util|helper|common|manager)`)

func TestNamesMeanSomething(t *testing.T) {
	for _, f := range goFiles(t) {
		if emptyWords.MatchString(f.dir) || emptyWords.MatchString(f.syntax.Name.Name) {
			t.Errorf("%s: package %s: name it by what it knows", f.path, f.syntax.Name.Name)
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if spec, is := n.(*ast.TypeSpec); is && emptyWords.MatchString(spec.Name.Name) {
				t.Errorf("%s:%d: type %s: name it by what it is", f.path, f.line(spec.Pos()), spec.Name.Name)
			}
			return true
		})
	}
}

// reasoned is the one form in which a finding of a linter may be silenced.
var reasoned = regexp.MustCompile(`^//` + `nolint:[a-z,]+ // \S`)

func TestSilencedLintersHaveReasons(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				text := strings.TrimLeft(strings.TrimPrefix(c.Text, "//"), " ")
				if strings.HasPrefix(text, "nolint") && !reasoned.MatchString(c.Text) {
					t.Errorf("%s:%d: say which linter and why: //nolint:NAME // REASON", f.path, f.line(c.Pos()))
				}
			}
		}
	}
}
