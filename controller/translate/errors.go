package translate

import (
	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// fallbackName is the name of the backend that default-backend of an Ingress means, "" without one. It has no port, for which
// the Service's first one is taken, so that no other backend has the name and the configuration depends on the annotation alone.
func fallbackName(i *ingress) string {
	if i == nil || i.isCanary {
		return ""
	}
	service := annotations.DefaultBackend(i.values)
	if service == "" {
		return ""
	}
	return i.Namespace + "_" + service
}

// fallbackForErrors makes the backend that default-backend of an Ingress means. One that does not exist has no endpoints,
// and what has none is passed over while requests come in.
func (t *translator) fallbackForErrors(i *ingress) {
	name := fallbackName(i)
	if name == "" {
		return
	}
	service := cluster.Name{Namespace: i.Namespace, Name: annotations.DefaultBackend(i.values)}
	b := t.backendOf(i, name, reference{service: service, isFirst: true})
	t.group.backends[name].isAlternative = true
	if b.problem != nil {
		t.problem(t.finding(i.Ingress, annotations.Finding{
			Key: "default-backend", Reason: b.problem.reason, Message: b.problem.message + "; it takes no requests",
		}, annotations.UseDefault, ""))
	}
}
