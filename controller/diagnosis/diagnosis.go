package diagnosis

import (
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/docs"
)

// Evidence is what a cluster shows at one moment.
type Evidence struct {
	Now         time.Time
	Controllers []Controller
	Leases      map[cluster.Name]*coordinationv1.Lease
	Services    map[cluster.Name]*corev1.Service              // of controllers and webhooks, and those of Asked
	Slices      map[cluster.Name][]*discoveryv1.EndpointSlice // by Service
	Webhooks    []admissionv1.ValidatingWebhookConfiguration
	Refusals    []corev1.Event // with the reason RefusedByNGINX
	Unread      []Unread
}

// Unread is something that could not be looked at.
type Unread struct {
	What string // as in "Leases of namespace ingress"
	Err  error
}

// Controller is a controller in a cluster: all pods of one owner.
type Controller struct {
	Kind string // of the owner
	Name cluster.Name
	Pods []*corev1.Pod
	// IsForeign means that it is ingress-nginx's own program: it has the flags, but nothing else is known of it.
	IsForeign bool
	Flags     Flags
	ConfigMap cluster.Name    // of its settings, or zero
	Plan      controller.Plan // what it does with the objects as they are; not of a foreign one
	PlanErr   error
	Metrics   map[string]Metrics // by pod
}

// Flags are those of a controller that say how it stands in its cluster.
type Flags struct {
	Selection            cluster.Selection
	Service              cluster.Name // whose addresses are published; zero for none
	Lease                cluster.Name // zero if replicas elect no leader
	HasWebhook           bool
	WebhookConfiguration string // "" if somebody else looks after it
}

// Metrics are those of a pod that tell how it gets on.
type Metrics struct {
	Err         error // they could not be read, and nothing else is known
	LastGood    bool  // the newest configuration was accepted
	LastApplied time.Time
	Quarantined int
	Failures    map[string]float64 // by step
	Restarts    float64            // of NGINX
}

// State is how a check came out.
type State uint8

const (
	OK      State = iota
	Unknown       // it could not be looked at
	Warning
	Failed
)

func (s State) String() string { return [...]string{"ok", "unknown", "warning", "failed"}[s] }

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is what one check found.
type Finding struct {
	Check  string           `json:"check"`
	State  State            `json:"state"`
	Object translate.Object `json:"object"`
	Field  string           `json:"field,omitempty"`
	Reason translate.Reason `json:"reason,omitempty"` // of a Problem
	Cause  string           `json:"cause"`            // what was found
	Fix    string           `json:"fix,omitempty"`
	Link   string           `json:"link,omitempty"`
}

// Checks, in the order in which they are made.
const (
	CheckAccess       = "access"
	CheckController   = "controller"
	CheckClass        = "class"
	CheckRivals       = "rivals"
	CheckLease        = "lease"
	CheckApply        = "apply"
	CheckQuarantine   = "quarantine"
	CheckWebhook      = "webhook"
	CheckService      = "service"
	CheckCertificates = "certificates"
	CheckAsked        = "asked"
	CheckProblems     = "problems"
)

// Examine makes all checks, and returns what they found in the order of the checks.
func Examine(e Evidence) []Finding {
	x := &examiner{Evidence: e, told: map[Finding]bool{}}
	for _, u := range e.Unread {
		x.add(Finding{Check: CheckAccess, State: Unknown, Cause: fmt.Sprintf("%s cannot be read: %v", u.What, u.Err),
			Fix: "look with an account that may read them"})
	}
	if len(e.Controllers) == 0 {
		x.add(Finding{Check: CheckController, State: Failed, Cause: "no pod of an ingress controller was found",
			Fix: "install Sluice, scale its Deployment up, or name the labels of its pods with --selector"})
	}
	for _, check := range []func(*Controller){x.pods, x.class} {
		x.each(check)
	}
	x.unserved()
	x.rivals()
	for _, check := range []func(*Controller){x.lease, x.applied, x.quarantine} {
		x.each(check)
	}
	x.webhooks()
	for _, check := range []func(*Controller){x.service, x.certificates, x.asked, x.problems} {
		x.each(check)
	}
	return x.findings
}

type examiner struct {
	Evidence
	findings []Finding
	told     map[Finding]bool // Problems
}

// each makes a check of every controller of ours.
func (x *examiner) each(check func(*Controller)) {
	for i := range x.Controllers {
		if !x.Controllers[i].IsForeign {
			check(&x.Controllers[i])
		}
	}
}

// add takes in a finding. What is no Problem links to the page that explains the check.
func (x *examiner) add(f Finding) {
	if f.Link == "" && f.State != OK {
		f.Link = docs.Site + "kubectl-ingress.md#" + f.Check
	}
	x.findings = append(x.findings, f)
}

func (c *Controller) object() translate.Object {
	return translate.Object{Kind: c.Kind, Namespace: c.Name.Namespace, Name: c.Name.Name}
}
