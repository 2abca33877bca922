package routing_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/routing"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

func TestGoldens(t *testing.T) { golden.CheckAll(t, "testdata") }

// Whatever users ask for, routes lead to shapes that are there, and shapes name no object.
func TestShapesNameNobody(t *testing.T) {
	for _, dir := range []string{"testdata", "../../annotations/testdata", "../../controller/translate/testdata"} {
		for _, path := range golden.Files(t, dir) {
			c := golden.Load(t, path)
			c.Options.Routing = controller.Dynamic
			plan := c.Plan(t)
			shapes := map[string]bool{}
			for _, name := range plan.Files.Shapes {
				shapes[name] = true
			}
			through := plan.Dynamic.Routes.Through(shapes, dynamic.Routes{}.Hosts, func(string) []*dynamic.Host { return nil })
			if diff := cmp.Diff(hosts(plan.Dynamic), hosts(dynamic.State{Routes: through})); diff != "" {
				t.Errorf("%s: routes lead to shapes that are not in the configuration:\n%s", path, diff)
			}
			received := dynamic.State{}.With(dynamic.Full(plan.Dynamic, 1))
			if diff := cmp.Diff(hosts(plan.Dynamic), hosts(received), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: who receives the routes finds that they lead elsewhere (-sent +received):\n%s", path, diff)
			}
			conf, _ := plan.Files.Get("nginx.conf")
			text := serverName.ReplaceAll(conf, nil) // hosts with settings of their server are named there, and those whose TLS passes through
			for _, i := range plan.Claimed {
				for _, rule := range i.Spec.Rules {
					if host := strings.TrimPrefix(rule.Host, "*."); strings.Contains(host, ".") && strings.Contains(string(text), host) && !inAnnotations(i, host) {
						t.Errorf("%s: nginx.conf has the host %s", path, host)
					}
				}
			}
		}
	}
}

func hosts(s dynamic.State) map[string]*dynamic.Host { return maps.Collect(s.Routes.Hosts.All()) }

var serverName = regexp.MustCompile(`(?m)^ *server_name .*$|(?s)\nstream \{.*`)

// inAnnotations tells whether the text is a part of what a setting says, as with a fixed Host towards the backend.
func inAnnotations(i *networkingv1.Ingress, text string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(i.Annotations)), func(v string) bool { return strings.Contains(v, text) })
}

// site plans Ingresses of one path each, one after the other, as a running controller does.
type site struct {
	t         *testing.T
	options   controller.Options
	ingresses map[string]*networkingv1.Ingress
}

func newSite(t *testing.T) *site {
	t.Helper()
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, controller.Options{
		Translate: translate.Options{Selection: cluster.Selection{WithoutClass: true}, SelfSigned: golden.SelfSigned, Memory: translate.NewMemory()},
		Render:    golden.Render, Templates: set, Routing: controller.Dynamic, Routes: routing.NewMemory(), Memory: templates.NewMemory(),
	}, map[string]*networkingv1.Ingress{}}
}

// set makes an Ingress for HOST, with annotations by key without prefix.
func (s *site) set(host string, annotations ...string) {
	i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: host, Annotations: map[string]string{}}}
	for n := 0; n < len(annotations); n += 2 {
		i.Annotations["nginx.ingress.kubernetes.io/"+annotations[n]] = annotations[n+1]
	}
	i.Spec.Rules = []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
		Paths: []networkingv1.HTTPIngressPath{{
			Path: "/" + host, PathType: new(networkingv1.PathTypePrefix),
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: host, Port: networkingv1.ServiceBackendPort{Number: 80}}},
		}},
	}}}}
	s.ingresses[host] = i
}

