package lint

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// outdatedVersions are those in which Ingresses were before Kubernetes 1.22.
var outdatedVersions = []string{"extensions/v1beta1", "networking.k8s.io/v1beta1"}

// outdated finds Ingresses of those versions.
func outdated(texts map[string][]byte) Findings {
	var found Findings
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		for _, doc := range cluster.Documents(texts[file]) {
			data, err := doc.JSON()
			if err != nil {
				continue // a Problem says so
			}
			var o map[string]any
			if json.Unmarshal(data, &o) != nil {
				continue
			}
			for _, o := range items(o) {
				if f, is := outdatedIngress(o); is {
					f.File, f.Line = file, doc.Line
					found = append(found, f)
				}
			}
		}
	}
	return found
}

// items are the objects in a document: itself, or those that it lists. A typed list says of all its items what they are.
func items(o map[string]any) []map[string]any {
	kind, _ := o["kind"].(string)
	list, isList := o["items"].([]any)
	if !isList || !strings.HasSuffix(kind, "List") {
		return []map[string]any{o}
	}
	var all []map[string]any
	for _, item := range list {
		item, isObject := item.(map[string]any)
		if !isObject {
			continue
		}
		if kind != "List" {
			item["kind"], item["apiVersion"] = strings.TrimSuffix(kind, "List"), o["apiVersion"]
		}
		all = append(all, item)
	}
	return all
}

func outdatedIngress(o map[string]any) (Finding, bool) {
	version, _ := o["apiVersion"].(string)
	if o["kind"] != "Ingress" || !slices.Contains(outdatedVersions, version) {
		return Finding{}, false
	}
	metadata, _ := o["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	namespace, _ := metadata["namespace"].(string)
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	modernize(o)
	text, err := yaml.Marshal(o)
	if err != nil {
		text = nil // what came out of YAML goes back into it, but a value may be too large
	}
	return Finding{
		Problem: translate.Problem{
			Object: translate.Object{Kind: "Ingress", Namespace: printable(namespace), Name: printable(name)}, Field: "apiVersion", Severity: cluster.Error, Reason: OutdatedVersion,
			Message: fmt.Sprintf("%s is gone since Kubernetes 1.22; it is not read, and nothing of it is served", version),
		},
		Instead: string(text),
	}, true
}

// printable has a name that nobody has checked fit for one line.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}

// modernize makes an Ingress of an earlier version one of networking.k8s.io/v1, as the API server did.
func modernize(o map[string]any) {
	o["apiVersion"] = networkingv1.SchemeGroupVersion.String()
	delete(o, "status")
	spec, _ := o["spec"].(map[string]any)
	if backend, isThere := spec["backend"]; isThere {
		delete(spec, "backend")
		spec["defaultBackend"] = modernBackend(backend)
	}
	rules, _ := spec["rules"].([]any)
	for _, rule := range rules {
		rule, _ := rule.(map[string]any)
		http, _ := rule["http"].(map[string]any)
		paths, _ := http["paths"].([]any)
		for _, path := range paths {
			path, isPath := path.(map[string]any)
			if !isPath {
				continue
			}
			if backend, isThere := path["backend"]; isThere {
				path["backend"] = modernBackend(backend)
			}
			if path["pathType"] == nil {
				path["pathType"] = string(networkingv1.PathTypeImplementationSpecific)
			}
		}
	}
}

func modernBackend(backend any) any {
	old, _ := backend.(map[string]any)
	name, isService := old["serviceName"]
	if !isService {
		return backend // a resource is written alike
	}
	port := map[string]any{}
	switch given := old["servicePort"].(type) {
	case string:
		port["name"] = given
	case nil:
	default:
		port["number"] = given
	}
	return map[string]any{"service": map[string]any{"name": name, "port": port}}
}
