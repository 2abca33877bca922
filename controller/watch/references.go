package watch

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// kind is a kind of object that others refer to.
type kind string

const (
	service   kind = "Service"
	secret    kind = "Secret"
	configMap kind = "ConfigMap"
)

// reference is what one object says of another by naming it.
type reference struct {
	kind kind
	name cluster.Name
}

// references are what an Ingress refers to, each once. Annotations are known by the ends of their names, so that
// a new feature finds what it needs here.
func (s *Source) references(ing *networkingv1.Ingress) []reference {
	list := serviceReferences(ing)
	for _, tls := range ing.Spec.TLS {
		list = append(list, reference{secret, cluster.Name{Namespace: ing.Namespace, Name: tls.SecretName}})
	}
	for key, value := range ing.Annotations {
		key, is := strings.CutPrefix(key, s.options.AnnotationsPrefix+"/")
		if !is {
			continue
		}
		name := parseName(value, ing.Namespace)
		switch {
		case key == "default-backend":
			list = append(list, reference{service, name})
		case key == "fastcgi-params-configmap": // the namespace it names does not count
			list = append(list, reference{configMap, cluster.Name{Namespace: ing.Namespace, Name: name.Name}})
		case strings.HasSuffix(key, "-configmap"), key == "custom-headers", key == "auth-proxy-set-headers":
			list = append(list, reference{configMap, name})
		case strings.HasSuffix(key, "-secret") && (name.Namespace == ing.Namespace || s.crossNamespace):
			// Without leave, nobody can make us fetch what belongs to another namespace.
			list = append(list, reference{secret, name})
		}
	}
	return tidy(list)
}

func serviceReferences(ing *networkingv1.Ingress) []reference {
	var list []reference
	add := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			list = append(list, reference{service, cluster.Name{Namespace: ing.Namespace, Name: b.Service.Name}})
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
	return list
}

func (s *Source) flagReferences() []reference {
	list := []reference{{configMap, s.options.ConfigMap}}
	for _, name := range s.options.StreamConfigMaps {
		list = append(list, reference{configMap, name})
	}
	for _, name := range s.options.Secrets {
		list = append(list, reference{secret, name})
	}
	for _, name := range s.options.Services {
		list = append(list, reference{service, name})
	}
	return tidy(list)
}

// configMapReferences are what the controller's ConfigMap refers to.
func configMapReferences(m *corev1.ConfigMap) []reference {
	if m == nil {
		return nil
	}
	return tidy([]reference{
		{configMap, parseName(m.Data["proxy-set-headers"], m.Namespace)},
		{configMap, parseName(m.Data["add-headers"], m.Namespace)},
		{secret, parseName(m.Data["ssl-dh-param"], m.Namespace)},
	})
}

// streamReferences are the Services that a ConfigMap of TCP or UDP services refers to.
func streamReferences(m *corev1.ConfigMap) []reference {
	if m == nil {
		return nil
	}
	var list []reference
	for _, value := range m.Data {
		name, _, _ := strings.Cut(value, ":")
		list = append(list, reference{service, parseName(name, m.Namespace)})
	}
	return tidy(list)
}

// mayCrossNamespaces tells whether annotations may refer to Secrets of other namespaces.
func mayCrossNamespaces(m *corev1.ConfigMap) bool {
	if m == nil {
		return false
	}
	may, err := strconv.ParseBool(strings.TrimSpace(m.Data["allow-cross-namespace-resources"]))
	return may && err == nil
}

// parseName reads "name" or "namespace/name".
func parseName(text, namespace string) cluster.Name {
	text = strings.TrimSpace(text)
	if before, after, found := strings.Cut(text, "/"); found {
		return cluster.Name{Namespace: before, Name: after}
	}
	return cluster.Name{Namespace: namespace, Name: text}
}

// tidy sorts references, each once, and drops those that cannot name an object. What is left is safe in the path
// of a URL.
func tidy(list []reference) []reference {
	list = slices.DeleteFunc(list, func(r reference) bool {
		return len(validation.IsDNS1123Label(r.name.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(r.name.Name)) > 0
	})
	slices.SortFunc(list, func(a, b reference) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name.Namespace, b.name.Namespace), cmp.Compare(a.name.Name, b.name.Name))
	})
	return slices.Compact(list)
}
