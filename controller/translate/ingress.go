package translate

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

// member is an Ingress of the snapshot, ours or not, with what can be said of it without a look at others.
type member struct {
	object   *networkingv1.Ingress
	claimed  bool
	served   *ingress // nil for one that is not
	standsIn bool     // served has nothing but the paths, as NGINX refused the rest
	problems []Problem
	needs    map[need]bool
	names    []string // that make it one group with others that have them; the first is its own
	secures  []string // wildcard hosts that it gives a certificate of their own
	group    *group
}

func (m *member) name() cluster.Name { return cluster.NameOf(m.object) }

// ingress is an Ingress that is served, with its annotations read.
type ingress struct {
	*networkingv1.Ingress
	values   annotations.Values
	denied   bool     // its paths answer 503
	isCanary bool     // it offers alternatives to the paths of others, and has none itself
	fallback *backend // its own default backend, or nil

	use         annotations.Backend   // of its Services
	useFindings []annotations.Finding // what is wrong with that
	rules       []readRule            // by number, like those of the Ingress
}

func (i *ingress) object() Object { return ingressObject(i.Ingress) }

func ingressObject(i *networkingv1.Ingress) Object { return Object{"Ingress", i.Namespace, i.Name} }

// reader reads one Ingress.
type reader struct {
	*world
	*member
}

// read says what can be said of an Ingress alone.
func (w *world) read(object *networkingv1.Ingress) *member {
	m := &member{object: object, names: []string{ingressObject(object).String()}}
	r := reader{w, m}
	selection := w.options.Selection
	claimed, why := selection.Claims(w.snapshot, object)
	switch m.claimed = claimed; {
	case claimed && selection.Refuses(object):
		r.problem(Problem{
			Object: ingressObject(object), Field: "spec.defaultBackend", Severity: cluster.Error, Reason: CatchAllDisabled,
			Message: "the controller allows no default backends (--disable-catch-all); the Ingress is not served",
		})
	case claimed:
		r.accept()
	case w.options.ReportUnclaimed:
		r.problem(Problem{
			Object: ingressObject(object), Field: "spec.ingressClassName", Severity: cluster.Info, Reason: NotClaimed,
			Message: "no controller class claims it: " + why,
		})
	}
	if m.served != nil {
		r.name()
	}
	return m
}

func (r reader) problem(p Problem) { r.member.problems = append(r.member.problems, p.Printable()) }

// accept takes an Ingress in. One that is refused is replaced by its last good version, if there is one.
func (r reader) accept() {
	if refusal, is := r.snapshot.Quarantine.Of(r.object); is {
		r.acceptQuarantined(refusal)
		return
	}
	verdict := r.judge(r.object)
	message := map[annotations.Outcome]string{
		annotations.Deny: "; its paths answer 503", annotations.Refuse: "; the Ingress is not served",
	}[verdict.Outcome]
	if verdict.Outcome == annotations.Deny && annotations.IsCanary(verdict.Values) {
		message = "; the canary takes no requests"
	}
	good := r.object
	if verdict.Outcome == annotations.Refuse {
		if good = r.lastGood(); good != nil {
			message = "; its last good version stays in force"
		}
	}
	for _, f := range verdict.Findings {
		r.problem(r.finding(r.object, f, verdict.Outcome, message))
	}
	if good != nil && good != r.object {
		verdict = r.judge(good)
	}
	if good == nil || verdict.Outcome == annotations.Refuse {
		return
	}
	r.serve(good, verdict)
}

// serve takes in a version of the Ingress that was read.
func (r reader) serve(version *networkingv1.Ingress, verdict annotations.Verdict) {
	i := &ingress{
		Ingress: version, values: verdict.Values, denied: verdict.Outcome == annotations.Deny, isCanary: annotations.IsCanary(verdict.Values),
		rules: readRules(version),
	}
	i.useFindings = annotations.ForBackend(i.values, &i.use)
	r.member.served = i
}

func (r reader) judge(object *networkingv1.Ingress) annotations.Verdict {
	defaults := r.defaults
	defaults.Lookup = lookup{r.snapshot, r.pairs, &r.member.needs}
	return annotations.ForIngress(r.options.AnnotationsPrefix, object.Namespace, object.Annotations, defaults)
}

// name finds the names of the Ingress that others may have too.
func (r reader) name() {
	i := r.member.served
	if i.Spec.DefaultBackend != nil && len(i.Spec.Rules) == 0 {
		r.names = append(r.names, anyHost)
	}
	for _, rule := range i.rules {
		if rule.problem != "" {
			continue
		}
		r.names = append(r.names, rule.host)
		var s nginx.Server
		annotations.Server(i.values, &s)
		for _, alias := range s.Aliases {
			if alias.Name != "" {
				r.names = append(r.names, alias.Name)
			}
		}
		if s.WWW {
			r.names = append(r.names, wwwOf(rule.host))
		}
		if rule.host[0] == '*' && len(i.Spec.TLS) > 0 && !i.isCanary && !slices.Contains(r.secures, rule.host) {
			r.secures = append(r.secures, rule.host)
		}
	}
}

// finding makes a Problem of a finding. Unless it costs paths, it is a warning.
func (w *world) finding(object *networkingv1.Ingress, f annotations.Finding, o annotations.Outcome, consequence string) Problem {
	if f.Outcome == annotations.UseDefault {
		consequence = ""
	}
	field := ""
	if f.Key != "" {
		field = "metadata.annotations[" + w.options.AnnotationsPrefix + "/" + f.Key + "]"
	}
	return Problem{
		Object: ingressObject(object), Field: field, Severity: severity(f), Reason: f.Reason, Message: f.Message + consequence,
	}
}

func severity(f annotations.Finding) cluster.Severity {
	if f.Outcome == annotations.UseDefault {
		return cluster.Warning
	}
	return cluster.Error
}
