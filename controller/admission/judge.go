package admission

import (
	"regexp"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// Review is a change that somebody asks for.
type Review struct {
	New        *networkingv1.Ingress
	Old        *networkingv1.Ingress   // nil if it is to be created
	Neighbours []*networkingv1.Ingress // what Index.Around finds for both
}

// Verdict is what is to be said of a change.
type Verdict struct {
	Claimed  bool                // the Ingress would be ours; of others nothing is said
	Refusals []translate.Problem // why it is not to be; without any it is allowed
	Warnings []translate.Problem

	Ingresses int // how many were looked at
	Bytes     int // of the configuration that was made for them
}

// Judge says what is to be said of a change. The Snapshot is the present one, with the Fallback, and with the objects
// that the new version refers to. Its Ingresses are not looked at, only those of the Review, so the cost does not depend
// on how many there are.
//
// What refuses a change is a Problem that the change brings: an error on the Ingress itself, a path that another
// Ingress serves already, or either of the two done to a neighbour. An error that was there before is a warning, so that
// somebody who adds a label or a finalizer does not have to mend what is not theirs. So is what objects of other kinds
// may still change: manifests are applied in any order.
func Judge(o controller.Options, s cluster.Snapshot, r Review) Verdict {
	if claimed, _ := o.Translate.Selection.Claims(s, r.New); !claimed {
		return Verdict{}
	}
	// Memories belong to the loop, and would be worth little: hardly two reviews are of the same objects.
	o.Translate.Memory, o.Memory, o.Routes, o.Live = nil, nil, nil, nil
	s.Notes, s.Places = nil, nil
	after, err := o.Plan(r.with(s, r.New))
	j := judgement{own: objectOf(r.New), known: map[translate.Problem]bool{}}
	if err != nil || slices.ContainsFunc(after.Problems, j.wantsBefore) {
		before, errBefore := o.Plan(r.with(s, r.Old))
		for _, p := range before.Problems {
			j.known[bare(p)] = true
		}
		if err != nil && errBefore == nil {
			j.Refusals = append(j.Refusals, translate.Problem{
				Object: j.own, Severity: cluster.Error, Reason: translate.CannotBeWritten,
				Message: "with it, the configuration cannot be written: " + err.Error(),
			})
		}
	}
	for _, p := range after.Problems {
		j.look(p)
	}
	j.Claimed, j.Ingresses = true, len(r.Neighbours)+1
	for _, file := range after.Files.List {
		j.Bytes += len(file.Content)
	}
	return j.Verdict
}

// with is the Snapshot of the neighbours and one version of the Ingress, which may be nil.
func (r Review) with(s cluster.Snapshot, version *networkingv1.Ingress) cluster.Snapshot {
	if version == nil {
		return s.Among(r.Neighbours...)
	}
	return s.Among(append(slices.Clip(r.Neighbours), version)...)
}

func objectOf(ing *networkingv1.Ingress) translate.Object {
	return translate.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}
}

// judgement is a Verdict that is being made.
type judgement struct {
	Verdict
	own   translate.Object
	known map[translate.Problem]bool // bare ones that are there without the change
}

// wantsBefore tells whether it matters if a Problem was there before.
func (j *judgement) wantsBefore(p translate.Problem) bool {
	return p.Object.Kind == j.own.Kind && (p.Object != j.own || refuses(p))
}

func (j *judgement) look(p translate.Problem) {
	isNew := !j.known[bare(p)]
	switch {
	case p.Object.Kind != j.own.Kind || p.Severity == cluster.Info:
	case isNew && refuses(p):
		j.Refusals = append(j.Refusals, p)
	case isNew || p.Object == j.own:
		j.Warnings = append(j.Warnings, p)
	}
}

// others are the reasons that depend on objects of other kinds, or on Ingresses that may come later.
var others = []translate.Reason{
	translate.MissingService, translate.MissingPort, translate.NoEndpoints, translate.BadExternalName, translate.ExternalNameDisabled,
	translate.MissingSecret, translate.MissingConfigMap, translate.InvalidCertificate, translate.HostNotCovered, translate.ExpiredCertificate,
	translate.UnusedCanary,
}

// refuses tells whether a Problem refuses the change that brings it. A path that is served already is only a warning for
// Plan, as the older one stays in force; but whoever asks for it is still there to be told, and ingress-nginx refuses it. So it
// is with an unusual path.
func refuses(p translate.Problem) bool {
	if p.Reason == translate.UnusualPath {
		return true
	}
	if p.Reason == translate.DuplicatePath {
		return p.Rival != translate.Object{}
	}
	return p.Severity == cluster.Error && !slices.Contains(others, p.Reason)
}

var places = regexp.MustCompile(`\[\d+\]`)

// bare is a Problem without the numbers of rules and paths, which change when another is inserted.
func bare(p translate.Problem) translate.Problem {
	p.Field, p.Message = places.ReplaceAllString(p.Field, "[]"), places.ReplaceAllString(p.Message, "[]")
	return p
}
