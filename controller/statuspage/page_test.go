package statuspage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"golang.org/x/net/html"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/customtemplates"
	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/controller/statuspage"
	"github.com/sluice-ingress/sluice/controller/view"
	"github.com/sluice-ingress/sluice/nginx/inspect"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// planOf makes the plan of a manifest, as the controller does.
func planOf(t testing.TB, routing controller.Routing, manifest string) controller.Plan {
	t.Helper()
	objects, notes := cluster.Decode("objects.yaml", []byte(manifest))
	if len(notes) > 0 {
		t.Fatalf("objects.yaml: %+v", notes)
	}
	set, err := customtemplates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	var process settings.Process
	process.Register(pflag.NewFlagSet("", pflag.PanicOnError)) // sets defaults
	options := controller.Options{Templates: set, Render: process.Options(), Routing: routing}
	snapshot := cluster.FromObjects(objects)
	snapshot.Now = now
	plan, err := options.Plan(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// workers is what workers say who know all that they are asked for.
func workers(known map[string]string) func(context.Context, []string) (inspect.Report, error) {
	return func(_ context.Context, backends []string) (inspect.Report, error) {
		r := inspect.Report{Status: inspect.Status{Generation: 7, Wanted: 1, Workers: []inspect.Worker{{PID: 42, Configuration: "abc"}}}, Backends: map[string]json.RawMessage{}}
		for _, name := range backends {
			if text, is := known[name]; is {
				r.Backends[name] = json.RawMessage(text)
			}
		}
		return r, nil
	}
}

func options(ask func(context.Context, []string) (inspect.Report, error)) statuspage.Options {
	return statuspage.Options{
		Version: "test", Ready: func() error { return nil }, Now: func() time.Time { return now }, Workers: ask,
		Engine: func() statuspage.Engine { return statuspage.Engine{Generation: "abc", PID: 41} },
	}
}

func pageOf(p controller.Plan, o statuspage.Options) *statuspage.Page {
	page := statuspage.New(o)
	page.Planned(p, 3*time.Millisecond)
	return page
}

func get(t testing.TB, h http.Handler, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s answers %d: %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func statusOf(t testing.TB, h http.Handler, path string) statuspage.Status {
	t.Helper()
	var s statuspage.Status
	if err := json.Unmarshal([]byte(get(t, h, path)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

const shop = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: nginx
  tls: [{hosts: [shop.test], secretName: gone}]
  rules:
  - host: shop.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /gone, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web-next
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "20"}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: next, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: next, namespace: shop}
spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.0.0.1], conditions: {ready: true}}
- {addresses: [10.0.0.2], conditions: {ready: false}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: next-1, namespace: shop, labels: {kubernetes.io/service-name: next}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.0.0.3], conditions: {ready: true}}
`

// TestRoutesHaveThePodsThatWorkersHave in both routings: the same lines.
func TestRoutesHaveThePodsThatWorkersHave(t *testing.T) {
	ask := workers(map[string]string{
		"shop_web_80":  `{"endpoints": [{"address": "10.0.0.1", "port": 8080}]}`,
		"shop_next_80": `{"endpoints": [{"address": "10.0.0.3", "port": 8080}], "balance": "ewma"}`,
	})
	want := []string{
		"shop.test / web:80 some pods out [10.0.0.1:8080 serves, 10.0.0.2:0 out] by workers; Ingress shop/web-next 20 of 100 requests [10.0.0.3:8080 serves] by workers",
		"shop.test / next:80 canary [] by ",
		"shop.test /gone gone:80 no pods [-:0 unknown] by workers",
	}
	for name, routing := range map[string]controller.Routing{"compiled": controller.Compiled, "dynamic": controller.Dynamic} {
		t.Run(name, func(t *testing.T) {
			s := statusOf(t, pageOf(planOf(t, routing, shop), options(ask)).Handler(), "/status.json")
			if diff := cmp.Diff(want, lines(s)); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
		})
	}
}

func lines(s statuspage.Status) (list []string) {
	peers := func(b view.Backend) string {
		var all []string
		for _, p := range b.Peers {
			all = append(all, fmt.Sprintf("%s:%d %s", p.Address, p.Port, p.State))
		}
		return "[" + strings.Join(all, ", ") + "] by " + b.Source
	}
	for _, r := range s.Routes.Items {
		line := fmt.Sprintf("%s %s %s:%s %s %s", r.Host, r.Path, r.Service, r.Port, r.State, peers(r.Backend))
		for _, c := range r.Canaries {
			line += fmt.Sprintf("; %s %s %s", c.Owner, c.When, peers(c.Backend))
		}
		list = append(list, line)
	}
	return list
}

// TestWithoutWorkersThePlanIsShown and it is said that it is.
func TestWithoutWorkersThePlanIsShown(t *testing.T) {
	o := options(func(context.Context, []string) (inspect.Report, error) {
		return inspect.Report{}, errors.New("the socket is gone")
	})
	o.Ready = func() error { return errors.New("NGINX does not serve") }
	h := pageOf(planOf(t, controller.Compiled, shop), o).Handler()
	s := statusOf(t, h, "/status.json")
	if got := s.Routes.Items[0].Backend; got.Source != "plan" || got.Peers[0].State != view.Serves || s.Ready || s.Unready == "" || s.NGINX.Trouble == "" {
		t.Errorf("the status is %+v", s)
	}
	if text := get(t, h, "/routes"); !strings.Contains(text, "the socket is gone") {
		t.Errorf("the page does not say that workers were not asked:\n%s", text)
	}
}

func TestBeforeThereIsAPlan(t *testing.T) {
	h := statuspage.New(options(workers(nil))).Handler()
	for _, path := range []string{"/", "/routes", "/certificates", "/problems", "/reloads", "/status.json", "/routes?q=x&page=9"} {
		get(t, h, path)
	}
}

// TestHistoryTellsWhatBecameOfConfigurations by the calls that the loop and the supervisor make.
func TestHistoryTellsWhatBecameOfConfigurations(t *testing.T) {
	page := pageOf(planOf(t, controller.Compiled, shop), options(workers(nil)))
	page.Reloading(nil)
	page.Tested(0, nil)
	page.Reloaded("start", time.Second, nil)
	page.Reloading([]controller.Cause{{Object: "Ingress shop/web", Field: "spec.rules"}})
	page.Tested(0, errors.New("unexpected }"))
	page.Failed("test")
	page.Tested(0, errors.New("one that is only looked for"))
	page.Restarted()
	s := statusOf(t, page.Handler(), "/status.json")
	want := []statuspage.Reload{
		{At: now, Cause: "refused", Error: "unexpected }", Causes: []controller.Cause{{Object: "Ingress shop/web", Field: "spec.rules"}}},
		{At: now, Cause: "start", Seconds: 1},
	}
	if diff := cmp.Diff(want, s.Reloads.Items); diff != "" || s.NGINX.Failed["test"] != 1 || s.NGINX.Restarts != 1 {
		t.Errorf("%+v, reloads (-want +got):\n%s", s.NGINX, diff)
	}
	if s := statusOf(t, page.Handler(), "/status.json?q=spec.rules"); s.Reloads.Total != 1 {
		t.Errorf("a search for a field finds %d reloads", s.Reloads.Total)
	}
}

// TestTextsOfUsersAreText: whatever objects are called and say, the page has the elements, addresses and attributes that it has
// without them.
func TestTextsOfUsersAreText(t *testing.T) {
	const hostile = `</code></bdi><script>alert(1)</script><img src=x onerror=alert(2)> "' onmouseover=alert(3) javascript:alert(4) {{.}}`
	objects := strings.NewReplacer(
		"path: /gone", "path: "+quoted("/"+hostile), "secretName: gone", "secretName: "+quoted(hostile),
		"metadata: {name: web, namespace: shop}", "metadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: "+quoted(hostile)+"}}",
	).Replace(shop)
	page := pageOf(planOf(t, controller.Compiled, objects), options(workers(map[string]string{
		"shop_web_80": `{"endpoints": [{"address": ` + quoted(hostile) + `, "port": 1}], "affinity": {"cookie": {"name": ` + quoted(hostile) + `}}}`,
	})))
	page.Reloading([]controller.Cause{{Object: hostile, Field: hostile}})
	page.Reloaded(hostile, 0, errors.New(hostile))
	for _, path := range []string{"/", "/routes", "/certificates", "/problems", "/reloads"} {
		for _, query := range []string{"", "?q=" + strings.NewReplacer(" ", "+", "&", "", "#", "", ";", "").Replace("alert"), `?q=%3Cscript%3Ealert(1)%3C/script%3E%22+onfocus=alert(5)`} {
			text := get(t, page.Handler(), path+query)
			checkHarmless(t, path+query, text)
		}
	}
	if text := get(t, page.Handler(), "/routes"); !strings.Contains(text, "alert(1)") {
		t.Error("nothing hostile is on the page, so this test shows nothing")
	}
}

