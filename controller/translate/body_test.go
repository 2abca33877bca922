package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

// Bodies name no object and no path: they stay the same, byte by byte, when all of those get other names.
func TestBodiesNameNoObject(t *testing.T) {
	forAllCases(t, func(t *testing.T, c golden.Case) {
		want := bodiesInOrder(t, c, c.Objects.Lists())
		r := newRenaming(c.Objects.Lists())
		for _, n := range []*cluster.Name{&c.Options.Translate.DefaultBackend, &c.Options.Translate.DefaultSecret} {
			if *n != (cluster.Name{}) {
				*n = cluster.Name{Namespace: r.namespace(n.Namespace), Name: r.name(n.Name)}
			}
		}
		if watched := &c.Options.Translate.Selection.WatchNamespace; *watched != "" {
			*watched = r.namespace(*watched)
		}
		got := bodiesInOrder(t, c, r.lists(c.Objects.Lists()))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("bodies depend on names (-want +got):\n%s", diff)
		}
		if strings.Contains(strings.Join(got, ""), mark) {
			t.Errorf("a new name is in a body:\n%s", got)
		}
	})
}

func bodiesInOrder(t *testing.T, c golden.Case, lists cluster.Lists) []string {
	plan := planOf(t, c, lists)
	texts := bodies(t, c, plan)
	var all []string
	for _, s := range plan.Config.Servers {
		for _, l := range s.Locations {
			all = append(all, fmt.Sprintf("%v %v%s", l.Match, l.Rewrite != nil, texts[l]))
		}
	}
	return all
}

// mark starts all new names. It keeps the order of names, and that of paths by length.
const mark = "zq9-"

// renaming gives objects and paths new names, but for those that annotations refer to.
type renaming struct{ mentioned string }

func newRenaming(lists cluster.Lists) renaming {
	var r renaming
	for _, i := range lists.Ingresses {
		for key, value := range i.Annotations {
			// An annotation's mistake is told with its value, which a new path must not turn into another.
			r.mentioned += key[strings.Index(key, "/")+1:] + " " + value + "\n"
		}
	}
	return r
}

func (r renaming) name(s string) string {
	if s == "" || strings.Contains(r.mentioned, s) {
		return s
	}
	return mark + s
}

// namespace is new for all or for none: their order decides between Ingresses of the same age.
func (r renaming) namespace(s string) string {
	if strings.Contains(r.mentioned, "secret") || strings.Contains(r.mentioned, "configmap") || strings.Contains(r.mentioned, "custom-headers") ||
		strings.Contains(r.mentioned, "set-headers") {
		return s
	}
	return mark + s
}

func (r renaming) lists(lists cluster.Lists) cluster.Lists {
	for n, i := range lists.Ingresses {
		lists.Ingresses[n] = r.ingress(i.DeepCopy())
	}
	for n, s := range lists.Services {
		s = s.DeepCopy()
		s.Namespace, s.Name = r.namespace(s.Namespace), r.name(s.Name)
		lists.Services[n] = s
	}
	for n, s := range lists.Slices {
		s = s.DeepCopy()
		s.Namespace = r.namespace(s.Namespace)
		s.Labels["kubernetes.io/service-name"] = r.name(s.Labels["kubernetes.io/service-name"])
		lists.Slices[n] = s
	}
	for n, s := range lists.Secrets {
		s = s.DeepCopy()
		s.Namespace, s.Name = r.namespace(s.Namespace), r.name(s.Name)
		lists.Secrets[n] = s
	}
	for n, s := range lists.Namespaces {
		s = s.DeepCopy()
		s.Name = r.namespace(s.Name)
		lists.Namespaces[n] = s
	}
	return lists
}

func (r renaming) ingress(i *networkingv1.Ingress) *networkingv1.Ingress {
	i.Namespace, i.Name = r.namespace(i.Namespace), mark+i.Name
	if i.Spec.DefaultBackend != nil {
		r.backend(i.Spec.DefaultBackend)
	}
	for n := range i.Spec.TLS {
		i.Spec.TLS[n].SecretName = r.name(i.Spec.TLS[n].SecretName)
	}
	for n := range i.Spec.Rules {
		if i.Spec.Rules[n].HTTP == nil {
			continue
		}
		for p := range i.Spec.Rules[n].HTTP.Paths {
			path := &i.Spec.Rules[n].HTTP.Paths[p]
			r.backend(&path.Backend)
			// A path may equal what annotations or the ConfigMap say of it.
			keep := strings.HasPrefix(path.Path, "/.well-known") || strings.Contains(r.mentioned, "target "+path.Path+"\n")
			if rest, is := strings.CutPrefix(path.Path, "/"); is && rest != "" && !keep {
				path.Path = "/" + mark + rest
			}
		}
	}
	return i
}

