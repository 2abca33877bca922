package admission

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Index finds the Ingresses that one has to do with. The zero value knows none. It is not for concurrent use.
type Index struct {
	prefix string // of annotations
	known  []*networkingv1.Ingress
	by     map[string][]*networkingv1.Ingress // by key, the oldest first
}

// Follow makes the Index that of a Snapshot, with the prefix of annotations. It costs what has changed since it was
// last called, besides a look at each pointer of the list.
func (x *Index) Follow(s cluster.Snapshot, prefix string) {
	if x.by == nil || x.prefix != prefix {
		*x = Index{prefix: prefix, by: map[string][]*networkingv1.Ingress{}}
	}
	before, now := x.known, s.Ingresses
	x.known = now
	for len(before) > 0 && len(now) > 0 && before[0] == now[0] {
		before, now = before[1:], now[1:]
	}
	for len(before) > 0 && len(now) > 0 && before[len(before)-1] == now[len(now)-1] {
		before, now = before[:len(before)-1], now[:len(now)-1]
	}
	stays := make(map[*networkingv1.Ingress]bool, len(now))
	for _, ing := range now {
		stays[ing] = false
	}
	for _, ing := range before {
		if _, is := stays[ing]; is {
			stays[ing] = true
		} else {
			x.remove(ing)
		}
	}
	for _, ing := range now {
		if !stays[ing] {
			x.add(ing)
		}
	}
}

func (x *Index) add(ing *networkingv1.Ingress) {
	for _, key := range x.keys(ing) {
		list := x.by[key]
		at, _ := slices.BinarySearchFunc(list, ing, cluster.CompareAge)
		x.by[key] = slices.Insert(list, at, ing)
	}
}

func (x *Index) remove(ing *networkingv1.Ingress) {
	for _, key := range x.keys(ing) {
		list := slices.DeleteFunc(x.by[key], func(other *networkingv1.Ingress) bool { return other == ing })
		if len(list) == 0 {
			delete(x.by, key)
		} else {
			x.by[key] = list
		}
	}
}

// anyHost stands for the hosts that no rule names, as in package translate.
const anyHost = "_"

// keys are what makes an Ingress a neighbour of another: hosts and further names for them, and Services.
func (x *Index) keys(ing *networkingv1.Ingress) []string {
	return append(x.names(ing), services(ing)...)
}

func (x *Index) names(ing *networkingv1.Ingress) []string {
	var list []string
	for _, rule := range ing.Spec.Rules {
		name := strings.ToLower(rule.Host)
		if name == "" {
			name = anyHost
		}
		list = append(list, name)
	}
	if ing.Spec.DefaultBackend != nil {
		list = append(list, anyHost)
	}
	for alias := range strings.SplitSeq(ing.Annotations[x.prefix+"/server-alias"], ",") {
		// Those that are patterns are compared with nothing; those that begin with a dot are two names.
		alias = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(alias), "."))
		if bare, both := strings.CutPrefix(alias, "."); both {
			list = append(list, bare, "*."+bare)
		} else if alias != "" {
			list = append(list, alias)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// services are keys for the Services of paths. No host has a slash in it.
func services(ing *networkingv1.Ingress) []string {
	var list []string
	add := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			list = append(list, ing.Namespace+"/"+b.Service.Name)
		}
	}
	add(ing.Spec.DefaultBackend)
	for _, rule := range ing.Spec.Rules {
		if rule.HTTP != nil {
			for i := range rule.HTTP.Paths {
				add(&rule.HTTP.Paths[i].Backend)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// mostOfService is how many Ingresses count for a Service that they share: the oldest decides how the Service is used,
// and the next if that one is not served. One Service may be that of all Ingresses.
const mostOfService = 4

// Around lists the Ingresses that have to do with any of these, which are versions of one: all of the same hosts and
// aliases, of the wildcard above a host, and the oldest of the same Services. Versions of that one are left out.
func (x *Index) Around(versions ...*networkingv1.Ingress) []*networkingv1.Ingress {
	found := map[*networkingv1.Ingress]bool{}
	for _, ing := range versions {
		for _, name := range x.names(ing) {
			note(found, x.by[name])
			if _, parent, below := strings.Cut(name, "."); below {
				note(found, x.by["*."+parent])
			}
		}
		for _, service := range services(ing) {
			list := x.by[service]
			note(found, list[:min(len(list), mostOfService)])
		}
	}
	var list []*networkingv1.Ingress
	for ing := range found {
		same := func(version *networkingv1.Ingress) bool { return cluster.NameOf(version) == cluster.NameOf(ing) }
		if !slices.ContainsFunc(versions, same) {
			list = append(list, ing)
		}
	}
	slices.SortFunc(list, cluster.CompareAge)
	return list
}

func note(found map[*networkingv1.Ingress]bool, list []*networkingv1.Ingress) {
	for _, ing := range list {
		found[ing] = true
	}
}