func (s *site) plan() controller.Plan {
	s.t.Helper()
	plan, err := s.options.Plan(cluster.New(cluster.Lists{Ingresses: slices.Collect(maps.Values(s.ingresses))}))
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// run makes a plan live.
func (s *site) run() controller.Plan {
	plan := s.plan()
	s.options.Live = &plan.Config
	return plan
}

func TestKnownSettingsNeedNoOtherConfiguration(t *testing.T) {
	s := newSite(t)
	s.set("a.example.com")
	s.set("b.example.com", "proxy-body-size", "2m")
	before := s.run()
	s.set("c.example.com", "proxy-body-size", "2m")
	s.set("a.example.com", "proxy-body-size", "2m")
	delete(s.ingresses, "b.example.com")
	after := s.plan()
	if before.Files.Generation != after.Files.Generation {
		t.Errorf("another configuration:\n%s", cmp.Diff(content(before), content(after)))
	}
	if got := slices.Sorted(after.Dynamic.Routes.Hosts.Keys()); !slices.Equal(got, []string{"_", "a.example.com", "c.example.com"}) {
		t.Errorf("there are routes for %q", got)
	}
}

func content(p controller.Plan) string {
	text, _ := p.Files.Get("nginx.conf")
	return string(text)
}

// Workers look at answers from the first backend on that asks for it, and go on until NGINX reads another configuration anyway.
func TestTheFirstBackendByCostNeedsAnotherConfiguration(t *testing.T) {
	const looks = "log_by_lua_block { ingress.log() }"
	s := newSite(t)
	s.set("a.example.com")
	before := s.run()
	s.set("a.example.com", "load-balance", "ewma")
	causes := s.plan().Causes(&before.Config)
	if len(causes) != 1 || !strings.HasSuffix(causes[0].Field, "/load-balance]") {
		t.Errorf("the causes are %+v", causes)
	}
	after := s.run()
	if strings.Contains(content(before), looks) || !strings.Contains(content(after), looks) {
		t.Errorf("from\n%s\nto\n%s", content(before), content(after))
	}
	s.set("a.example.com")
	if s.plan().Files.Generation != after.Files.Generation {
		t.Error("the last one needs another configuration")
	}
}

// Workers keep a host's routes until the configuration is live that the next ones need, so that has to know both.
func TestShapesStayForAsLongAsWorkersMayNeedThem(t *testing.T) {
	s := newSite(t)
	s.set("a.example.com", "proxy-body-size", "2m")
	first := s.run()
	s.set("a.example.com", "proxy-body-size", "3m")
	second := s.plan()
	if missing := without(first.Files.Shapes, second.Files.Shapes); len(missing) > 0 {
		t.Errorf("the second configuration lacks %q", missing)
	}
	if first.Files.Generation == second.Files.Generation {
		t.Error("the second configuration is the first")
	}
	s.options.Live = &second.Config
	for n := range 3 { // each needs another one, and is live at once
		s.set("a.example.com", "proxy-body-size", fmt.Sprint(4+n, "m"))
		s.run()
	}
	last := s.run()
	if missing := without(first.Files.Shapes, last.Files.Shapes); len(missing) == 0 {
		t.Error("shapes that nobody needs stay for good")
	}
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func TestARefusedConfigurationIsForgottenWithItsCause(t *testing.T) {
	s := newSite(t)
	s.set("a.example.com")
	before := s.run()
	s.set("b.example.com", "proxy-body-size", "3m")
	if refused := s.plan(); refused.Files.Generation == before.Files.Generation { // and does not become live
		t.Fatal("there is nothing to refuse")
	}
	delete(s.ingresses, "b.example.com")
	if after := s.plan(); after.Files.Generation != before.Files.Generation {
		t.Errorf("another configuration:\n%s", cmp.Diff(content(before), content(after)))
	}
}

// Hosts with settings of their server have blocks, and a block with an expression among its names must not take hosts of others.
func TestHostsWithSettingsOfTheirServer(t *testing.T) {
	own := nginx.Directives{nginx.D("ssl_prefer_server_ciphers", nginx.OnOff(false))}
	config := nginx.Config{Servers: []*nginx.Server{
		{Name: "_"},
		{Name: "*.example.com", Directives: own},
		{Name: "a.example.com"},
		{Name: "b.example.com", Directives: own, Aliases: []nginx.ServerName{{Name: "b.*"}}},
		{Name: "other.test", Aliases: []nginx.ServerName{{Name: "*.com"}}}, // NGINX takes www.example.com for one of these
		{Name: "b.test"},
	}}
	got, state := routing.Split(config, dynamic.State{}, routing.Options{}, nil)
	var names [][]string
	for _, s := range got.Servers {
		var list []string
		for _, name := range s.Names() {
			list = append(list, name.Value())
		}
		names = append(names, list)
	}
	want := [][]string{{"_", "*.com", "a.example.com", "b.test"}, {`~^(?<subdomain>[\w-]+)\.example\.com$`, "b.example.com", "b.*"}}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	block := got.Servers[1].Block + "/"
	if diff := cmp.Diff([]string{"**.com", "_", "a.example.com", "b.test", block + "*.example.com", block + "b.*", block + "b.example.com", "other.test"},
		slices.Sorted(state.Routes.Hosts.Keys())); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// Of expressions of several blocks the first in the order of hosts counts, as if each host had a block.
func TestExpressionsKeepTheirOrder(t *testing.T) {
	own := nginx.Directives{nginx.D("ssl_prefer_server_ciphers", nginx.OnOff(false))}
	pattern := func(text string) []nginx.ServerName { return []nginx.ServerName{{Pattern: text}} }
	config := nginx.Config{Servers: []*nginx.Server{
		{Name: "_"},
		{Name: "*.a.test"},
		{Name: "b.test", Directives: own, Aliases: pattern("b")},
		{Name: "c.test", Directives: own, Aliases: pattern("c")},
		{Name: "d.test", Aliases: pattern("d")},
		{Name: "e.test", Directives: own, Aliases: pattern("e")},
	}}
	want := []string{"_ d.test ", "b.test c.test e.test ", `~^(?<subdomain>[\w-]+)\.a\.test$ `, "~b ~c ", "~d ", "~e "}
	if diff := cmp.Diff(want, serverNames(config)); diff != "" {
		t.Errorf("server blocks (-want +got):\n%s", diff)
	}
}

// The wildcard of an Ingress is told NGINX as an expression, so that those of other hosts may come before it.
func TestWildcardsKeepTheirOrderAmongExpressions(t *testing.T) {
	config := nginx.Config{Servers: []*nginx.Server{
		{Name: "_"},
		{Name: "before.test", Aliases: []nginx.ServerName{{Pattern: "before"}}},
		{Name: "*.w.test", Directives: nginx.Directives{nginx.D("ssl_prefer_server_ciphers", nginx.OnOff(false))}},
		{Name: "behind.test", Aliases: []nginx.ServerName{{Pattern: "behind"}}},
	}}
	want := []string{"_ ", "~before ", `~^(?<subdomain>[\w-]+)\.w\.test$ `, "~behind "}
	if diff := cmp.Diff(want, serverNames(config)); diff != "" {
		t.Errorf("server blocks (-want +got):\n%s", diff)
	}
}

// serverNames are those of each server block that a configuration is split into.
func serverNames(config nginx.Config) []string {
	got, _ := routing.Split(config, dynamic.State{}, routing.Options{}, nil)
	var names []string
	for _, s := range got.Servers {
		line := ""
		for _, name := range s.Names() {
			line += name.Value() + " "
		}
		names = append(names, line)
	}
	return names
}
