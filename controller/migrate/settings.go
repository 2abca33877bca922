package migrate

import (
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// known are the names of annotations and keys that have a meaning here, or are known to have none.
var known = func() map[string]map[string]bool {
	ofAnnotations, ofKeys := map[string]bool{}, map[string]bool{}
	for _, e := range annotations.Reference() {
		ofAnnotations[e.Key], ofKeys[e.ConfigKey] = true, true
		for _, alias := range e.Aliases {
			ofAnnotations[alias] = true
		}
	}
	for key := range annotations.Moot() {
		ofKeys[key] = true
	}
	return map[string]map[string]bool{annotationKind: ofAnnotations, keyKind: ofKeys}
}()

// state is how an annotation or a key compares, whatever its value. What is not supported can still ask for nothing: then no
// Problem says so.
func (r *reporter) state(kind, name string) State {
	missing := annotations.Missing()
	if kind == keyKind {
		missing = annotations.MissingKeys()
	}
	for _, names := range missing {
		if slices.Contains(names, name) {
			return NotSupported
		}
	}
	if !known[kind][name] {
		return Unknown
	}
	return r.Differences.named(name).worst()
}

func (r *reporter) ingresses() {
	prefix := r.Plan.AnnotationsPrefix + "/"
	r.report.Ingresses, r.report.Others = len(r.Plan.Claimed), len(r.Plan.Snapshot.Ingresses)-len(r.Plan.Claimed)
	for _, ing := range r.Plan.Claimed {
		object := translate.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}.String()
		for _, key := range slices.Sorted(maps.Keys(ing.Annotations)) {
			name, is := strings.CutPrefix(key, prefix)
			if !is {
				continue
			}
			i := r.setting(object, "metadata.annotations["+key+"]", annotationKind, name)
			if s, is := snippetOf(name, ing.Annotations[key]); is {
				i.weigh(s)
				r.report.Snippets = max(r.report.Snippets, s.Level)
			}
			r.add(i)
		}
	}
}

// configMap looks at the controller's. What keys refer to is found by the plan.
func (r *reporter) configMap() {
	m := r.Plan.Snapshot.ConfigMap(r.ConfigMap.Namespace, r.ConfigMap.Name)
	if m == nil {
		return
	}
	object := translate.Object{Kind: "ConfigMap", Namespace: m.Namespace, Name: m.Name}.String()
	for _, key := range slices.Sorted(maps.Keys(m.Data)) {
		r.add(r.setting(object, "data."+key, keyKind, key))
	}
}
