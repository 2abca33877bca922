// Package wild_test holds manifests of the kinds that people really have, with every annotation and every
// style of value found in them: right, odd and wrong. They name Services that mostly are not there.
//
// It says what must hold of any manifest: a plan comes out, the same for the same objects in any order,
// its text is NGINX's language, and whatever is not served, or has no effect, has a Problem.
package wild_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

const prefix = "nginx.ingress.kubernetes.io/"

// TestFiles looks at every file alone, as it is and with the Services it lacks.
func TestFiles(t *testing.T) {
	for _, name := range files(t) {
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			objects := load(t, name)
			check(t, objects)
			check(t, withServices(objects))
		})
	}
}

// TestTogether looks at all files as one cluster.
func TestTogether(t *testing.T) {
	objects := load(t, files(t)...)
	check(t, objects)
	check(t, withServices(objects))
}

// check holds for any objects at all.
func check(t *testing.T, objects cluster.Lists) {
	t.Helper()
	p := plan(t, objects)
	again := plan(t, backwards(objects))
	if !same(p, again) || !reflect.DeepEqual(p.Problems, again.Problems) {
		t.Error("the same objects in another order give another plan")
	}
	names := serverNames(t, p)
	for _, ing := range objects.Ingresses {
		if !serves(p, ing) && !slices.ContainsFunc(p.Problems, func(p translate.Problem) bool { return p.Object == object(ing) }) {
			t.Errorf("Ingress %s: nothing of it is served, and no Problem says why", cluster.NameOf(ing))
		}
		for _, host := range hosts(ing) {
			if !names[host] && !hasError(p.Problems, ing) {
				t.Errorf("Ingress %s: host %s is not served, and no error says why", cluster.NameOf(ing), host)
			}
		}
	}
}

// files are the names of all manifests here.
func files(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests in testdata (%v)", err)
	}
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return paths
}

// load reads manifests as `sluice render -f` does.
func load(t *testing.T, names ...string) cluster.Lists {
	t.Helper()
	objects, notes := cluster.Load(os.DirFS("testdata"), names...)
	for _, n := range notes {
		t.Errorf("%s:%d: %s %s: %s", n.File, n.Line, n.Object, n.Field, n.Message)
	}
	return objects.Lists()
}

// options are those of `sluice render`.
func options(t testing.TB) controller.Options {
	t.Helper()
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return controller.Options{
		Translate: translate.Options{Selection: cluster.Selection{ClassesOptional: true}, ReportUnclaimed: true},
		Render:    golden.Render, Templates: set,
	}
}

func plan(t *testing.T, objects cluster.Lists) controller.Plan {
	t.Helper()
	return planWith(t, options(t), objects)
}