func (r renaming) backend(b *networkingv1.IngressBackend) {
	if b.Service != nil {
		b.Service.Name = r.name(b.Service.Name)
	}
}

// What is rendered is what the model says, as the independent parser reads it.
func TestRenderedFilesAreTheModel(t *testing.T) {
	forAllCases(t, func(t *testing.T, c golden.Case) {
		plan := c.Plan(t)
		var want []string
		for _, s := range plan.Config.Servers {
			want = append(want, describeServer(s, plan.Config.HTTP.Shared)...)
		}
		if diff := cmp.Diff(want, parsedServers(t, plan.Files)); diff != "" {
			t.Errorf("servers differ (-model +rendered):\n%s", diff)
		}
		want = nil
		for _, u := range plan.Config.Upstreams {
			want = append(want, fmt.Sprintf("upstream %s %q", u.Name, u.Endpoints))
		}
		if diff := cmp.Diff(want, parsedUpstreams(t, plan.Files)); diff != "" {
			t.Errorf("upstreams differ (-model +rendered):\n%s", diff)
		}
	})
}

// nobody stands in blocks without endpoints, which NGINX does not take.
const nobody = "0.0.0.1:1"

func describeServer(s *nginx.Server, shared nginx.Directives) []string {
	var names []string
	if s.Name != "" {
		names = append(names, s.Name)
	}
	if suffix, wildcard := strings.CutPrefix(s.Name, "*."); wildcard {
		names[0] = `~^(?<subdomain>[\w-]+)\.` + strings.ReplaceAll(suffix, ".", `\.`) + "$"
	}
	for _, a := range s.Aliases {
		if a.Pattern != "" {
			names = append(names, "~"+a.Pattern)
		} else {
			names = append(names, a.Name)
		}
	}
	if s.TakesAnyName {
		names = append(names, "~.")
	}
	all := []string{fmt.Sprintf("server %q", names)}
	health := s.IsDefault()
	for _, l := range s.Locations {
		health = health && !(l.Match == nginx.Exact && l.Path == "/healthz")
	}
	if health {
		all = append(all, `location ["=" "/healthz"]`)
	}
	for _, l := range s.Locations {
		words := []string{l.Path}
		switch l.Match {
		case nginx.Exact:
			words = []string{"=", l.Path}
		case nginx.Pattern:
			words = []string{"~*", l.Path}
		}
		all = append(all, fmt.Sprintf("location %q", words))
	}
	if s.HandsErrorsTo(nginx.GRPCErrorLocation) {
		all = append(all, `location ["@grpc_error"]`)
	}
	if s.HandsErrorsTo(nginx.ErrorLocation) || shared.HandsErrorsTo(nginx.ErrorLocation) {
		all = append(all, `location ["@error"]`, `location ["@error_without_body"]`)
	}
	return all
}

func parse(t *testing.T, files nginx.Files, name string) []nginx.Parsed {
	t.Helper()
	text, _ := files.Get(name)
	list, err := nginx.Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return list
}

func parsedServers(t *testing.T, files nginx.Files) []string {
	list := parse(t, files, "nginx.conf")
	http := list[slices.IndexFunc(list, func(p nginx.Parsed) bool { return p.Name() == "http" })]
	var all []string
	for _, server := range http.Block {
		if server.Name() != "server" {
			continue
		}
		names := slices.IndexFunc(server.Block, func(p nginx.Parsed) bool { return p.Name() == "server_name" })
		if names < 0 {
			continue // the controller's own
		}
		all = append(all, fmt.Sprintf("server %q", server.Block[names].Words[1:]))
		for _, l := range server.Block {
			if l.Name() == "location" && (len(l.Words) == 3 && l.Words[2] == "/healthz" || l.Words[1][0] == '@' || isOurs(l)) {
				all = append(all, fmt.Sprintf("location %q", l.Words[1:]))
			}
		}
	}
	return all
}

// isOurs tells a location of an Ingress from those of the administrator's own text.
func isOurs(location nginx.Parsed) bool {
	return slices.ContainsFunc(location.Block, func(p nginx.Parsed) bool { return p.Name() == "set" && p.Words[1] == "$sluice_place" })
}

func parsedUpstreams(t *testing.T, files nginx.Files) []string {
	var all []string
	for _, u := range parse(t, files, "upstreams.conf") {
		var endpoints []string
		for _, d := range u.Block {
			if d.Name() == "server" && len(d.Words) == 2 && d.Words[1] != nobody {
				endpoints = append(endpoints, d.Words[1])
			}
		}
		all = append(all, fmt.Sprintf("upstream %s %q", u.Words[1], endpoints))
	}
	return all
}
