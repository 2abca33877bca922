package events

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// Reasons of Events that are not about a Problem; ingress-nginx's own. Those of Problems are their Reasons.
const (
	Sync   = "Sync"   // on an Ingress of ours that came or changed
	Create = "CREATE" // on a ConfigMap of the controller that came
	Update = "UPDATE" // on one that changed
	Reload = "RELOAD" // on our Pod
)

// subject is an object with Problems that hold, and the notes about them.
type subject struct {
	notes  map[translate.Problem]*note
	beyond int // Problems that are not among the perObject worst
}

// look takes in what has been told, and what is due again.
func (r *Recorder) look(now time.Time) {
	r.mu.Lock()
	in := r.inbox
	r.inbox = inbox{leads: in.leads}
	r.mu.Unlock()

	for _, n := range in.reloads {
		n.wait(&r.own)
	}
	if in.lost > 0 {
		r.drop(in.lost, "too many reloads while the API server is away", in.reloads[0].object, nil)
	}
	if in.leads != r.leads {
		r.setLead(in.leads, now)
	}
	if in.plan != nil {
		r.follow(in.plan, now)
	}
	if r.leads {
		r.repeat(now)
	}
}

// setLead begins or ends writing about other objects than our Pod.
func (r *Recorder) setLead(leads bool, now time.Time) {
	r.leads = leads
	if !leads {
		r.settle(nil, nil)
		return
	}
	for _, n := range r.syncs {
		if now.After(n.until) {
			r.forget(n) // the leader of that time has told it
		}
	}
	r.settle(r.newest, nil)
}

// follow takes in a plan.
func (r *Recorder) follow(p *controller.Plan, now time.Time) {
	r.snapshot = p.Snapshot
	replaced := r.followIngresses(p.Claimed, now)
	r.followConfigMaps(now)
	r.begun = true
	r.newest = p.Problems
	if r.leads {
		r.settle(p.Problems, replaced)
	}
}

// followIngresses compares the Ingresses we claim with those of the last plan, and returns those that have come: one of the
// same name may have been there before.
func (r *Recorder) followIngresses(claimed []*networkingv1.Ingress, now time.Time) map[translate.Object]bool {
	gone, come := differing(r.claimed, claimed)
	r.claimed = claimed
	before := make(map[cluster.Name]*networkingv1.Ingress, len(gone))
	for _, ing := range gone {
		name := cluster.NameOf(ing)
		before[name] = ing
		delete(r.known, name)
	}
	replaced := map[translate.Object]bool{}
	for _, ing := range come {
		name := cluster.NameOf(ing)
		r.known[name] = ing
		object := translate.Object{Kind: "Ingress", Namespace: name.Namespace, Name: name.Name}
		old := before[name]
		isNew := old == nil || old.UID != ing.UID
		if isNew {
			replaced[object] = true
		}
		if isNew || !isSameIngress(old, ing) {
			r.sync(object, Sync, "Scheduled for sync", now)
		}
	}
	return replaced
}

// isSameIngress compares what users write and we read.
func isSameIngress(a, b *networkingv1.Ingress) bool {
	return a == b || maps.Equal(a.Annotations, b.Annotations) && equality.Semantic.DeepEqual(a.Spec, b.Spec)
}

func (r *Recorder) followConfigMaps(now time.Time) {
	for _, name := range r.options.ConfigMaps {
		old, object := r.configMaps[name], r.snapshot.ConfigMap(name.Namespace, name.Name)
		r.configMaps[name] = object
		reason := Update
		switch {
		case object == nil || object == old:
			continue
		case old == nil || old.UID != object.UID:
			reason = Create
		case maps.Equal(old.Data, object.Data):
			continue
		}
		r.sync(translate.Object{Kind: "ConfigMap", Namespace: name.Namespace, Name: name.Name}, reason, "ConfigMap "+name.String(), now)
	}
}

// sync tells that an object has been read. Of several versions that wait, the last is told.
func (r *Recorder) sync(object translate.Object, reason, message string, now time.Time) {
	if r.options.NoSync || !r.begun {
		return
	}
	if waiting := r.syncs[object]; waiting != nil {
		r.forget(waiting)
	}
	n := &note{object: object, eventType: corev1.EventTypeNormal, reason: reason, message: message, until: now.Add(staleAfter)}
	r.syncs[object] = n
	r.turns.add(n)
}

// forget takes back a note of sync.
func (r *Recorder) forget(n *note) {
	n.leave()
	delete(r.syncs, n.object)
}

// settle makes the Problems that hold those that are told, and repeated. What it costs is proportional to what differs
// from the last time, but for a glance at each Problem. Objects that were replaced start anew.
func (r *Recorder) settle(problems translate.Problems, replaced map[translate.Object]bool) {
	changed := map[translate.Object]bool{}
	gone, come := differing(r.problems, problems)
	r.problems = problems
	for _, p := range gone {
		changed[p.Object] = true
	}
	for _, p := range come {
		changed[p.Object] = true
	}
	for object := range replaced {
		if r.subjects[object] != nil {
			changed[object] = true
			r.setProblems(object, nil)
		}
	}
	if len(changed) == 0 {
		return
	}
	about := map[translate.Object][]translate.Problem{}
	for _, p := range problems {
		if changed[p.Object] {
			about[p.Object] = append(about[p.Object], p)
		}
	}
	for object := range changed {
		r.setProblems(object, about[object])
	}
}

// setProblems says what is wrong with an object. What is told already stays as it is.
func (r *Recorder) setProblems(object translate.Object, problems []translate.Problem) {
	s := r.subjects[object]
	if s == nil {
		s = &subject{notes: map[translate.Problem]*note{}}
		r.subjects[object] = s
	}
	worst, beyond := worst(problems)
	if beyond > s.beyond {
		r.drop(beyond-s.beyond, "too many Problems of one object; they follow when others are gone", object, nil)
	}
	s.beyond = beyond
	hold := make(map[translate.Problem]bool, len(worst))
	for _, p := range worst {
		hold[p] = true
	}
	for p, n := range s.notes {
		if !hold[p] {
			n.leave()
			delete(s.notes, p)
		}
	}
	for _, p := range worst {
		if s.notes[p] == nil {
			n := noteOf(p)
			s.notes[p] = n
			r.turns.add(n)
		}
	}
	if len(s.notes) == 0 {
		delete(r.subjects, object)
	}
}

// worst are the perObject Problems of an object that are most severe, and how many there are besides.
func worst(problems []translate.Problem) (worst []translate.Problem, beyond int) {
	if len(problems) <= perObject {
		return problems, 0
	}
	slices.SortStableFunc(problems, func(a, b translate.Problem) int { return int(b.Severity) - int(a.Severity) })
	return problems[:perObject], len(problems) - perObject
}

// repeat gives Problems that have lasted for repeatAfter another turn.
func (r *Recorder) repeat(now time.Time) {
	for at := r.written.Front(); at != nil; at = r.written.Front() {
		n := at.Value.(*note)
		if n.due.After(now) {
			return
		}
		n.leave()
		n.urgent = false
		r.turns.add(n)
	}
}

// differing leaves out what two lists have in common at both ends.
func differing[T comparable](before, now []T) (gone, come []T) {
	for len(before) > 0 && len(now) > 0 && before[0] == now[0] {
		before, now = before[1:], now[1:]
	}
	for len(before) > 0 && len(now) > 0 && before[len(before)-1] == now[len(now)-1] {
		before, now = before[:len(before)-1], now[:len(now)-1]
	}
	return before, now
}
