package translate_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

// The tests in this file hold for every golden case, those of package annotations too.

func forAllCases(t *testing.T, check func(*testing.T, golden.Case)) {
	t.Helper()
	for _, dir := range []string{"testdata", "../../annotations/testdata"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { check(t, golden.Load(t, path)) })
		}
	}
}

// planOf plans a case with other objects than its own.
func planOf(t *testing.T, c golden.Case, lists cluster.Lists) controller.Plan {
	t.Helper()
	s := cluster.New(lists)
	s.Notes, s.Now = c.Notes, golden.Now
	plan, err := c.Options.Plan(s)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func conf(plan controller.Plan) string {
	text, _ := plan.Files.Get("nginx.conf")
	return string(text)
}

func mustBeEqual(t *testing.T, got, want controller.Plan) {
	t.Helper()
	if diff := cmp.Diff(conf(want), conf(got)); diff != "" {
		t.Errorf("nginx.conf differs (-want +got):\n%s", diff)
	}
	if !reflect.DeepEqual(got.Files, want.Files) {
		t.Error("the files differ")
	}
	if !reflect.DeepEqual(got.Dynamic, want.Dynamic) {
		t.Errorf("the state differs: %+v, want %+v", got.Dynamic, want.Dynamic)
	}
	if diff := cmp.Diff(want.Problems, got.Problems); diff != "" {
		t.Errorf("Problems differ (-want +got):\n%s", diff)
	}
}

func TestOrderOfObjectsMakesNoDifference(t *testing.T) {
	forAllCases(t, func(t *testing.T, c golden.Case) {
		want := c.Plan(t)
		for seed := range uint64(5) {
			mustBeEqual(t, planOf(t, c, shuffled(c.Objects.Lists(), rand.New(rand.NewPCG(1, seed)))), want)
		}
	})
}

func shuffled(lists cluster.Lists, random *rand.Rand) cluster.Lists {
	shuffle(random, lists.Ingresses)
	shuffle(random, lists.Classes)
	shuffle(random, lists.Services)
	shuffle(random, lists.Secrets)
	shuffle(random, lists.ConfigMaps)
	shuffle(random, lists.Namespaces)
	for n, slice := range lists.Slices {
		slice = slice.DeepCopy()
		shuffle(random, slice.Endpoints)
		shuffle(random, slice.Ports)
		for _, e := range slice.Endpoints {
			shuffle(random, e.Addresses)
		}
		// Their names are made up and must not matter either.
		slice.Name = string(rune('a'+random.IntN(26))) + slice.Name
		lists.Slices[n] = slice
	}
	shuffle(random, lists.Slices)
	return lists
}

func shuffle[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func TestMemoryMakesNoDifference(t *testing.T) {
	forAllCases(t, func(t *testing.T, c golden.Case) {
		want := c.Plan(t)
		c.Options.Translate.Memory, c.Options.Memory = translate.NewMemory(), templates.NewMemory()
		for range 3 {
			mustBeEqual(t, c.Plan(t), want)
		}
	})
}

// What is remembered must not outlive the options that it was made with.
func TestMemoryFollowsOptions(t *testing.T) {
	selector, err := labels.Parse("kubernetes.io/metadata.name=blog")
	if err != nil {
		t.Fatal(err)
	}
	changes := []func(*translate.Options){
		func(*translate.Options) {},
		func(o *translate.Options) { o.Zone, o.Node = "b", "node-2" },
		func(o *translate.Options) { o.DisableExternalName = true },
		func(o *translate.Options) { o.Selection.DisableCatchAll = true },
		func(o *translate.Options) { o.Selection.WatchNamespace = "blog" },
		func(o *translate.Options) { o.Selection.Namespaces = selector },
		func(*translate.Options) {},
	}
	for _, name := range []string{
		"default-backend-with-rules", "disable-catch-all", "disable-svc-external-name", "external-name", "topology-incomplete",
		"topology-node", "topology-zone", "watch-namespace",
	} {
		t.Run(name, func(t *testing.T) {
			unchanged := golden.Load(t, "testdata/"+name+".txtar")
			memory, rendered, seen := translate.NewMemory(), templates.NewMemory(), map[string]bool{}
			for _, change := range changes {
				c := unchanged // with the same objects
				change(&c.Options.Translate)
				want := c.Plan(t)
				c.Options.Translate.Memory, c.Options.Memory = memory, rendered
				mustBeEqual(t, c.Plan(t), want)
				seen[fmt.Sprint(want.Dynamic, want.Problems, conf(want))] = true
			}
			if len(seen) < 2 {
				t.Error("no option makes a difference")
			}
		})
	}
}

func TestEndpointsChangeNoConfiguration(t *testing.T) {
	changes := map[string]func(*discoveryv1.EndpointSlice){
		"others": func(s *discoveryv1.EndpointSlice) {
			address := map[discoveryv1.AddressType]string{"IPv4": "192.0.2.17", "IPv6": "2001:db8::17", "FQDN": "other.example.com"}[s.AddressType]
			s.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{address}}}
		},
		"none": func(s *discoveryv1.EndpointSlice) { s.Endpoints = nil },
		"not ready": func(s *discoveryv1.EndpointSlice) {
			for n := range s.Endpoints {
				s.Endpoints[n].Conditions.Ready = new(bool)
			}
		},
	}
	forAllCases(t, func(t *testing.T, c golden.Case) {
		want := c.Plan(t)
		for name, change := range changes {
			lists := c.Objects.Lists()
			for n, slice := range lists.Slices {
				lists.Slices[n] = slice.DeepCopy()
				change(lists.Slices[n])
			}
			got := planOf(t, c, lists)
			if got.Files.Generation != want.Files.Generation || conf(got) != conf(want) {
				t.Errorf("%s: there is another configuration:\n%s", name, cmp.Diff(conf(want), conf(got)))
			}
			for n, f := range got.Files.List {
				if f.Name != "upstreams.conf" && f.Name != "streams.conf" && !reflect.DeepEqual(f, want.Files.List[n]) {
					t.Errorf("%s: %s differs", name, f.Name)
				}
			}
			got.Dynamic.Backends = want.Dynamic.Backends
			if !reflect.DeepEqual(got.Dynamic, want.Dynamic) {
				t.Errorf("%s: more than backends differs in the state", name)
			}
		}
	})
}

