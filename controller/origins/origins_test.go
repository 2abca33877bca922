package origins_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

// added is what Annotate adds to a line.
var added = regexp.MustCompile(`(?m)  # from [^#\n]+$`)

// TestCommentsAreAllThatIsAdded annotates the goldens of all features, in both modes of routing. Without the comments it is what it
// was, to the byte, and with them NGINX reads the same words. See test/integration for what NGINX itself says.
func TestCommentsAreAllThatIsAdded(t *testing.T) {
	for _, dir := range []string{"../../annotations/testdata", "../translate/testdata", "../streams/testdata"} {
		for _, path := range golden.Files(t, dir) {
			for _, mode := range []controller.Routing{controller.Compiled, controller.Dynamic} {
				c := golden.Load(t, path)
				c.Options.Routing = mode
				plan := c.Plan(t)
				check(t, path, plan)
			}
		}
	}
}

func check(t *testing.T, path string, plan controller.Plan) {
	t.Helper()
	files, err := origins.Annotate(plan)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	plain, _ := plan.Files.Get("nginx.conf")
	annotated, _ := files.Get("nginx.conf")
	if diff := cmp.Diff(strings.Split(string(plain), "\n"), strings.Split(added.ReplaceAllString(string(annotated), ""), "\n")); diff != "" {
		t.Errorf("%s: without the comments it differs (-plain +stripped):\n%s", path, diff)
	}
	if diff := cmp.Diff(words(t, plain), words(t, annotated)); diff != "" {
		t.Errorf("%s: NGINX reads other words (-plain +annotated):\n%s", path, diff)
	}
	for _, server := range plan.Config.Servers {
		if server.Name == "" || len(server.Shapes) > 0 {
			continue
		}
		want, _ := origins.ServerBlock(plan.Files, server.Name)
		block, found := origins.ServerBlock(files, server.Name)
		if stripped := added.ReplaceAllString(block, ""); !found || stripped != want {
			t.Errorf("%s: the block of host %s is\n%s", path, server.Name, block)
		}
	}
}

// words are what NGINX reads, without lines.
func words(t *testing.T, text []byte) []nginx.Parsed {
	t.Helper()
	list, err := nginx.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return placeless(list)
}

func placeless(list []nginx.Parsed) []nginx.Parsed {
	for i := range list {
		list[i].Line, list[i].End = 0, 0
		list[i].Block = placeless(list[i].Block)
	}
	return list
}

// TestSources holds that lines have the comments they should.
func TestSources(t *testing.T) {
	for name, want := range map[string]string{
		"limits": "limit_req zone=", "rewrite": "rewrite ", "ssl-redirect": "if ($pass_access_scheme = http) {", "limits-configmap": "limit_",
	} {
		files, err := origins.Annotate(golden.Load(t, "../../annotations/testdata/"+name+".txtar").Plan(t))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := files.Get("nginx.conf")
		if !regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(want) + `.*  # from (Ingress|ConfigMap) `).Match(text) {
			t.Errorf("%s: no line with %q has a comment", name, want)
		}
	}
}

// TestHostileNames holds that a name ends no comment. No API server takes such; manifests are read without one. Those with line
// ends are in no configuration.
func TestHostileNames(t *testing.T) {
	c := golden.Load(t, "../../annotations/testdata/rewrite.txtar")
	snapshot := c.Snapshot()
	const hostile = "x; } evil on; \" ' # from {"
	for _, i := range snapshot.Ingresses {
		named := i.DeepCopy()
		named.Name, named.Annotations[hostile] = hostile+i.Name, hostile
		snapshot = snapshot.Applied(cluster.Lists{Ingresses: []*networkingv1.Ingress{named}})
	}
	plan, err := c.Options.Plan(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "hostile names", plan)
}

// TestSnippets holds that texts over several lines stay as they are, whatever their lines look like.
func TestSnippets(t *testing.T) {
	c := golden.Load(t, "../../annotations/testdata/snippets-raw.txtar")
	snapshot := c.Snapshot()
	for _, i := range snapshot.Ingresses {
		raw := i.DeepCopy()
		raw.Annotations["nginx.ingress.kubernetes.io/configuration-snippet"] = "add_header X \"a;\nadd_header Y b;\n\"; add_header Z 'c;'; # own\nset $x y # own\n;\nif ($x) { return 204; } set_by_lua_block $z {\n  return 'a;'\n}"
		snapshot = snapshot.Applied(cluster.Lists{Ingresses: []*networkingv1.Ingress{raw}})
	}
	plan, err := c.Options.Plan(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "snippets", plan)
}
