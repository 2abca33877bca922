package cluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func class(name, controller string) *networkingv1.IngressClass {
	return &networkingv1.IngressClass{ObjectMeta: meta("", name, 0), Spec: networkingv1.IngressClassSpec{Controller: controller}}
}

// isDefault marks a class as the default one, created age ago.
func isDefault(class *networkingv1.IngressClass, age time.Duration) *networkingv1.IngressClass {
	class.ObjectMeta = meta("", class.Name, age)
	class.Annotations = map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}
	return class
}

func byField(name string) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: meta("shop", "web", 0), Spec: networkingv1.IngressSpec{IngressClassName: &name}}
}

func byAnnotation(name string) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{ObjectMeta: meta("shop", "web", 0)}
	ing.Annotations = map[string]string{"kubernetes.io/ingress.class": name}
	return ing
}

func withoutClass() *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: meta("shop", "web", 0)}
}

func TestOurs(t *testing.T) {
	const ourController, otherController = "k8s.io/ingress-nginx", "traefik.io/ingress-controller"
	classes := []*networkingv1.IngressClass{
		class("nginx", ourController), class("internal", ourController), class("traefik", otherController),
	}
	mine := []*networkingv1.IngressClass{class("nginx", "example.com/mine"), class("other", "example.com/other")}
	both := annotated(byField("traefik"), "nginx")

	for _, test := range []struct {
		name    string
		sel     Selection
		classes []*networkingv1.IngressClass
		ingress *networkingv1.Ingress
		reason  string // "" means that it is ours
	}{
		{"class of our controller", Selection{}, classes, byField("nginx"), ""},
		{"any class of our controller", Selection{}, classes, byField("internal"), ""},
		{"class of another controller", Selection{}, classes, byField("traefik"), `its class "traefik" is not one of ours`},
		{"class that is missing", Selection{}, classes, byField("gone"), `class "gone" does not exist`},
		{"class that is empty", Selection{}, classes, byField(""), `class "" does not exist`},
		{"no classes in a cluster", Selection{}, nil, byField("nginx"), `class "nginx" does not exist`},
		{"our controller is another", Selection{ControllerClass: "example.com/mine"}, mine, byField("nginx"), ""},
		{"our controller is another, class is not", Selection{ControllerClass: "example.com/mine"}, classes, byField("nginx"), `its class "nginx" is not one of ours`},

		{"by name", Selection{ByName: true}, mine, byField("nginx"), ""},
		{"by name, and it is another", Selection{ByName: true}, mine, byField("other"), `its class "other" is not one of ours`},
		{"by name, and it is missing", Selection{ByName: true}, nil, byField("nginx"), `class "nginx" does not exist`},
		{"by name of our choice", Selection{ByName: true, IngressClass: "other"}, mine, byField("other"), ""},
		{"not by name", Selection{}, mine, byField("nginx"), `its class "nginx" is not one of ours`},

		{"annotation", Selection{}, nil, byAnnotation("nginx"), ""},
		{"annotation of our choice", Selection{IngressClass: "edge"}, nil, byAnnotation("edge"), ""},
		{"annotation of another", Selection{IngressClass: "edge"}, nil, byAnnotation("nginx"), `its class annotation "nginx" is not ours`},
		{"annotation names no class object", Selection{}, classes, byAnnotation("internal"), `its class annotation "internal" is not ours`},
		{"annotation is exact", Selection{}, nil, byAnnotation("Nginx"), `its class annotation "Nginx" is not ours`},
		{"annotation is empty", Selection{WithoutClass: true}, nil, byAnnotation(""), `its class annotation "" is not ours`},
		{"field before annotation", Selection{}, classes, both, `its class "traefik" is not one of ours`},
		{"field before annotation, both ways", Selection{IngressClass: "edge"}, classes, annotated(byField("nginx"), "other"), ""},
		{"annotation in place of a class", Selection{WithoutClass: true}, classes, byAnnotation("other"), `its class annotation "other" is not ours`},
		{"by name is about classes, not annotations", Selection{ByName: true, IngressClass: "edge"}, mine, byAnnotation("nginx"), `its class annotation "nginx" is not ours`},
		{"our controller is no annotation", Selection{}, classes, byAnnotation(ourController), `its class annotation "k8s.io/ingress-nginx" is not ours`},

		{"class without a controller", Selection{}, []*networkingv1.IngressClass{class("nginx", "")}, byField("nginx"), `its class "nginx" is not one of ours`},
		{"controllers are exact", Selection{}, []*networkingv1.IngressClass{class("nginx", ourController+"/x")}, byField("nginx"), `its class "nginx" is not one of ours`},
		{"missing class, without is wanted", Selection{WithoutClass: true}, classes, byField("gone"), `class "gone" does not exist`},
		{"missing class, annotation is ours", Selection{}, nil, both, `class "traefik" does not exist`},

		{"no class", Selection{}, classes, withoutClass(), "no class"},
		{"no class wanted", Selection{WithoutClass: true}, classes, withoutClass(), ""},

		{"classes unreadable, field", Selection{ClassesUnreadable: true}, nil, byField("nginx"), "no class"},
		{"classes unreadable, field and annotation", Selection{ClassesUnreadable: true}, nil, both, ""},
		{"classes unreadable, without class", Selection{ClassesUnreadable: true, WithoutClass: true}, nil, byField("gone"), ""},
		{"classes unreadable, by name", Selection{ClassesUnreadable: true, ByName: true}, nil, byField("nginx"), "no class"},
		{"classes unreadable, annotation of another", Selection{ClassesUnreadable: true, WithoutClass: true}, nil, byAnnotation("other"), `its class annotation "other" is not ours`},

		{"namespace", Selection{WatchNamespace: "shop"}, classes, byField("nginx"), ""},
		{"other namespace", Selection{WatchNamespace: "blog"}, classes, byField("nginx"), `namespace "shop" is not watched`},
		{"no catch-all", Selection{DisableCatchAll: true}, classes, byField("nginx"), ""},
		{"catch-all", Selection{DisableCatchAll: true}, classes, catchAll(byField("nginx")), "default backends are disabled"},
		{"catch-all with rules", Selection{DisableCatchAll: true}, classes, withRule(catchAll(byField("nginx"))), "default backends are disabled"},
		{"catch-all of another", Selection{DisableCatchAll: true}, classes, catchAll(byField("traefik")), `its class "traefik" is not one of ours`},
		{"catch-all that may be", Selection{}, classes, catchAll(byField("nginx")), ""},
		{"other namespace of manifests", Selection{WatchNamespace: "blog", ClassesOptional: true}, nil, withoutClass(), `namespace "shop" is not watched`},
	} {
		t.Run(test.name, func(t *testing.T) { checkOurs(t, test.sel, test.classes, test.ingress, test.reason) })
	}
}

