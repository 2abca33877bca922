package view

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
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
	Served    string             `json:"served"` // yes, no, canary, or 503 if every request is answered so
	Addresses []string           `json:"addresses,omitempty"`
	Problems  []translate.Reason `json:"problems,omitempty"`
}

// Routes are those of all rules, by namespace and name.
func (v *View) Routes() []Route {
	rules := slices.Clone(v.rules)
	slices.SortStableFunc(rules, Rule.Compare)
	list := []Route{}
	for _, r := range rules {
		list = append(list, v.Route(r))
	}
	return list
}

// Route is what becomes of a rule.
func (v *View) Route(r Rule) Route {
	route := Route{
		Namespace: r.Ingress.Namespace, Ingress: r.Ingress.Name, Host: r.Host, Path: r.Path, PathType: r.PathType, Service: r.Service, Port: r.Port,
		TLS: v.tls(r), Class: r.ingress.Annotations["kubernetes.io/ingress.class"], Served: "no", Problems: v.reasonsOn(r.Ingress),
	}
	if name := r.ingress.Spec.IngressClassName; name != nil {
		route.Class = *name
	}
	if r.ingress.Annotations[v.plan.AnnotationsPrefix+"/canary"] == "true" {
		route.Served = "canary"
	}
	if l := v.location(r); l != nil {
		if route.Served = "yes"; l.Denied {
			route.Served = "503"
		}
		backend := v.plan.Backends.At(l.Upstream)
		route.Ready = len(backend.Endpoints) + len(backend.Names)
	}
	route.Total = max(v.addressesBehind(r), route.Ready)
	return route
}

func (v *View) tls(r Rule) string {
	host := r.Host
	if host == "*" {
		host = ""
	}
	if !slices.ContainsFunc(r.ingress.Spec.TLS, func(t networkingv1.IngressTLS) bool { return slices.Contains(t.Hosts, host) }) {
		return "none"
	}
	if name := v.plan.Certificates.At(r.Host).Secret.Name; name != "" {
		return name
	}
	return "default"
}

func (v *View) addressesBehind(r Rule) int {
	all := map[string]bool{}
	for _, slice := range v.plan.Snapshot.Slices(r.Ingress.Namespace, r.Service) {
		for _, e := range slice.Endpoints {
			for _, address := range e.Addresses {
				all[address] = true
			}
		}
	}
	return len(all)
}

// BackendOf is the name of the backend that a rule leads to; "" for none.
func (v *View) BackendOf(r Rule) string {
	if l := v.location(r); l != nil {
		return l.Upstream
	}
	return ""
}

// Alternatives are the canaries that get some of the requests of a rule.
func (v *View) Alternatives(r Rule) []dynamic.Alternative {
	l := v.location(r)
	if l == nil {
		return nil
	}
	return v.plan.Backends.At(l.Upstream).Routes[serverName(r.Host)][dynamic.RoutePath(l.Identity.Path, l.Identity.IsExactTwin)]
}
