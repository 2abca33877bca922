package compare

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-ingress/sluice/controller/origins"
)

// item is what a side has for a Subject.
type item struct {
	value string // what is compared
	shown string // what is shown of it; "" shows nothing but that it is there
	from  []origins.Source
}

// inventory is all that a side has.
type inventory map[Subject]item

// changes are those between the inventories.
func (c *comparison) changes() []Change {
	subjects := maps.Clone(c.old.items)
	maps.Copy(subjects, c.new.items)
	list := append([]Change{}, c.settingsOfAll()...)
	for subject := range subjects {
		if change, is := c.change(subject); is && !c.isImplied(subject) {
			list = append(list, change)
		}
	}
	all := slices.Clone(list)
	list = slices.DeleteFunc(list, func(of Change) bool {
		return of.Type == allOther && (of.Kind == Route || slices.ContainsFunc(all, func(other Change) bool { return other.says(of) }))
	})
	c.explain(list)
	isOfPods := func(c Change) bool { return c.Kind == Endpoints }
	if slices.ContainsFunc(list, func(c Change) bool { return !isOfPods(c) }) {
		list = slices.DeleteFunc(list, isOfPods)
	}
	slices.SortFunc(list, func(a, b Change) int { return compareSubjects(a.Subject, b.Subject) })
	return list
}

// explain finds what changes of which features left no note are for: those of an Ingress that says the same of hosts and paths as
// before. It is the annotations with other values, as far as nothing else is explained by them.
func (c *comparison) explain(list []Change) {
	isChanged := func(f Field) bool { return f.Old != f.New }
	explained := map[string]bool{}
	for _, change := range list {
		for _, f := range change.From {
			explained[f.Name()] = explained[f.Name()] || isChanged(f)
		}
	}
	for n := range list {
		change := &list[n]
		if slices.ContainsFunc(change.From, isChanged) {
			continue
		}
		objects := slices.Concat(c.new.users(change.Subject), c.old.users(change.Subject))
		for _, f := range change.From {
			objects = append(objects, f.Object)
		}
		all := c.changedAnnotations(objects)
		if others := slices.DeleteFunc(slices.Clone(all), func(f Field) bool { return explained[f.Name()] }); len(others) > 0 {
			all = others
		}
		if len(all) > 0 {
			change.From = all
		}
	}
}