func annotated(ing *networkingv1.Ingress, class string) *networkingv1.Ingress {
	ing.Annotations = byAnnotation(class).Annotations
	return ing
}

func catchAll(ing *networkingv1.Ingress) *networkingv1.Ingress {
	ing.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web"}}
	return ing
}

func withRule(ing *networkingv1.Ingress) *networkingv1.Ingress {
	ing.Spec.Rules = []networkingv1.IngressRule{{Host: "web.example.com"}}
	return ing
}

// Labels of a namespace decide, also that with its name, which needs no Namespace in manifests.
func TestOursByLabelsOfTheNamespace(t *testing.T) {
	shop := &corev1.Namespace{ObjectMeta: meta("", "shop", 0)}
	shop.Labels = map[string]string{"team": "a"}
	for _, test := range []struct {
		selector   string
		namespaces []*corev1.Namespace
		ours       bool
	}{
		{"team=a", []*corev1.Namespace{shop}, true},
		{"team=b", []*corev1.Namespace{shop}, false},
		{"team", []*corev1.Namespace{shop}, true},
		{"!team", []*corev1.Namespace{shop}, false},
		{"", []*corev1.Namespace{shop}, true},
		{"team=a", nil, false},
		{"!team", nil, true},
		{"kubernetes.io/metadata.name=shop", []*corev1.Namespace{shop}, true},
		{"kubernetes.io/metadata.name in (blog, shop)", nil, true},
		{"kubernetes.io/metadata.name=blog", nil, false},
	} {
		selector, err := labels.Parse(test.selector)
		if err != nil {
			t.Fatal(err)
		}
		sel := Selection{WithoutClass: true, Namespaces: selector}
		ours, why := sel.Ours(New(Lists{Namespaces: test.namespaces}), withoutClass())
		if ours != test.ours || !ours && why != `namespace "shop" is not watched` {
			t.Errorf("%q with %d namespaces: got %v, %q; want %v", test.selector, len(test.namespaces), ours, why, test.ours)
		}
	}
	if shop.Labels["kubernetes.io/metadata.name"] != "" {
		t.Error("the Namespace was changed")
	}
}

