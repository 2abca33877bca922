package diagnosis

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/docs"
)

// Asked is a Service of the cluster that an object has NGINX ask about each request.
type Asked struct {
	By      translate.Object
	Field   string
	Service cluster.Name
	Port    int
}

// Asked are the Services that auth-url of Ingresses and global-auth-url of the ConfigMap name, as NAME.NAMESPACE.svc with or without
// the cluster's domain. What other names lead to, nobody can tell from here.
func (c *Controller) Asked() []Asked {
	var list []Asked
	add := func(by translate.Object, field, text string) {
		if service, port, ok := inCluster(text); ok {
			list = append(list, Asked{By: by, Field: field, Service: service, Port: port})
		}
	}
	for _, ing := range c.Plan.Claimed {
		key := c.Plan.AnnotationsPrefix + "/auth-url"
		add(translate.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}, "metadata.annotations["+key+"]", ing.Annotations[key])
	}
	if m := c.Plan.Snapshot.ConfigMap(c.ConfigMap.Namespace, c.ConfigMap.Name); m != nil {
		add(translate.Object{Kind: "ConfigMap", Namespace: m.Namespace, Name: m.Name}, "data.global-auth-url", strings.TrimSpace(m.Data["global-auth-url"]))
	}
	return list
}

// inCluster is the Service and port that a URL leads to.
func inCluster(text string) (service cluster.Name, port int, ok bool) {
	// A URL of nginx may have variables, which are no part of a host that anything can be said of.
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return service, 0, false
	}
	labels := strings.Split(strings.TrimSuffix(u.Hostname(), "."), ".")
	if len(labels) < 3 || labels[2] != "svc" {
		return service, 0, false
	}
	port, err = strconv.Atoi(cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]))
	return cluster.Name{Namespace: labels[1], Name: labels[0]}, port, err == nil
}

// asked wants the Services that are asked about requests to be there: without an answer no request passes.
func (x *examiner) asked(c *Controller) {
	list := c.Asked()
	wrong := false
	for _, a := range list {
		reason, cause := x.cannotAnswer(a)
		if reason == "" {
			continue
		}
		wrong = true
		about := docs.ReasonOf(string(reason))
		f := Finding{
			Check: CheckAsked, State: Failed, Object: a.By, Field: a.Field, Reason: reason, Fix: about.ToDo, Link: about.Link,
			Cause: fmt.Sprintf("Service %s, which is asked about each request, %s; requests get 500", a.Service, cause),
		}
		if !x.told[f] { // by another controller with the same objects
			x.told[f] = true
			x.add(f)
		}
	}
	if !wrong && len(list) > 0 {
		x.add(Finding{Check: CheckAsked, Object: c.object(), Cause: fmt.Sprintf("the Services that %d objects have asked about requests are there", len(list))})
	}
}

// cannotAnswer says why nobody answers a question; "" if somebody may.
func (x *examiner) cannotAnswer(a Asked) (translate.Reason, string) {
	service := x.Services[a.Service]
	hasPort := func(p corev1.ServicePort) bool { return int(p.Port) == a.Port }
	switch {
	case service == nil && x.isUnread("Service "+a.Service.String()):
	case service == nil:
		return translate.MissingService, "does not exist"
	case service.Spec.Type == corev1.ServiceTypeExternalName:
	case service.Spec.ClusterIP != corev1.ClusterIPNone && !slices.ContainsFunc(service.Spec.Ports, hasPort):
		return translate.MissingPort, fmt.Sprintf("has no port %d", a.Port)
	case x.isUnread("EndpointSlices of Service " + a.Service.String()):
	case x.readyEndpoints(a.Service) == 0:
		return translate.NoEndpoints, "has no ready endpoint"
	}
	return "", ""
}