// changedAnnotations are those with other values, of Ingresses that say the same of hosts and paths.
func (c *comparison) changedAnnotations(objects []string) []Field {
	var all []Field
	for _, object := range objects {
		old, new := c.old.sources.Ingress(object), c.new.sources.Ingress(object)
		if old == nil || new == nil || !equality.Semantic.DeepEqual(old.Spec, new.Spec) {
			continue
		}
		for _, s := range slices.Concat(c.new.sources.Annotations(object), c.old.sources.Annotations(object)) {
			key := strings.TrimSuffix(strings.TrimPrefix(s.Field, annotations), "]")
			f := Field{s, shortened(old.Annotations[key]), shortened(new.Annotations[key])}
			if old.Annotations[key] != new.Annotations[key] && !slices.ContainsFunc(all, func(known Field) bool { return known.Name() == f.Name() }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// users are the objects with paths on a host or, of all hosts, with such that a backend serves.
func (s *side) users(of Subject) []string {
	var list []string
	for _, server := range s.plan.Config.Servers {
		for _, l := range server.Locations {
			isUser := of.Kind == Backend && l.Upstream == of.Name || of.Host != "" && server.Name == of.Host && (of.Path == "" || of.Path == l.Identity.Path)
			if isUser && l.Owner != "" && !slices.Contains(list, l.Owner) {
				list = append(list, l.Owner)
			}
		}
	}
	return list
}

// says tells whether a change is that of another path of the same host, too.
func (c Change) says(of Change) bool {
	return c.Type != allOther && c.Host == of.Host && c.Kind == of.Kind && c.Name == of.Name && c.Action == of.Action && c.Old == of.Old && c.New == of.New
}

// settingsOfAll are the keys of the ConfigMap that change something for all hosts; or, as what they name may change as well, the
// fields of nginx.HTTP that do.
func (c *comparison) settingsOfAll() []Change {
	old, new := reflect.ValueOf(c.old.plan.Config.HTTP), reflect.ValueOf(c.new.plan.Config.HTTP)
	var fields []Change
	for n := range old.NumField() {
		if !reflect.DeepEqual(old.Field(n).Interface(), new.Field(n).Interface()) {
			fields = append(fields, Change{Subject: Subject{Kind: Controller, Name: old.Type().Field(n).Name}, Action: Changed})
		}
	}
	if len(fields) == 0 || len(c.settings) == 0 {
		return fields
	}
	var keys []Change
	for _, f := range c.settings {
		action := Changed
		switch {
		case f.Old == "":
			action = Added
		case f.New == "":
			action = Removed
		}
		key := strings.TrimSuffix(strings.TrimPrefix(f.Source.Field, "data["), "]")
		keys = append(keys, Change{Subject: Subject{Kind: Controller, Name: key}, Action: action, Old: f.Old, New: f.New, From: []Field{{Source: f.Source}}})
	}
	return keys
}

// compareSubjects orders what holds for all hosts first.
func compareSubjects(a, b Subject) int {
	rank := func(s Subject) int { return slices.Index(kinds, s.Kind) }
	return cmp.Or(
		cmp.Compare(a.Host, b.Host), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Type, b.Type),
		cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name),
	)
}

func (c *comparison) change(s Subject) (Change, bool) {
	old, was := c.old.items[s]
	new, is := c.new.items[s]
	change := Change{Subject: s, Action: Changed, Old: shortened(old.shown), New: shortened(new.shown)}
	switch {
	case !was:
		change.Action = Added
	case !is:
		change.Action = Removed
	case old.value == new.value:
		return change, false
	}
	change.From = c.responsible(old.from, new.from)
	if change.Action != Changed && s.Kind == Route && s.Name == "" {
		for n := range change.From { // all of the path has come or gone
			change.From[n].Field = strings.TrimSuffix(change.From[n].Field, ".backend")
		}
	}
	return change, true
}

// isImplied tells of what goes without saying where a route comes or goes: of one that comes, only what somebody asks for is told.
func (c *comparison) isImplied(s Subject) bool {
	route := Subject{Host: s.Host, Path: s.Path, Type: s.Type, Kind: Route}
	if s.Path == "" || s == route {
		return false
	}
	_, was := c.old.items[route]
	_, is := c.new.items[route]
	return was != is && (was || !slices.ContainsFunc(c.new.items[s].from, func(f origins.Source) bool { return strings.HasPrefix(f.Field, annotations) }))
}

const annotations = "metadata.annotations["

// responsible are the fields of which something comes, on either side. If some of them have other values than before, it is these.
// If none has, it may be the ConfigMap.
func (c *comparison) responsible(old, new []origins.Source) []Field {
	var all, changed []Field
	add := func(s origins.Source) {
		if slices.ContainsFunc(all, func(f Field) bool { return f.Name() == s.Name() }) {
			return
		}
		f := Field{Source: s}
		if key, is := strings.CutPrefix(s.Field, annotations); is {
			key = strings.TrimSuffix(key, "]")
			f.Old, f.New = shortened(c.old.sources.Value(s.Object, key)), shortened(c.new.sources.Value(s.Object, key))
		}
		all = append(all, f)
		if f.Old != f.New {
			changed = append(changed, f)
		}
	}
	for _, s := range slices.Concat(new, old) {
		add(s)
	}
	isAnnotation := func(f Field) bool { return strings.HasPrefix(f.Field, annotations) }
	switch {
	case len(changed) > 0:
		return changed
	case len(c.settings) == 0 || !sameNames(old, new):
		return all
	case slices.ContainsFunc(all, isAnnotation):
		return append(all, c.settings...)
	}
	return slices.Clone(c.settings)
}

func sameNames(a, b []origins.Source) bool {
	return slices.EqualFunc(a, b, func(a, b origins.Source) bool { return a.Name() == b.Name() })
}

// changedSettings are the keys of the ConfigMap with other values.
func (c *comparison) changedSettings() []Field {
	var old, new map[string]string
	if m := c.old.configMap(); m != nil {
		old = m.Data
	}
	if m := c.new.configMap(); m != nil {
		new = m.Data
	}
	all := maps.Clone(old)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, new)
	name := c.new.plan.ConfigMap()
	var list []Field
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if was, is := old[key], new[key]; was != is {
			source := c.new.sources.At("ConfigMap "+name.String(), "data["+key+"]")
			list = append(list, Field{source, shortened(was), shortened(is)})
		}
	}
	return list
}

// longest is how much of a value is shown, in bytes.
const longest = 200

func shortened(s string) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
