package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// What NGINX refused is replaced by what is known to be good: the last good version of the object; or, of an Ingress, its paths,
// answering 503 without any of its annotations; or, where NGINX refuses even that, by nothing.

// acceptQuarantined takes in what there is in place of an Ingress that NGINX refused.
func (r reader) acceptQuarantined(refusal cluster.Refusal) {
	verdict := r.judge(r.object)
	served := "the Ingress is not served"
	good := r.lastGood()
	var known annotations.Verdict
	if good != nil {
		known = r.judge(good)
	}
	switch {
	case good != nil && known.Outcome != annotations.Refuse:
		served = "its last good version stays in force"
		r.serve(good, known)
	case annotations.IsCanary(verdict.Values):
		served = "the canary takes no requests"
	case !refusal.LeftOut:
		served = "its paths answer 503"
		r.standIn(verdict.Values)
	}
	r.problem(Problem{
		Object: ingressObject(r.object), Field: refusal.Field, Severity: cluster.Error, Reason: RefusedByNGINX,
		Message: fmt.Sprintf("NGINX refuses what it comes to: %.400s; %s", refusal.Message, served),
	})
	for _, f := range verdict.Findings {
		r.problem(r.finding(r.object, f, verdict.Outcome, "; "+served))
	}
}

// lastGood is another version of the Ingress that was good, and that NGINX has not refused; nil if there is none. The one that the
// last plan used may not have been shown to NGINX yet; if it is refused in turn, the one that NGINX runs is left.
func (r reader) lastGood() *networkingv1.Ingress {
	name := cluster.NameOf(r.object)
	r.refused[name] = true
	for _, good := range []*networkingv1.Ingress{r.snapshot.Fallback.Ingresses.At(name), r.snapshot.Proven.Ingresses.At(name)} {
		if good == nil || good == r.object || good.UID != r.object.UID {
			continue
		}
		if _, refused := r.snapshot.Quarantine.Of(good); !refused {
			return good
		}
	}
	return nil
}

// standIn serves an Ingress of the same hosts and paths without annotations, which answers 503. Its host goes on matching by regular
// expressions if it did because of the Ingress: or requests for its paths would go to others, unguarded.
func (r reader) standIn(values annotations.Values) {
	made := *r.object // nothing that it points to is changed
	made.Annotations = nil
	for _, rule := range readRules(r.object) {
		for _, p := range rule.paths {
			if annotations.UsesRegex(values, pathText(p.HTTPIngressPath)) {
				made.Annotations = annotations.MatchByRegex(r.options.AnnotationsPrefix)
			}
		}
	}
	denied := r.judge(&made)
	denied.Outcome = annotations.Deny
	r.member.standsIn = true
	r.serve(&made, denied)
}

// judgedAnew are Ingresses that may be served otherwise than before although they have not changed: NGINX has refused one, or there
// is another last good version.
func (w *world) judgedAnew(s cluster.Snapshot) map[cluster.Name]bool {
	names := s.Quarantine.Differs(w.snapshot.Quarantine)
	for name := range w.refused {
		if s.Proven.Ingresses.At(name) != w.snapshot.Proven.Ingresses.At(name) {
			names[name] = true
		}
	}
	if s.Quarantine.Unexplained != w.snapshot.Quarantine.Unexplained {
		w.sum.problems = nil
	}
	return names
}

// hasConfigMapOf tells whether the ConfigMap that is in force is still the same, and for the same reason.
func (w *world) hasConfigMapOf(s cluster.Snapshot) bool {
	name := w.options.ConfigMap
	return configMapInForce(s, name) == w.configMap && !s.Quarantine.Differs(w.snapshot.Quarantine)[name]
}

// keptVersions are those in force in place of present ones, by name.
func (w *world) keptVersions() []*networkingv1.Ingress {
	return slices.SortedFunc(maps.Values(w.kept), func(a, b *networkingv1.Ingress) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// configMapInForce is the controller's ConfigMap, or its last good version if NGINX refused the present one. Without one there is
// nothing that would be safe: defaults would let in what the ConfigMap keeps out.
func configMapInForce(s cluster.Snapshot, name cluster.Name) *corev1.ConfigMap {
	present := s.ConfigMap(name.Namespace, name.Name)
	if present == nil {
		return nil
	}
	if _, refused := s.Quarantine.Of(present); refused {
		if good := s.Proven.ConfigMap; good != nil {
			if _, refused := s.Quarantine.Of(good); !refused {
				return good
			}
		}
	}
	return present
}

// orEmpty is what a plan without a ConfigMap remembers: that there was none is good to know, too.
func orEmpty(configMap *corev1.ConfigMap) *corev1.ConfigMap {
	if configMap == nil {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{}}
	}
	return configMap
}

// reportConfigMap says that NGINX refused the controller's ConfigMap.
func (w *world) reportConfigMap() {
	name := w.options.ConfigMap
	present := w.snapshot.ConfigMap(name.Namespace, name.Name)
	if present == nil {
		return
	}
	refusal, refused := w.snapshot.Quarantine.Of(present)
	if !refused {
		return
	}
	served := "its last good version stays in force"
	if w.configMap == present {
		served = "no other version of it is known"
	}
	w.problem(Problem{
		Object: Object{"ConfigMap", name.Namespace, name.Name}, Field: refusal.Field, Severity: cluster.Error, Reason: RefusedByNGINX,
		Message: fmt.Sprintf("NGINX refuses what it comes to: %.400s; %s", refusal.Message, served),
	})
}

// unexplained says that NGINX refuses a configuration, and that no object was found to be to blame.
func unexplained(q cluster.Quarantine) []Problem {
	if q.Unexplained == "" {
		return nil
	}
	return []Problem{Problem{
		Object: Object{Kind: "configuration"}, Severity: cluster.Error, Reason: RefusedByNGINX,
		Message: fmt.Sprintf("NGINX refuses it, and no object was found to be to blame: %.400s; the last good one stays in force", q.Unexplained),
	}.Printable()}
}
