package arch_test

import (
	"go/ast"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers say what of ours a package may import. The first line that matches a directory counts; arrows
// point down only:
//
//	cmd → controller/EDGE → controller → {translate → {cluster, annotations}, templates} → nginx
var layers = []layer{
	{"nginx", nil, "the words of NGINX know neither Kubernetes nor features"},
	{"persistent", nil, "a map does not know what it holds"},
	{"nginx/request", nil, "how a request is read does not depend on what it is for"},
	{"nginx/pcre", nil, "what an expression finds does not depend on where it stands"},
	{"nginx/dynamic", []string{"nginx", "persistent"}, "what workers are told is made of words alone"},
	{"nginx/geoip", []string{"nginx"}, "what databases say does not depend on who has asked for them"},
	{"nginx/routing", []string{"nginx", "nginx/dynamic", "persistent"}, "how requests find their way does not depend on why"},
	{"nginx/traffic", nil, "what workers counted is numbers, whoever asks for them"},
	{"nginx/meter", []string{"nginx", "nginx/traffic"}, "who adds requests up does not know who serves them"},
	{"nginx/spans", []string{"nginx"}, "what workers tell of requests goes out as it is"},
	{"nginx/gate", nil, "a lock guards whatever it is held for"},
	{"nginx/listen", []string{"nginx"}, "whether a port is free does not depend on what for"},
	{"nginx/supervisor", []string{"nginx", "nginx/dynamic", "nginx/gate", "nginx/listen", "nginx/meter", "nginx/traffic", "persistent"}, "who runs NGINX does not know why the configuration changed"},
	{"nginx/inspect", nil, "who looks at an NGINX needs none of what runs it"},
	{"nginx/dataplane", []string{"nginx", "nginx/dynamic", "nginx/gate", "nginx/inspect", "nginx/supervisor", "nginx/traffic"}, "what crosses the socket is what a supervisor is asked for"},
	{"annotations/snippet", []string{"nginx"}, "what users write in NGINX's language means the same whoever asks"},
	{"annotations", []string{"annotations/snippet", "nginx", "nginx/dynamic", "nginx/geoip"}, "features do not know where objects come from; they ask their own Lookup"},
	{"templates", []string{"nginx"}, "layout decides nothing, so it needs to know nothing"},
	{"controller/cluster", []string{"persistent"}, "what exists does not depend on what we make of it"},
	{"controller/translate", []string{"annotations", "controller/cluster", "nginx", "nginx/dynamic", "nginx/geoip", "persistent"}, "the meaning of objects is neither text nor a process"},
	{"controller/streams", []string{"controller/cluster", "controller/translate", "nginx", "nginx/dynamic", "persistent"}, "what is passed on without a look at HTTP needs none of its features"},
	{"controller", slices.Concat(pure, []string{"controller/streams", "nginx/dynamic", "nginx/routing"}), "the loop reaches the world through interfaces of its own"},
	{"controller/admission", slices.Concat([]string{"controller"}, pure), "a verdict is made of a plan and nothing else"},
	{"controller/webhook", []string{"controller", "controller/admission", "controller/cluster", "controller/translate"}, "who carries questions and answers does not know what is right"},
	{"controller/authority", nil, "who keeps a certificate need not know what it is for"},
	{"controller/metrics", slices.Concat([]string{"controller", "controller/admission", "nginx/traffic"}, pure), "counting decides nothing"},
	{"controller/origins", slices.Concat([]string{"controller"}, pure), "where a line comes from is in the plan that it is a line of"},
	{"controller/explain", slices.Concat([]string{"controller", "controller/origins", "nginx/dynamic", "nginx/pcre", "nginx/request"}, pure), "what becomes of a request is in a plan and nowhere else"},
	{"controller/positions", []string{"controller/cluster"}, "where a field stands is a matter of text"},
	{"controller/lint", slices.Concat([]string{"controller", "controller/positions"}, pure), "advice is made of a plan and its manifests"},
	{"controller/migrate", slices.Concat([]string{"annotations/snippet", "controller", "controller/positions", "nginx/geoip"}, pure), "a report is made of a plan and of lists that tests write"},
	{"controller/compare", slices.Concat([]string{"controller", "controller/origins", "nginx/dynamic"}, pure), "what changes is in two plans and nowhere else"},
	{"controller/diagnosis", slices.Concat([]string{"controller", "docs"}, pure), "what is wrong follows from what was seen, whoever looked"},
	{"controller/view", slices.Concat([]string{"controller", "nginx/dynamic"}, pure), "what is shown of a plan is in the plan, whoever looks"},
	{"controller/statuspage", slices.Concat([]string{"controller", "controller/view", "docs", "nginx/dynamic", "nginx/inspect"}, pure), "who shows what is there decides nothing"},
	{"controller/settings", slices.Concat([]string{"controller", "controller/streams", "controller/watch", "nginx/geoip", "nginx/request"}, pure), "what flags mean does not depend on who reads them"},
	{"controller/directory", nil, "that files have changed says nothing of what is in them"},
	{"controller/customtemplates", slices.Concat([]string{"controller/directory"}, pure), "who watches templates does not know what they are used for"},
	{"controller/maxmind", []string{"controller/directory", "nginx", "nginx/geoip"}, "who fetches databases and watches them does not know what they are for"},
	{"controller/*", slices.Concat([]string{"controller", "nginx/dynamic"}, pure), "edges know the middle, but not each other nor the process"},
	{"docs", nil, "what is written about the code needs none of it"},
	{"cmd/*", []string{"controller", "controller/*", "docs", "annotations", "templates", "nginx", "nginx/*"}, "commands wire everything, except what only tests need"},
	{"rootfs/*", nil, "what is done to the image's files needs nothing of what runs there"},
	{"examples/*", nil, "examples stand for programs of others"},
	{"bench", []string{"bench/*"}, "says what is measured; its packages do it"},
	{"bench/*", []string{"bench/apiserver", "test/fleet"}, "what is measured is the program that users have, with the fleets that tests use"},
	{"test/*", []string{"*", "*/*"}, "tests look at any part"},
}

type layer struct {
	dir string // a pattern of path.Match
	may []string
	why string
}

// pure are the packages in which every decision is made.
var pure = []string{"annotations", "templates", "controller/translate", "controller/cluster", "nginx", "persistent"}

// Tests may import what they like: package annotations is tested through whole plans, for one.
func TestImportsPointDown(t *testing.T) {
	for _, f := range goFiles(t) {
		// test/e2e is a module of its own, so that Kubernetes' own code stays out of ours: it can import
		// nothing of this one, and nothing here imports it.
		if f.test || strings.HasPrefix(f.dir, "test/e2e") {
			continue
		}
		at := slices.IndexFunc(layers, func(l layer) bool { return matches(l.dir, f.dir) })
		if at < 0 {
			t.Errorf("%s: package %s has no place yet: add it to layers and say what it may import", f.path, f.dir)
			continue
		}
		for _, imported := range ours(f) {
			if !slices.ContainsFunc(layers[at].may, func(may string) bool { return matches(may, imported) }) {
				t.Errorf("%s imports %s: %s", f.path, imported, layers[at].why)
			}
		}
	}
}

// TestTheImageHasNothingOfKubectl: what reads kubeconfigs and runs commands elsewhere has no place beside NGINX.
func TestTheImageHasNothingOfKubectl(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./cmd/sluice")
	list.Dir = filepath.Join("..", "..")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"k8s.io/cli-runtime", "k8s.io/client-go/tools/remotecommand"} {
		if strings.Contains(string(out), "\n"+name) {
			t.Errorf("sluice is linked with %s", name)
		}
	}
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// ours are the imports of this module's packages, by directory.
func ours(f goFile) []string {
	var list []string
	for _, name := range imports(f) {
		if dir, is := strings.CutPrefix(name, module+"/"); is {
			list = append(list, dir)
		}
	}
	return list
}

func imports(f goFile) []string {
	var list []string
	for _, spec := range f.syntax.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			list = append(list, name)
		}
	}
	return list
}

