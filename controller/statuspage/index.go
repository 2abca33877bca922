package statuspage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/controller/view"
	"github.com/sluice-ingress/sluice/docs"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/inspect"
)

// planned is a plan, and when it was made.
type planned struct {
	plan controller.Plan
	at   time.Time
	took time.Duration
}

// index is a plan in the order in which it is shown, with the texts that are searched. It is made once for a plan that somebody
// looks at. Everything that costs more than that is worked out for what is on the page.
type index struct {
	*planned
	view     *view.View
	totals   Totals
	rules    []found[view.Rule]
	tls      []found[view.TLSHost]
	problems []found[translate.Problem]
}

// found is something with the text, in small letters, that it is found by.
type found[T any] struct {
	it   T
	text string
}

func newIndex(p *planned) *index {
	x := &index{planned: p, view: view.Of(p.plan)}
	hosts := map[string]bool{}
	for _, r := range x.view.Rules() {
		hosts[r.Host] = true
		x.rules = append(x.rules, found[view.Rule]{r, textOf(r.Host+r.Path, r.Ingress.String(), r.Service+":"+r.Port)})
	}
	slices.SortStableFunc(x.rules, func(a, b found[view.Rule]) int {
		return cmp.Or(strings.Compare(a.it.Host, b.it.Host), strings.Compare(a.it.Path, b.it.Path), a.it.Compare(b.it))
	})
	for _, h := range x.view.TLSHosts() {
		x.tls = append(x.tls, found[view.TLSHost]{h, textOf(h.Host, h.Ingress.String(), h.Secret)})
		if h.NotAfter.Sub(p.at) < soon {
			x.totals.Expiring++
		}
	}
	slices.SortStableFunc(x.tls, func(a, b found[view.TLSHost]) int {
		return cmp.Or(a.it.NotAfter.Compare(b.it.NotAfter), strings.Compare(a.it.Host, b.it.Host))
	})
	for _, problem := range p.plan.Problems {
		x.problems = append(x.problems, found[translate.Problem]{problem, textOf(problem.Object.String(), problem.Field, string(problem.Reason), problem.Message)})
		switch problem.Severity {
		case cluster.Error:
			x.totals.Errors++
		case cluster.Warning:
			x.totals.Warnings++
		default:
			x.totals.Infos++
		}
	}
	slices.SortStableFunc(x.problems, func(a, b found[translate.Problem]) int { return cmp.Compare(b.it.Severity, a.it.Severity) })
	x.totals.Ingresses, x.totals.Served = len(p.plan.Claimed), p.plan.Ingresses
	x.totals.Hosts, x.totals.Routes = len(hosts), len(x.rules)
	x.totals.TLSHosts, x.totals.Backends = len(x.tls), p.plan.Backends.Len()
	return x
}

func textOf(parts ...string) string { return strings.ToLower(strings.Join(parts, "\n")) }

// perPage is how many items of a list are shown at a time.
const perPage = 100

// pageOf is a page of those that have all words of a query. The first and the last page stand for those that there are not. Of
// size 0 it is empty, and nothing is searched.
func pageOf[T any](all []found[T], query string, page, size int) (list List[T]) {
	if size == 0 {
		return List[T]{Total: len(all), Page: 1, Pages: 1}
	}
	words := strings.Fields(strings.ToLower(query))
	if len(words) > 0 {
		var some []found[T]
		for _, f := range all {
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(f.text, word) }) {
				some = append(some, f)
			}
		}
		all = some
	}
	list.Total, list.Pages = len(all), max(1, (len(all)+size-1)/size)
	list.Page = min(max(1, page), list.Pages)
	for _, f := range all[(list.Page-1)*size : min(list.Page*size, len(all))] {
		list.Items = append(list.Items, f.it)
	}
	return list
}

// transform makes the items of a list into others.
func transform[From, To any](list List[From], f func(From) To) List[To] {
	out := List[To]{Total: list.Total, Page: list.Page, Pages: list.Pages, Items: []To{}}
	for _, item := range list.Items {
		out.Items = append(out.Items, f(item))
	}
	return out
}

// look asks workers how they are, and for the backends of the rules.
func (x *index) look(ctx context.Context, ask func(context.Context, []string) (inspect.Report, error), rules []view.Rule) (inspect.Report, error) {
	wanted := map[string]bool{}
	var names []string
	add := func(name string) {
		if name != "" && !wanted[name] {
			wanted[name] = true
			names = append(names, name)
		}
	}
	for _, r := range rules {
		add(x.view.BackendOf(r))
		for _, a := range x.view.Alternatives(r) {
			add(a.Backend)
		}
	}
	const longest = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return ask(ctx, names)
}

// route is what becomes of a rule, by what workers say of its backends. Without their word the plan's is taken.
func (x *index) route(r view.Rule, workers map[string]json.RawMessage) Route {
	route := Route{Route: x.view.Route(r)}
	if name := x.view.BackendOf(r); name != "" {
		route.Backend = x.backend(name, workers)
	}
	for _, a := range x.view.Alternatives(r) {
		route.Canaries = append(route.Canaries, Canary{Owner: a.Owner, When: when(a), Backend: x.backend(a.Backend, workers)})
	}
	route.rate()
	return route
}

func (x *index) backend(name string, workers map[string]json.RawMessage) view.Backend {
	if workers == nil {
		return x.view.Backend(name)
	}
	shown, err := x.view.Live(name, "workers", workers[name])
	if err != nil {
		return view.Backend{Name: name, Source: "workers", Peers: []view.Peer{{Address: "-", State: view.Unknown, Why: err.Error()}}}
	}
	return shown
}

// when says in words which requests go to an alternative.
func when(a dynamic.Alternative) string {
	var list []string
	if a.Header != "" {
		list = append(list, "header "+a.Header+map[bool]string{true: ": " + a.HeaderValue}[a.HeaderValue != ""])
	}
	if a.Cookie != "" {
		list = append(list, "cookie "+a.Cookie)
	}
	if a.Weight > 0 {
		list = append(list, fmt.Sprintf("%d of %d requests", a.Weight, a.WeightTotal))
	}
	return cmp.Or(strings.Join(list, ", "), "no requests")
}

func (x *index) certificate(h view.TLSHost, now time.Time) Certificate {
	c := Certificate{Certificate: x.view.Certificate(h)}
	c.rate(now)
	return c
}

func explained(p translate.Problem) Problem {
	reason := docs.ReasonOf(string(p.Reason))
	return Problem{Problem: p.Printable(), Means: reason.Means, Link: reason.Link}
}
