package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/docs"
)

// quarantine tells of objects that NGINX refused. Only the running controller knows them: its metrics have their number, and the
// newest Event on an object its words. An Event may be older than the end of the quarantine, so none counts against the metrics.
func (x *examiner) quarantine(c *Controller) {
	counted, known := 0, false
	for _, m := range c.Metrics {
		if m.Err == nil {
			counted, known = max(counted, m.Quarantined), true
		}
	}
	if known && counted == 0 {
		x.add(Finding{Check: CheckQuarantine, Object: c.object(), Cause: "NGINX refuses nothing"})
		return
	}
	objects := x.refused(c)
	for _, e := range objects {
		about := docs.ReasonOf(string(translate.RefusedByNGINX))
		x.add(Finding{
			Check: CheckQuarantine, State: Failed, Reason: translate.RefusedByNGINX, Cause: e.Message, Fix: about.ToDo, Link: about.Link,
			Object: translate.Object{Kind: e.InvolvedObject.Kind, Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name},
		})
	}
	if known && counted > len(objects) {
		x.add(Finding{Check: CheckQuarantine, State: Failed, Object: c.object(), Cause: fmt.Sprintf("NGINX refuses %d more objects, of which no Event is left", counted-len(objects)),
			Fix: "kubectl ingress logs names them", Link: docs.ReasonOf(string(translate.RefusedByNGINX)).Link})
	}
}

// refused are the newest Events that objects of a controller, as they are, are refused.
func (x *examiner) refused(c *Controller) []corev1.Event {
	present := map[types.UID]bool{}
	for _, ing := range c.Plan.Claimed {
		present[ing.UID] = true
	}
	if m := c.Plan.Snapshot.ConfigMap(c.ConfigMap.Namespace, c.ConfigMap.Name); m != nil {
		present[m.UID] = true
	}
	newest := map[types.UID]int{}
	var list []corev1.Event
	for _, e := range x.Refusals {
		uid := e.InvolvedObject.UID
		if !present[uid] || e.Reason != string(translate.RefusedByNGINX) {
			continue
		}
		at, seen := newest[uid]
		switch {
		case !seen:
			newest[uid] = len(list)
			list = append(list, e)
		case e.LastTimestamp.After(list[at].LastTimestamp.Time):
			list[at] = e
		}
	}
	return list
}

// soon is how long a certificate has to be good for: what renews them does so weeks before.
const soon = 14 * 24 * time.Hour

// certificates tells of those that expire soon. Those that have expired, or do not fit, are Problems.
func (x *examiner) certificates(c *Controller) {
	told := map[cluster.Name]bool{}
	var next translate.CertificateUse
	for _, host := range slices.Sorted(c.Plan.Certificates.Keys()) {
		use := c.Plan.Certificates.At(host)
		left := use.Leaf.NotAfter.Sub(x.Now)
		if left > 0 && (next.Leaf == nil || use.Leaf.NotAfter.Before(next.Leaf.NotAfter)) {
			next = use
		}
		if told[use.Secret] || left > soon || left <= 0 {
			continue
		}
		told[use.Secret] = true
		x.add(Finding{
			Check: CheckCertificates, State: Warning, Object: translate.Object{Kind: "Secret", Namespace: use.Secret.Namespace, Name: use.Secret.Name},
			Cause: fmt.Sprintf("the certificate of %s expires in %s", use.Host, age(left)),
			Fix:   "renew it; if cert-manager does that: kubectl describe certificate -n " + cmp.Or(use.Secret.Namespace, "NAMESPACE"),
		})
	}
	if len(told) == 0 && next.Leaf != nil {
		x.add(Finding{Check: CheckCertificates, Object: c.object(), Cause: fmt.Sprintf("the first of %d to expire is that of %s, in %s", c.Plan.Certificates.Len(), next.Host, age(next.Leaf.NotAfter.Sub(x.Now)))})
	}
}

// problems are those of the plan. That nobody serves an Ingress is told by its class.
func (x *examiner) problems(c *Controller) {
	n := 0
	for _, p := range c.Plan.Problems {
		if p.Severity == cluster.Info {
			continue
		}
		n++
		if f := OfProblem(p); !x.told[f] { // of controllers that take the same objects, each has it
			x.told[f] = true
			x.add(f)
		}
	}
	if n == 0 && c.PlanErr == nil {
		x.add(Finding{Check: CheckProblems, Object: c.object(), Cause: fmt.Sprintf("%d Ingresses are served as they are written", c.Plan.Ingresses)})
	}
}

// OfProblem is a Problem as a finding, with what the documentation says of its reason.
func OfProblem(p translate.Problem) Finding {
	about := docs.ReasonOf(string(p.Reason))
	state := map[cluster.Severity]State{cluster.Info: OK, cluster.Warning: Warning, cluster.Error: Failed}[p.Severity]
	return Finding{
		Check: CheckProblems, State: state, Object: p.Object, Field: p.Field, Reason: p.Reason, Cause: p.Message, Fix: about.ToDo, Link: about.Link,
	}
}
