package translate

import (
	"strings"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

func put[K comparable, V any](m *map[K]V, key K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = v
}

func (w *world) problem(p Problem) { w.problems = append(w.problems, p.Printable()) }

// checkClasses reports what IngressClasses of ours ask for in vain.
func (w *world) checkClasses() {
	for _, class := range w.snapshot.Classes.All() {
		if class.Spec.Parameters != nil && w.options.Selection.OwnsClass(class) {
			w.problem(Problem{
				Object: Object{Kind: "IngressClass", Name: class.Name}, Field: "spec.parameters", Severity: cluster.Warning,
				Reason: UnsupportedParameters, Message: "classes have no parameters here, so these have no effect",
			})
		}
	}
}

// readConfigMap reads the controller's ConfigMap.
func (w *world) readConfigMap() {
	name := w.options.ConfigMap
	var data map[string]string
	if name != (cluster.Name{}) {
		w.needs[need{"ConfigMap", name}] = true
		w.reportConfigMap()
		if w.configMap == nil {
			w.problem(Problem{
				Object: Object{"ConfigMap", name.Namespace, name.Name}, Severity: cluster.Warning, Reason: MissingConfigMap,
				Message: "the controller's ConfigMap does not exist; defaults are used",
			})
		} else {
			data = w.configMap.Data
		}
	}
	var findings []annotations.Finding
	w.defaults, findings = annotations.Defaults(data, lookup{w.snapshot, w.pairs, &w.needs})
	w.defaults.NoFirewall, w.defaults.Databases = w.options.NoFirewall, w.options.Databases
	http := &w.http
	findings = append(findings, annotations.HTTP(w.defaults, http)...)
	findings = append(findings, annotations.Reachable(&http.Listening, w.options.Settings.Own())...)
	shared, more := w.sharedBody()
	http.Shared, findings = shared, append(findings, more...)
	http.MaxBody = w.plain.MaxBody
	w.inherited = http.Shared.Groups()
	for _, f := range findings {
		w.problem(Problem{
			Object: Object{"ConfigMap", name.Namespace, name.Name}, Field: "data." + f.Key, Severity: severity(f),
			Reason: f.Reason, Message: f.Message,
		})
	}
}

// sharedBody is the body of a location without any annotation, for each module that speaks to backends, and what is
// wrong with the ConfigMap's part in it.
func (w *world) sharedBody() (nginx.Directives, []annotations.Finding) {
	var all nginx.Directives
	var findings []annotations.Finding
	have := map[string]bool{}
	for _, p := range []nginx.Protocol{nginx.HTTP1, nginx.GRPC} {
		l := &nginx.Location{Protocol: p}
		findings = append(findings, annotations.Plain(w.defaults, l)...)
		w.plain = *l
		names := map[string]bool{}
		for _, d := range l.Body {
			// What is not about the module, but only locations of that protocol have, is not for all.
			if !have[d.Name] && (p == nginx.HTTP1 || strings.HasPrefix(d.Name, p.Module()+"_")) {
				all = append(all, d)
			}
			names[d.Name] = true
		}
		for name := range names {
			have[name] = true
		}
	}
	return all, findings
}