func planWith(t *testing.T, o controller.Options, objects cluster.Lists) controller.Plan {
	t.Helper()
	s := cluster.New(objects)
	s.Now = golden.Now
	p, err := o.Plan(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func backwards(objects cluster.Lists) cluster.Lists {
	return cluster.Lists{
		Ingresses: reversed(objects.Ingresses), Classes: reversed(objects.Classes), Services: reversed(objects.Services),
		Slices: reversed(objects.Slices), Secrets: reversed(objects.Secrets), ConfigMaps: reversed(objects.ConfigMaps),
		Namespaces: reversed(objects.Namespaces),
	}
}

func reversed[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// same tells whether NGINX would be told the same.
func same(a, b controller.Plan) bool {
	return reflect.DeepEqual(a.Files.List, b.Files.List) && reflect.DeepEqual(a.Dynamic, b.Dynamic)
}

// hosts are the hosts of an Ingress as they are names of servers.
func hosts(ing *networkingv1.Ingress) []string {
	var list []string
	if ing.Spec.DefaultBackend != nil {
		list = append(list, "_")
	}
	for _, rule := range ing.Spec.Rules {
		if rule.Host == "" {
			rule.Host = "_"
		}
		list = append(list, rule.Host)
	}
	return list
}

// serverNames reads the names of all servers from the text that NGINX would read.
func serverNames(t *testing.T, p controller.Plan) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, f := range p.Files.List {
		if !strings.HasSuffix(f.Name, ".conf") {
			continue
		}
		parsed, err := nginx.Parse(string(f.Content))
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		walk(parsed, func(d nginx.Parsed) {
			if d.Name() == "server_name" {
				for _, name := range d.Words[1:] {
					names[name] = true
				}
			}
		})
	}
	return names
}

func walk(list []nginx.Parsed, visit func(nginx.Parsed)) {
	for _, d := range list {
		visit(d)
		walk(d.Block, visit)
	}
}

func object(ing *networkingv1.Ingress) translate.Object {
	return translate.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}
}

func hasError(problems translate.Problems, ing *networkingv1.Ingress) bool {
	return slices.ContainsFunc(problems, func(p translate.Problem) bool {
		return p.Object == object(ing) && p.Severity == cluster.Error
	})
}

// hasProblem tells whether a Problem of whatever severity is about an annotation of the Ingress.
func hasProblem(problems translate.Problems, ing *networkingv1.Ingress, key string) bool {
	return slices.ContainsFunc(problems, func(p translate.Problem) bool {
		return p.Object == object(ing) && p.Field == "metadata.annotations["+key+"]"
	})
}

// TestNothingIsSilentlyIgnored takes each annotation away in turn. Either that makes a difference to
// NGINX, or there was a Problem about it, or the list knows why neither is so.
func TestNothingIsSilentlyIgnored(t *testing.T) {
	silent := map[string]bool{}
	for _, name := range files(t) {
		objects := withServices(load(t, name))
		problems := plan(t, objects).Problems
		// What has a Problem can keep all the rest from having an effect, so it goes first.
		for i, ing := range objects.Ingresses {
			for _, key := range slices.Sorted(maps.Keys(ing.Annotations)) {
				if hasProblem(problems, ing, key) {
					objects = without(objects, i, key)
				}
			}
		}
		all := plan(t, objects)
		for i, ing := range objects.Ingresses {
			if !serves(all, ing) {
				continue // a Problem says that, see check
			}
			for key, value := range ing.Annotations {
				if strings.HasPrefix(key, prefix) && same(all, plan(t, without(objects, i, key))) {
					silent[cluster.NameOf(ing).Name+" "+strings.TrimPrefix(key, prefix)+": "+value] = true
				}
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(silent)) {
		if expectedlySilent[what] == "" {
			t.Errorf("%s: it makes no difference, and no Problem says so", what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(expectedlySilent)) {
		if !silent[what] {
			t.Errorf("%s: it makes a difference or has a Problem now; take it off the list", what)
		}
	}
}

// serves tells whether a location, or an alternative to the backend of one, is made of the Ingress.
func serves(p controller.Plan, ing *networkingv1.Ingress) bool {
	if ing.Annotations[prefix+"canary"] == "true" {
		return isAlternative(p, ing)
	}
	return slices.ContainsFunc(p.Config.Servers, func(s *nginx.Server) bool {
		return slices.ContainsFunc(s.Locations, func(l *nginx.Location) bool {
			return l.Identity.Namespace == ing.Namespace && l.Identity.Ingress == ing.Name
		})
	})
}

func isAlternative(p controller.Plan, ing *networkingv1.Ingress) bool {
	for _, rule := range ing.Spec.Rules {
		for _, path := range rule.HTTP.Paths {
			name := fmt.Sprintf("%s_%s_%d", ing.Namespace, path.Backend.Service.Name, path.Backend.Service.Port.Number)
			for _, b := range p.Dynamic.Backends.All() {
				if slices.ContainsFunc(b.Routes[rule.Host][path.Path], func(a dynamic.Alternative) bool { return a.Backend == name }) {
					return true
				}
			}
		}
	}
	return false
}

// without takes an annotation off an Ingress.
func without(objects cluster.Lists, i int, key string) cluster.Lists {
	objects.Ingresses = slices.Clone(objects.Ingresses)
	ing := objects.Ingresses[i].DeepCopy()
	delete(ing.Annotations, key)
	objects.Ingresses[i] = ing
	return objects
}

// TestAnnotations keeps the list complete: whoever takes an annotation out of the manifests notices.
func TestAnnotations(t *testing.T) {
	found := map[string]bool{}
	for _, ing := range load(t, files(t)...).Ingresses {
		for key := range ing.Annotations {
			found[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(annotations, key) {
			t.Errorf("%s is in the manifests but not in the list", key)
		}
	}
	for _, key := range annotations {
		if !found[key] {
			t.Errorf("%s is in the list but in no manifest", key)
		}
	}
}
