package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/docs"
)

// class wants an IngressClass that leads to the controller.
func (x *examiner) class(c *Controller) {
	selection := c.Flags.Selection
	name := cmp.Or(selection.ControllerClass, cluster.DefaultControllerClass)
	owned := c.classes()
	switch {
	case selection.ClassesUnreadable:
		x.add(Finding{Check: CheckClass, State: Unknown, Object: c.object(), Cause: "IngressClasses cannot be read"})
	case len(owned) == 0 && selection.WithoutClass:
		x.add(Finding{Check: CheckClass, Object: c.object(), Cause: "no IngressClass is its own; it serves Ingresses without any class"})
	case len(owned) == 0:
		x.add(Finding{Check: CheckClass, State: Failed, Object: c.object(), Cause: fmt.Sprintf("no IngressClass has spec.controller: %s, so no spec.ingressClassName leads here", name),
			Fix: "make an IngressClass with that spec.controller, or start the controller with --controller-class of the one that there is"})
	default:
		x.add(Finding{Check: CheckClass, Object: c.object(), Cause: fmt.Sprintf("it serves the IngressClass %s (%s)", strings.Join(owned, ", "), name)})
	}
}

// classes are the names of the IngressClasses that lead to the controller.
func (c *Controller) classes() []string {
	var owned []string
	for _, name := range slices.Sorted(c.Plan.Snapshot.Classes.Keys()) {
		if c.Flags.Selection.OwnsClass(c.Plan.Snapshot.Classes.At(name)) {
			owned = append(owned, name)
		}
	}
	return owned
}

// unserved are Ingresses that no controller takes because of what they say of their class. One of a class that exists and
// that leads to a controller we have not looked at is that one's business.
func (x *examiner) unserved() {
	at := slices.IndexFunc(x.Controllers, func(c Controller) bool { return !c.IsForeign })
	if at < 0 {
		return
	}
	snapshot := x.Controllers[at].Plan.Snapshot
	for _, ing := range snapshot.Ingresses {
		if x.isClaimed(snapshot, ing) {
			continue
		}
		name := ing.Spec.IngressClassName
		if name != nil && snapshot.Classes.Has(*name) {
			continue
		}
		_, why := x.Controllers[at].Flags.Selection.Claims(snapshot, ing)
		fix := "set spec.ingressClassName to one of: " + strings.Join(slices.Sorted(snapshot.Classes.Keys()), ", ")
		x.add(Finding{
			Check: CheckClass, State: Failed, Object: ingressObject(ing), Field: "spec.ingressClassName", Reason: translate.NotClaimed,
			Cause: "no controller serves it: " + why, Fix: fix, Link: docs.ReasonOf(string(translate.NotClaimed)).Link,
		})
	}
}

func ingressObject(ing *networkingv1.Ingress) translate.Object {
	return translate.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}
}

func (x *examiner) isClaimed(s cluster.Snapshot, ing *networkingv1.Ingress) bool {
	return slices.ContainsFunc(x.Controllers, func(c Controller) bool { return c.claims(s, ing) })
}

func (c *Controller) claims(s cluster.Snapshot, ing *networkingv1.Ingress) bool {
	claims, _ := c.Flags.Selection.Claims(s, ing)
	return claims
}

// rivals are controllers that take the same Ingresses: both serve them, and both write their status by turns.
func (x *examiner) rivals() {
	for i := range x.Controllers {
		for j := range i {
			x.compare(&x.Controllers[j], &x.Controllers[i])
		}
	}
}

func (x *examiner) compare(a, b *Controller) {
	snapshot := a.Plan.Snapshot
	if a.IsForeign {
		snapshot = b.Plan.Snapshot
	}
	one, other := a.Flags.Selection, b.Flags.Selection
	if one.WatchNamespace != "" && other.WatchNamespace != "" && one.WatchNamespace != other.WatchNamespace {
		return
	}
	var what []string
	for _, name := range slices.Sorted(snapshot.Classes.Keys()) {
		if class := snapshot.Classes.At(name); one.OwnsClass(class) && other.OwnsClass(class) {
			what = append(what, "IngressClass "+name)
		}
	}
	var both []string
	for _, ing := range snapshot.Ingresses {
		if a.claims(snapshot, ing) && b.claims(snapshot, ing) {
			both = append(both, cluster.NameOf(ing).String())
		}
	}
	if len(both) > 0 {
		what = append(what, fmt.Sprintf("%d Ingresses, such as %s", len(both), both[0]))
	}
	if len(what) == 0 {
		return
	}
	x.add(Finding{
		Check: CheckRivals, State: Failed, Object: a.object(),
		Cause: fmt.Sprintf("%s takes the same objects: %s; both serve them, and both write their status by turns", b.object(), strings.Join(what, "; ")),
		Fix:   "give each controller an IngressClass of its own, by --controller-class and --ingress-class, or remove the one that is not wanted",
	})
}