// Controllers with classes of their own never claim the same Ingress, whatever it says, unless their flags make them.
func TestControllersSideBySide(t *testing.T) {
	classes := []*networkingv1.IngressClass{class("nginx", "k8s.io/ingress-nginx"), class("edge", "example.com/edge"), class("traefik", "traefik.io/ingress-controller")}
	var all []*networkingv1.Ingress
	for _, name := range []string{"nginx", "edge", "traefik", "gone"} {
		all = append(all, byField(name), byAnnotation(name))
		for _, other := range []string{"nginx", "edge", "traefik", "gone"} {
			all = append(all, annotated(byField(name), other))
		}
	}
	all = append(all, withoutClass())
	for _, test := range []struct {
		name          string
		first, second Selection
		shared        int // how many both claim
	}{
		{"classes of their own", Selection{}, Selection{ControllerClass: "example.com/edge", IngressClass: "edge"}, 0},
		{"one takes what has no class", Selection{WithoutClass: true}, Selection{ControllerClass: "example.com/edge", IngressClass: "edge"}, 0},
		{"by name of their own", Selection{ByName: true}, Selection{ControllerClass: "example.com/edge", IngressClass: "edge", ByName: true}, 0},
		{"the same annotation", Selection{}, Selection{ControllerClass: "example.com/edge"}, 1},
		{"both take what has no class", Selection{WithoutClass: true}, Selection{ControllerClass: "example.com/edge", IngressClass: "edge", WithoutClass: true}, 1},
		{"by name of the other's class", Selection{IngressClass: "edge", ByName: true}, Selection{ControllerClass: "example.com/edge", IngressClass: "other"}, 5},
		{"one may not see classes", Selection{ClassesUnreadable: true}, Selection{ControllerClass: "example.com/edge", IngressClass: "edge"}, 1},
	} {
		shared, neither := 0, 0
		s := New(Lists{Classes: classes})
		for _, ing := range all {
			first, _ := test.first.Ours(s, ing)
			second, _ := test.second.Ours(s, ing)
			if first && second {
				shared++
			}
			if !first && !second {
				neither++
			}
		}
		if shared != test.shared || neither == 0 {
			t.Errorf("%s: %d are claimed by both, want %d; %d by neither", test.name, shared, test.shared, neither)
		}
	}
}

func TestOursInManifests(t *testing.T) {
	const ourController, otherController = "k8s.io/ingress-nginx", "traefik.io/ingress-controller"
	manifests := Selection{ClassesOptional: true}
	type classes = []*networkingv1.IngressClass

	for _, test := range []struct {
		name    string
		sel     Selection
		classes classes
		ingress *networkingv1.Ingress
		reason  string
	}{
		{"no classes, field", manifests, nil, byField("anything"), ""},
		{"no classes, annotation", manifests, nil, byAnnotation("anything"), ""},
		{"no classes, without class", manifests, nil, withoutClass(), ""},
		{"a class counts", manifests, classes{class("traefik", otherController)}, byField("nginx"), `class "nginx" does not exist`},
		{"no default class", manifests, classes{class("nginx", ourController)}, withoutClass(), "no class"},
		{"no default class, wanted without", Selection{ClassesOptional: true, WithoutClass: true}, classes{class("nginx", ourController)}, withoutClass(), ""},
		{"default class is ours", manifests, classes{isDefault(class("nginx", ourController), 0)}, withoutClass(), ""},
		{"default class is not ours", Selection{ClassesOptional: true, WithoutClass: true},
			classes{isDefault(class("traefik", otherController), 0)}, withoutClass(), `its class "traefik" is not one of ours`},
		{"default class and annotation", manifests, classes{isDefault(class("nginx", ourController), 0)}, byAnnotation("traefik"), `its class annotation "traefik" is not ours`},
		{"youngest default class", manifests,
			classes{isDefault(class("nginx", ourController), time.Hour), isDefault(class("traefik", otherController), time.Minute)},
			withoutClass(), `its class "traefik" is not one of ours`},
		{"first of two default classes", manifests,
			classes{isDefault(class("traefik", otherController), 0), isDefault(class("nginx", ourController), 0)}, withoutClass(), ""},
		{"default class in a cluster", Selection{}, classes{isDefault(class("nginx", ourController), 0)}, withoutClass(), "no class"},
	} {
		t.Run(test.name, func(t *testing.T) { checkOurs(t, test.sel, test.classes, test.ingress, test.reason) })
	}
}

func checkOurs(t *testing.T, sel Selection, classes []*networkingv1.IngressClass, ing *networkingv1.Ingress, reason string) {
	t.Helper()
	ours, got := sel.Ours(New(Lists{Classes: classes}), ing)
	if got != reason || ours != (reason == "") {
		t.Errorf("got %v, %q; want %v, %q", ours, got, reason == "", reason)
	}
}