// bodies are what locations say besides what is their own: all that follows the line that passes requests on.
func bodies(t *testing.T, c golden.Case, plan controller.Plan) map[*nginx.Location]string {
	t.Helper()
	all := map[*nginx.Location]string{}
	for _, server := range plan.Config.Servers {
		text, err := c.Options.Templates.Server(nginx.Config{HTTP: plan.Config.HTTP, Servers: []*nginx.Server{server}}, server.Name, c.Options.Render)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(text, "\n    location ")[1:]
		blocks = slices.DeleteFunc(blocks, func(block string) bool { return strings.HasPrefix(block, "@") || strings.HasPrefix(block, "= :") })
		for (server.IsDefault() || server.Directives.Say("location")) && len(blocks) > len(server.Locations) {
			blocks = blocks[1:] // /healthz, and those of the administrator's
		}
		if len(blocks) != len(server.Locations) {
			t.Fatalf("%d locations are rendered of %d:\n%s", len(blocks), len(server.Locations), text)
		}
		for n, l := range server.Locations {
			_, body, found := strings.Cut(blocks[n], "_pass ")
			if !found {
				_, body, found = strings.Cut(blocks[n], "try_files ")
			}
			if !found {
				t.Fatalf("a location passes requests nowhere:\n%s", blocks[n])
			}
			_, body, _ = strings.Cut(body, ";")
			body, _, _ = strings.Cut(body, "\n    }")
			early, err := append(l.Preflight[:len(l.Preflight):len(l.Preflight)], l.Early...).Encode("")
			if err != nil {
				t.Fatal(err)
			}
			all[l] = early + body
		}
	}
	return all
}

// Locations of Ingresses with the same annotations have the same body, byte by byte. What a path has of its own,
// whether it is rewritten and by how many captures, and whether it is one that needs no authentication, may make a difference,
// and so may what the oldest Ingress of its host says of TLS.
func TestEqualSettingsGiveEqualBodies(t *testing.T) {
	type settings struct {
		annotations      string
		catchAll, denied bool
		hasBackend       bool // else conditions of snippets end in 404
		captures         int
		open             bool
		protocol         nginx.Protocol
		host             *nginx.Server // that says something of TLS
		namespace        string        // then
	}
	forAllCases(t, func(t *testing.T, c golden.Case) {
		lists := c.Objects.Lists()
		byOwner := map[string]*networkingv1.Ingress{}
		for _, i := range slices.Clone(lists.Ingresses) {
			lists.Ingresses = append(lists.Ingresses, copyOf(i))
		}
		for _, i := range lists.Ingresses {
			byOwner["Ingress "+i.Namespace+"/"+i.Name] = i
		}
		plan := planOf(t, c, lists)
		seen := map[settings]string{}
		texts := bodies(t, c, plan)
		for _, s := range plan.Config.Servers {
			for _, l := range s.Locations {
				i := byOwner[l.Owner]
				if i == nil {
					continue
				}
				key := settings{annotations: words(i.Annotations), catchAll: len(i.Spec.Rules) == 0, denied: l.Denied, protocol: l.Protocol, captures: -1}
				key.open = strings.HasPrefix(l.Identity.Path, "/.well-known/acme-challenge")
				if s.ClientAuth != nil || s.BackendTLS != nil {
					key.host, key.namespace = s, i.Namespace
				}
				key.hasBackend = l.Upstream != ""
				if l.Rewrite != nil {
					key.captures = strings.Count(l.Rewrite.Pattern.String(), "(?<")
				}
				before, known := seen[key]
				if known && before != texts[l] {
					t.Errorf("%s %s has another body than one with the same settings:\n%s", l.Owner, l.Path, cmp.Diff(before, texts[l]))
				}
				seen[key] = texts[l]
			}
		}
	})
}

// copyOf is an Ingress with the same settings on hosts of its own.
func copyOf(i *networkingv1.Ingress) *networkingv1.Ingress {
	i = i.DeepCopy()
	i.Name = "copy-of-" + i.Name
	for n := range i.Spec.Rules {
		r := &i.Spec.Rules[n]
		before, after, wildcard := strings.Cut(r.Host, "*.")
		switch {
		case r.Host == "":
		case wildcard:
			r.Host = before + "*.copy." + after
		default:
			r.Host = "copy." + r.Host
		}
	}
	return i
}

func words(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(k + "=" + m[k] + "\n")
	}
	return b.String()
}
