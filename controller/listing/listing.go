// Package listing turns a plan into one Route for each host and path that an Ingress asks for: what is behind it, and whether it is
// served. It asks nobody.
package listing

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
)

// Route is a host and path of an Ingress, and what is behind it.
type Route struct {
	Namespace string             `json:"namespace"`
	Ingress   string             `json:"ingress"`
	Host      string             `json:"host"` // * for all that no other names
	Path      string             `json:"path"`
	PathType  string             `json:"pathType,omitempty"`
	Service   string             `json:"service,omitempty"`
	Port      string             `json:"port,omitempty"`
	Ready     int                `json:"ready"` // endpoints that get requests
	Total     int                `json:"total"`
	TLS       string             `json:"tls"` // name of the Secret, default for the default certificate, or none
	Class     string             `json:"class,omitempty"`
	Served    string             `json:"served"` // yes, no, canary, or by the Ingress that has the path
	Addresses []string           `json:"addresses,omitempty"`
	Problems  []translate.Reason `json:"problems,omitempty"`
}

// Of are the routes of all Ingresses that the controller claims, by namespace and name.
func Of(plan controller.Plan) []Route {
	placed := map[string]*nginx.Location{}
	for _, server := range plan.Config.Servers {
		for _, l := range server.Locations {
			placed[placeOf(server.Name, l.Identity.Namespace, l.Identity.Ingress, l.Identity.Path)] = l
		}
	}
	ingresses := slices.Clone(plan.Claimed)
	slices.SortFunc(ingresses, func(a, b *networkingv1.Ingress) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	list := []Route{}
	for _, ing := range ingresses {
		problems := reasonsOn(plan.Problems, ing)
		for _, r := range written(ing) {
			r.Problems = problems
			r.Served = "no"
			if ing.Annotations[plan.AnnotationsPrefix+"/canary"] == "true" {
				r.Served = "canary"
			}
			if l := placed[placeOf(serverName(r.Host), r.Namespace, r.Ingress, r.Path)]; l != nil {
				if r.Served = "yes"; l.Denied {
					r.Served = "503"
				}
				backend := plan.Dynamic.Backends.At(l.Upstream)
				r.Ready = len(backend.Endpoints) + len(backend.Names)
			}
			if r.TLS != "none" {
				if r.TLS = plan.Certificates.At(r.Host).Secret.Name; r.TLS == "" {
					r.TLS = "default"
				}
			}
			r.Total = max(addressesBehind(plan.Snapshot, r), r.Ready)
			list = append(list, r)
		}
	}
	return list
}

func placeOf(server, namespace, ingress, path string) string {
	return strings.Join([]string{server, namespace, ingress, path}, "\n")
}

// serverName is what the server of a host is called.
func serverName(host string) string {
	if host == "*" {
		return "_"
	}
	return host
}

// written are the routes that an Ingress asks for.
func written(ing *networkingv1.Ingress) []Route {
	made := Route{Namespace: ing.Namespace, Ingress: ing.Name, TLS: "none"}
	if name := ing.Spec.IngressClassName; name != nil {
		made.Class = *name
	} else {
		made.Class = ing.Annotations["kubernetes.io/ingress.class"]
	}
	var list []Route
	add := func(host, path, pathType string, b *networkingv1.IngressBackend) {
		r := made
		r.Host, r.Path, r.PathType = host, path, pathType
		if host == "" {
			r.Host = "*"
		}
		if slices.ContainsFunc(ing.Spec.TLS, func(t networkingv1.IngressTLS) bool { return slices.Contains(t.Hosts, host) }) {
			r.TLS = "yes"
		}
		if b.Service != nil {
			r.Service, r.Port = b.Service.Name, b.Service.Port.Name
			if r.Port == "" {
				r.Port = fmt.Sprint(b.Service.Port.Number)
			}
		}
		list = append(list, r)
	}
	if b := ing.Spec.DefaultBackend; b != nil {
		add("", "/", "", b)
	}
	for _, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for i := range rule.HTTP.Paths {
			p, pathType := &rule.HTTP.Paths[i], ""
			if p.PathType != nil {
				pathType = string(*p.PathType)
			}
			path := p.Path
			if path == "" {
				path = "/"
			}
			add(rule.Host, path, pathType, &p.Backend)
		}
	}
	return list
}

func addressesBehind(s cluster.Snapshot, r Route) int {
	all := map[string]bool{}
	for _, slice := range s.Slices(r.Namespace, r.Service) {
		for _, e := range slice.Endpoints {
			for _, address := range e.Addresses {
				all[address] = true
			}
		}
	}
	return len(all)
}

// reasonsOn are the reasons of the Problems of an Ingress, each once, but for what is no mistake.
func reasonsOn(all translate.Problems, ing *networkingv1.Ingress) []translate.Reason {
	var list []translate.Reason
	for _, p := range all {
		if p.Object.Kind == "Ingress" && p.Object.Namespace == ing.Namespace && p.Object.Name == ing.Name && p.Severity != cluster.Info {
			list = append(list, p.Reason)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
