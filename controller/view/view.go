// Package view turns a Plan into what people are shown of it, in the words of Kubernetes: routes, backends and certificates. The
// status page and the kubectl plugin show the same. It decides nothing, and nothing that it gives out holds a key.
package view

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
)

// View is a Plan as people look at it. Making one costs a look at each path; the rest is worked out for what is asked for. It
// never changes, so that several may read it.
type View struct {
	plan     controller.Plan
	rules    []Rule
	placed   map[place]*nginx.Location
	behind   map[string]cluster.Name // the Service of a backend
	problems map[cluster.Name][]translate.Problem
}

// place is where a rule of an Ingress stands in the configuration.
type place struct {
	server string
	owner  cluster.Name
	path   string
}

// Rule is a path that an Ingress asks for, as it is written there.
type Rule struct {
	Ingress  cluster.Name
	Host     string // * for all that no other names
	Path     string
	PathType string
	Service  string
	Port     string

	ingress *networkingv1.Ingress
}

// Of looks at a plan.
func Of(p controller.Plan) *View {
	v := &View{plan: p, placed: map[place]*nginx.Location{}, behind: map[string]cluster.Name{}, problems: map[cluster.Name][]translate.Problem{}}
	for _, server := range p.Servers {
		for _, l := range server.Locations {
			v.placed[place{server.Name, cluster.Name{Namespace: l.Identity.Namespace, Name: l.Identity.Ingress}, l.Identity.Path}] = l
			if _, is := v.behind[l.Upstream]; !is {
				v.behind[l.Upstream] = cluster.Name{Namespace: l.Identity.Namespace, Name: l.Identity.Service}
			}
		}
	}
	for _, problem := range p.Problems {
		if problem.Object.Kind == "Ingress" {
			name := cluster.Name{Namespace: problem.Object.Namespace, Name: problem.Object.Name}
			v.problems[name] = append(v.problems[name], problem)
		}
	}
	for _, ing := range p.Claimed {
		v.rules = appendRules(v.rules, ing)
	}
	return v
}

// Rules are those of all Ingresses that the controller claims, those of an Ingress as they stand there. Nobody may change the list.
func (v *View) Rules() []Rule { return v.rules }

func appendRules(list []Rule, ing *networkingv1.Ingress) []Rule {
	add := func(host, path string, pathType *networkingv1.PathType, b *networkingv1.IngressBackend) {
		r := Rule{Ingress: cluster.NameOf(ing), Host: cmp.Or(host, "*"), Path: cmp.Or(path, "/"), ingress: ing}
		if pathType != nil {
			r.PathType = string(*pathType)
		}
		if b.Service != nil {
			r.Service, r.Port = b.Service.Name, b.Service.Port.Name
			if r.Port == "" {
				r.Port = strconv.Itoa(int(b.Service.Port.Number))
			}
		}
		list = append(list, r)
	}
	if b := ing.Spec.DefaultBackend; b != nil {
		add("", "", nil, b)
	}
	for _, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for i := range rule.HTTP.Paths {
			p := &rule.HTTP.Paths[i]
			add(rule.Host, p.Path, p.PathType, &p.Backend)
		}
	}
	return list
}

// location is where a rule is served; nil if it is not.
func (v *View) location(r Rule) *nginx.Location {
	return v.placed[place{serverName(r.Host), r.Ingress, r.Path}]
}

// serverName is what the server of a host is called.
func serverName(host string) string {
	if host == "*" {
		return "_"
	}
	return host
}

// reasonsOn are the reasons of the Problems of an Ingress, each once, but for what is no mistake.
func (v *View) reasonsOn(ingress cluster.Name) []translate.Reason {
	var list []translate.Reason
	for _, p := range v.problems[ingress] {
		if p.Severity != cluster.Info {
			list = append(list, p.Reason)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Compare orders rules by the namespace and name of their Ingress.
func (r Rule) Compare(other Rule) int {
	return strings.Compare(r.Ingress.String(), other.Ingress.String())
}
