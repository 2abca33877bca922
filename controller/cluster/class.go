package cluster

import (
	"cmp"
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/persistent"
)

const (
	// DefaultControllerClass and DefaultIngressClass are ingress-nginx's own, so that its
	// IngressClasses and Ingresses are ours without an edit.
	DefaultControllerClass = "k8s.io/ingress-nginx"
	DefaultIngressClass    = "nginx"

	// classAnnotation is older than ingressClassName and still in wide use. It keeps its prefix
	// whatever prefix our other annotations have.
	classAnnotation = "kubernetes.io/ingress.class"
)

// Selection says which Ingresses are ours. The zero value selects as ingress-nginx does without flags.
//
// Controllers side by side never claim the same Ingress if each has a ControllerClass and an IngressClass of its own,
// and at most one of them has WithoutClass; ByName only fits one whose IngressClass names no IngressClass of another.
// One that may not list IngressClasses cannot tell whose an Ingress with a class annotation beside its
// ingressClassName is. None of this matters between controllers that watch different namespaces.
type Selection struct {
	ControllerClass string          // spec.controller of our IngressClasses; empty means DefaultControllerClass
	IngressClass    string          // value of the class annotation; empty means DefaultIngressClass
	ByName          bool            // the IngressClass called IngressClass is ours too, whatever its controller
	WithoutClass    bool            // Ingresses without any class are ours
	WatchNamespace  string          // only Ingresses of this namespace are ours; empty means all
	Namespaces      labels.Selector // only Ingresses of namespaces with such labels are ours; nil means all

	// DisableCatchAll means that an Ingress with a default backend is not served at all, not even its rules.
	DisableCatchAll bool

	// ClassesUnreadable means that we may not list IngressClasses: ingressClassName is not looked at.
	ClassesUnreadable bool

	// ClassesOptional is for manifests, which no API server has completed: without any IngressClass
	// every Ingress is ours, and an Ingress without a class gets the default one. In a cluster the
	// API server has done the latter already, and an Ingress older than the default class stays without.
	ClassesOptional bool
}

// Ours says whether we serve an Ingress and, if not, why: a short phrase such as `no class`. Only then may its
// status name our addresses.
func (sel Selection) Ours(s Snapshot, ing *networkingv1.Ingress) (ours bool, reason string) {
	if ours, reason = sel.Claims(s, ing); ours && sel.Refuses(ing) {
		return false, "default backends are disabled"
	}
	return ours, reason
}

// Refuses tells whether flags keep us from serving an Ingress, whosever it is.
func (sel Selection) Refuses(ing *networkingv1.Ingress) bool {
	return sel.DisableCatchAll && ing.Spec.DefaultBackend != nil
}

// Claims says whether an Ingress is meant for us by its namespace and class, and, if not, why. Of one that we claim
// and refuse, its owner is told.
func (sel Selection) Claims(s Snapshot, ing *networkingv1.Ingress) (claimed bool, reason string) {
	if sel.WatchNamespace != "" && ing.Namespace != sel.WatchNamespace ||
		sel.Namespaces != nil && !sel.Namespaces.Matches(s.namespaceLabels(ing.Namespace)) {
		return false, fmt.Sprintf("namespace %q is not watched", ing.Namespace)
	}
	if sel.ClassesOptional && s.Classes.Len() == 0 {
		return true, ""
	}
	if ing.Spec.IngressClassName != nil && !sel.ClassesUnreadable {
		return sel.byClassName(s, *ing.Spec.IngressClassName)
	}
	if class, ok := ing.Annotations[classAnnotation]; ok {
		return sel.byAnnotation(class)
	}
	return sel.byDefault(s)
}

func (sel Selection) byClassName(s Snapshot, name string) (bool, string) {
	class, ok := s.Classes.Get(name)
	if !ok {
		return false, fmt.Sprintf("class %q does not exist", name)
	}
	if !sel.OwnsClass(class) {
		return false, fmt.Sprintf("its class %q is not one of ours", name)
	}
	return true, ""
}

func (sel Selection) byAnnotation(class string) (bool, string) {
	if class != cmp.Or(sel.IngressClass, DefaultIngressClass) {
		return false, fmt.Sprintf("its class annotation %q is not ours", class)
	}
	return true, ""
}

func (sel Selection) byDefault(s Snapshot) (bool, string) {
	if sel.ClassesOptional {
		if class := defaultClass(s.Classes); class != nil {
			return sel.byClassName(s, class.Name)
		}
	}
	if !sel.WithoutClass {
		return false, "no class"
	}
	return true, ""
}

// OwnsClass tells whether an Ingress that names this IngressClass is ours.
func (sel Selection) OwnsClass(class *networkingv1.IngressClass) bool {
	if class.Spec.Controller == cmp.Or(sel.ControllerClass, DefaultControllerClass) {
		return true
	}
	return sel.ByName && class.Name == cmp.Or(sel.IngressClass, DefaultIngressClass)
}

// defaultClass is the IngressClass that the API server would give to an Ingress without one: of several
// the youngest, of the same age the first by name.
func defaultClass(classes persistent.Map[string, *networkingv1.IngressClass]) *networkingv1.IngressClass {
	var best *networkingv1.IngressClass
	for _, class := range classes.All() {
		if class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] != "true" {
			continue
		}
		if best == nil || cmp.Or(
			class.CreationTimestamp.Compare(best.CreationTimestamp.Time),
			cmp.Compare(best.Name, class.Name),
		) > 0 {
			best = class
		}
	}
	return best
}