// banned are imports that a pure package must not have itself, with all packages below them. Admission
// runs the plan alone: what cannot be imported cannot be done to the cluster by a hostile object.
var banned = []struct{ name, why string }{
	{"net/http", "a decision asks nobody"},
	{"os/exec", "no object may make us start a program"},
	{"os", "the plan reads and writes no file; text comes in through fs.FS or as a value"},
	{"log", "mistakes are Problems; only edges say them aloud, once"},
	{"sync", "values go in and out, so there is nothing to lock"},
	{"math/rand", "equal objects give equal bytes"},
	{"crypto/rand", "equal objects give equal bytes"},
	{"k8s.io/client-go", "objects come in a Snapshot, whoever fetched them"},
	{"github.com/fsnotify/fsnotify", "files are watched at the edge"},
}

// clock are the functions of package time that say or await what time it is. Time comes in as a field, so
// that a plan can be made again and tests need not wait.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTicker", "NewTimer"}

// pureRules are the packages in which they hold, and what is excepted there.
var pureRules = map[string]struct {
	except []string
	why    string
}{
	"persistent": {}, "nginx": {}, "nginx/dynamic": {}, "nginx/geoip": {}, "annotations": {}, "annotations/snippet": {}, "templates": {}, "controller/translate": {}, "controller/cluster": {}, "controller/streams": {}, "controller/explain": {}, "controller/origins": {}, "controller/compare": {},
	"controller/admission": {}, "controller/positions": {}, "controller/lint": {}, "controller/migrate": {}, "controller/diagnosis": {}, "controller/view": {}, "docs": {},
	"controller": {[]string{"log", "sync", "time"}, "it is the loop as well: it waits, counts and says what happened"},
}

func TestPurePackagesTouchNothing(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		rule, isPure := pureRules[f.dir]
		if !isPure || f.test {
			continue
		}
		seen[f.dir] = true
		for _, name := range imports(f) {
			for _, ban := range banned {
				if (name == ban.name || strings.HasPrefix(name, ban.name+"/")) && !slices.Contains(rule.except, ban.name) {
					t.Errorf("%s imports %s: %s", f.path, name, ban.why)
					break
				}
			}
		}
		if !slices.Contains(rule.except, "time") {
			lookAtClock(t, f)
		}
	}
	for dir := range pureRules {
		if !seen[dir] {
			t.Errorf("package %s is gone; take it off the list", dir)
		}
	}
}

func lookAtClock(t *testing.T, f goFile) {
	t.Helper()
	for _, spec := range f.syntax.Imports {
		if spec.Path.Value == `"time"` && spec.Name != nil {
			t.Errorf("%s imports package time under another name, so this test cannot see what it does with it", f.path)
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		selector, is := n.(*ast.SelectorExpr)
		if !is {
			return true
		}
		if of, is := selector.X.(*ast.Ident); is && of.Name == "time" && slices.Contains(clock, selector.Sel.Name) {
			t.Errorf("%s:%d: time.%s: time comes in as a field", f.path, f.line(n.Pos()), selector.Sel.Name)
		}
		return true
	})
}
