package cluster

import (
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
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
	both := byField("traefik")
	both.Annotations = byAnnotation("nginx").Annotations

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

		{"no class", Selection{}, classes, withoutClass(), "no class"},
		{"no class wanted", Selection{WithoutClass: true}, classes, withoutClass(), ""},

		{"classes unreadable, field", Selection{ClassesUnreadable: true}, nil, byField("nginx"), "no class"},
		{"classes unreadable, field and annotation", Selection{ClassesUnreadable: true}, nil, both, ""},
		{"classes unreadable, without class", Selection{ClassesUnreadable: true, WithoutClass: true}, nil, byField("gone"), ""},

		{"namespace", Selection{WatchNamespace: "shop"}, classes, byField("nginx"), ""},
		{"other namespace", Selection{WatchNamespace: "blog"}, classes, byField("nginx"), `namespace "shop" is not watched`},
		{"other namespace of manifests", Selection{WatchNamespace: "blog", ClassesOptional: true}, nil, withoutClass(), `namespace "shop" is not watched`},
	} {
		t.Run(test.name, func(t *testing.T) { checkOurs(t, test.sel, test.classes, test.ingress, test.reason) })
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
