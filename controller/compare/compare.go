// Package compare turns two snapshots of objects into a Report of what changes between them: for clients, in nginx.conf, and whether
// NGINX has to read that anew.
//
// It has no rule of its own about annotations. What clients notice is read off the plans' nginx.Config and dynamic.State, part by part,
// and what is responsible off the notes that features leave there; see package origins. It asks nobody, and prints no Secret.
package compare

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// Report is what changes.
type Report struct {
	// Changes are what clients and pods may notice, by host and path; what holds for all hosts comes first.
	Changes []Change `json:"changes"`
	Rest    int      `json:"rest,omitempty"` // how many of them Cut has left out
	// Appeared are Problems that only the new objects have, Gone those that only the old ones had.
	Appeared translate.Problems `json:"problemsAppeared,omitempty"`
	Gone     translate.Problems `json:"problemsGone,omitempty"`
	Lines    Lines              `json:"nginxConf"`
	Reloads  []Reload           `json:"reloads"`
}

// IsEmpty tells whether nothing changes at all.
func (r Report) IsEmpty() bool {
	return len(r.Changes)+len(r.Appeared)+len(r.Gone) == 0 && !r.Lines.Differ() && !slices.ContainsFunc(r.Reloads, func(l Reload) bool { return l.Needed })
}

// Enough is how many changes and how many lines of the diff people read at once.
func Enough() (changes, lines int) { return 200, 100 }

// Cut leaves no more than so many Changes and lines of the diff.
func (r *Report) Cut(changes, lines int) {
	if len(r.Changes) > changes {
		r.Rest += len(r.Changes) - changes
		r.Changes = r.Changes[:changes]
	}
	r.Lines.Cut(lines)
}

// Action says what becomes of a thing.
type Action string

const (
	Added   Action = "added"
	Removed Action = "removed"
	Changed Action = "changed"
)

// Kind says what kind of thing changes.
type Kind string

// The order is that in which Reports list them.
const (
	Controller Kind = "controller" // what the ConfigMap says for all hosts
	Stream     Kind = "stream"
	Host       Kind = "host"
	TLS        Kind = "tls"
	Route      Kind = "route" // a path, and who serves it
	Redirect   Kind = "redirect"
	Rewrite    Kind = "rewrite"
	Guard      Kind = "guard" // who may come in, and how often and how much
	Setting    Kind = "setting"
	Backend    Kind = "backend"
	Endpoints  Kind = "endpoints" // listed only if nothing else changes
)

var kinds = []Kind{Controller, Stream, Host, TLS, Route, Redirect, Rewrite, Guard, Setting, Backend, Endpoints}

// Subject is a thing that may change.
type Subject struct {
	Host string `json:"host,omitempty"` // "_" is all hosts that no rule names
	Path string `json:"path,omitempty"`
	Type string `json:"pathType,omitempty"` // Exact, Prefix or, on hosts that match so, regular expression
	Kind Kind   `json:"kind"`
	Name string `json:"name,omitempty"` // of what of the Kind; "" for the host or the route itself
}

// Change is a Subject that is not what it was.
type Change struct {
	Subject
	Action Action  `json:"action"`
	Old    string  `json:"old,omitempty"`
	New    string  `json:"new,omitempty"`
	From   []Field `json:"from,omitempty"` // what is responsible
}

// Field is one of an object, which is responsible for a change.
type Field struct {
	origins.Source
	// Old and New are its values, if it is an annotation or a key of the ConfigMap. If they are one, what it refers to has changed.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// Snapshots compares what two sets of objects come to by the same options. Lines are those of the options' routing.
func Snapshots(o controller.Options, old, new cluster.Snapshot) (Report, error) {
	before, err := plansOf(o, old, nil)
	if err != nil {
		return Report{}, fmt.Errorf("plan the old objects: %w", err)
	}
	after, err := plansOf(o, new, &before.dynamic)
	if err != nil {
		return Report{}, fmt.Errorf("plan the new objects: %w", err)
	}
	c := comparison{old: sideOf(before), new: sideOf(after)}
	c.settings = c.changedSettings()
	report := Report{Changes: c.changes(), Lines: linesOf(before.of(o.Routing), after.of(o.Routing))}
	report.Appeared = without(after.compiled.Problems, before.compiled.Problems)
	report.Gone = without(before.compiled.Problems, after.compiled.Problems)
	report.Reloads = c.reloads(report.Changes)
	return report, nil
}

// plans are those of one set of objects for both modes of routing.
type plans struct{ compiled, dynamic controller.Plan }

// plansOf makes them. Live is what runs, as far as that makes a difference.
func plansOf(o controller.Options, s cluster.Snapshot, live *controller.Plan) (p plans, err error) {
	o.Routing = controller.Compiled
	if p.compiled, err = o.Plan(s); err != nil {
		return p, err
	}
	o.Routing = controller.Dynamic
	if live != nil {
		o.Live = &live.Config
	}
	p.dynamic, err = o.Plan(s)
	return p, err
}

func (p plans) of(r controller.Routing) controller.Plan {
	if r == controller.Dynamic {
		return p.dynamic
	}
	return p.compiled
}

// side is one of the two that are compared.
type side struct {
	plans
	plan    controller.Plan // the compiled one, in which every path is named
	sources *origins.Reader
	items   inventory
}

func sideOf(p plans) side {
	s := side{plans: p, plan: p.compiled, sources: origins.Of(p.compiled)}
	s.items = s.inventory()
	return s
}

func (s *side) configMap() *corev1.ConfigMap {
	name := s.plan.ConfigMap()
	return s.plan.Snapshot.ConfigMap(name.Namespace, name.Name)
}

type comparison struct {
	old, new side
	settings []Field // keys of the ConfigMap whose values differ
}

// without are the Problems that others do not have. Where the objects stand makes no difference.
func without(list, others translate.Problems) translate.Problems {
	known := map[translate.Problem]bool{}
	for _, p := range others {
		known[placeless(p)] = true
	}
	var rest translate.Problems
	for _, p := range list {
		if !known[placeless(p)] {
			rest = append(rest, p.Printable())
		}
	}
	return rest
}

func placeless(p translate.Problem) translate.Problem {
	p.File, p.Line, p.Rival = "", 0, translate.Object{}
	return p
}