func quoted(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

// checkHarmless reads a page as a browser does.
func checkHarmless(t *testing.T, path, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "script" || n.Data == "style" || n.Data == "iframe" || n.Data == "object" {
			t.Errorf("%s has an element %s", path, n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("%s: %s has %s=%q", path, n.Data, a.Key, a.Val)
			}
			isAddress := a.Key == "href" || a.Key == "src" || a.Key == "action"
			if isAddress && !regexp.MustCompile(`^(/([a-z./]*|[a-z]+\?[^<>"]*)|/status.json\?[^<>"]*|#[a-z]+|https://github\.com/sluice-ingress/.*)$`).MatchString(a.Val) {
				t.Errorf("%s: %s leads to %q", path, n.Data, a.Val)
			}
		}
	}
}

// TestSecretsAreNotShown plants texts in everything that is secret.
func TestSecretsAreNotShown(t *testing.T) {
	objects := shop + `
---
apiVersion: v1
kind: Secret
metadata: {name: gone, namespace: shop}
type: kubernetes.io/tls
stringData: {tls.crt: xSECRETx, tls.key: xSECRETx, auth: "user:xSECRETx"}
`
	page := pageOf(planOf(t, controller.Compiled, objects), options(workers(map[string]string{
		"shop_web_80": `{"endpoints": [], "affinity": {"cookie": {"name": "route"}, "key": "xSECRETx"}, "more": "xSECRETx"}`,
	})))
	for _, path := range []string{"/", "/routes", "/certificates", "/problems", "/reloads", "/status.json"} {
		if text := get(t, page.Handler(), path); strings.Contains(text, "SECRETx") {
			t.Errorf("%s shows a secret", path)
		}
	}
}

// fleet is n Ingresses of one path each, with a Service and endpoints in common.
func fleet(n int) string {
	var b strings.Builder
	b.WriteString(shop)
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: app-%d, namespace: shop}\nspec: {ingressClassName: nginx, rules: [{host: app-%d.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}\n", i, i)
	}
	return b.String()
}

// TestPagesHaveTheirShare: every route is on one page, and none is longer than the others.
func TestPagesHaveTheirShare(t *testing.T) {
	h := pageOf(planOf(t, controller.Compiled, fleet(247)), options(workers(nil))).Handler()
	seen := map[string]int{}
	for page := 1; page <= 3; page++ {
		s := statusOf(t, h, fmt.Sprintf("/status.json?page=%d", page))
		if s.Routes.Pages != 3 || s.Routes.Total != 250 || len(s.Routes.Items) > 100 {
			t.Errorf("page %d has %d of %d routes, one of %d pages", page, len(s.Routes.Items), s.Routes.Total, s.Routes.Pages)
		}
		for _, r := range s.Routes.Items {
			seen[r.Ingress+r.Host+r.Path]++
		}
	}
	if len(seen) != 250 {
		t.Errorf("%d different routes on all pages, want 250", len(seen))
	}
	for query, want := range map[string]int{"app-7.test": 1, "APP-7.test": 1, "shop/app-7": 11, "web:80 /": 248, "web:80 app-24 shop": 8, "nothing": 0, "/gone": 1} {
		if s := statusOf(t, h, "/status.json?q="+strings.ReplaceAll(query, " ", "+")); s.Routes.Total != want {
			t.Errorf("%q finds %d routes, want %d", query, s.Routes.Total, want)
		}
	}
	text := get(t, h, "/routes?q=web&page=2")
	if !strings.Contains(text, `href="/routes?page=3&amp;q=web"`) || !strings.Contains(text, `rel="prev" href="/routes?q=web"`) {
		t.Errorf("there are no links to other pages:\n%s", text)
	}
}

// TestALookCostsWhatIsShown: ten times the Ingresses are no more work, once the plan has been looked at.
func TestALookCostsWhatIsShown(t *testing.T) {
	few := pageOf(planOf(t, controller.Compiled, fleet(200)), options(workers(nil))).Handler()
	many := pageOf(planOf(t, controller.Compiled, fleet(2000)), options(workers(nil))).Handler()
	for _, path := range []string{"/", "/routes", "/routes?page=2", "/problems"} {
		cost := func(h http.Handler) float64 { return testing.AllocsPerRun(3, func() { get(t, h, path) }) }
		if few, many := cost(few), cost(many); many > 1.5*few {
			t.Errorf("%s takes %.0f allocations for 200 Ingresses, and %.0f for 2000", path, few, many)
		}
	}
}

// BenchmarkPage is what a look costs at a controller of 10,000 Ingresses: at first, and then.
func BenchmarkPage(b *testing.B) {
	plan := planOf(b, controller.Compiled, fleet(10_000))
	page := pageOf(plan, options(workers(nil)))
	h := page.Handler()
	for name, path := range map[string]string{"routes": "/routes", "search": "/routes?q=app-77", "overview": "/"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				get(b, h, path)
			}
		})
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			page.Planned(plan, 0)
			get(b, h, "/routes")
		}
	})
}
