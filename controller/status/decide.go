package status

import (
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

const (
	// batch is how many statuses are written before what to write is decided anew.
	batch = 100
	// again is when a status that we wrote, or could not write, is written again. Somebody who writes another one each
	// time finds us slow, and one who does it once finds us quick: when ingress-nginx is uninstalled, it clears the
	// status of Ingresses that we serve already, and names in the DNS must not vanish over it.
	again = 10 * time.Second
	// handover is how long an Ingress that is no longer ours keeps our addresses, so that its next controller can write
	// over them and no moment without any is seen. It also outlasts an IngressClass that is deleted and made again.
	handover = 10 * time.Second
)

// term is what a leader knows of the Ingresses that are or were ours in its time.
type term struct {
	ours   map[cluster.Name]*memory
	former map[cluster.Name]*memory // no longer ours, with a status that may be ours
	last   []address                // what there was to publish in the last pass
}

func newTerm() *term { return &term{former: map[cluster.Name]*memory{}} }

// memory is what we know of one Ingress from before.
type memory struct {
	uid   types.UID
	held  []address // what its status had to say when it was last ours; empty if we had nothing to say
	tried time.Time // when we last tried to write its status as it has to be; zero if not yet
	wrote bool      // that this was done
	left  time.Time // since when it is not ours
}

// task is one status to write.
type task struct {
	name cluster.Name
	uid  types.UID
	ours bool      // whether the Ingress is; if not, it must not become so in between
	want []address // nil to clear
	only []address // if not nil, no other status than this may be replaced

	disputed bool // we wrote it before, and somebody else did since
}

// decide says which statuses to write now, and when to look again if nothing happens before. The Ingresses are those
// that are ours, the oldest first.
func (t *term) decide(now time.Time, ingresses []*networkingv1.Ingress, published func(cluster.Name) []address, addresses []address) (tasks []task, next time.Time) {
	next = now.Add(time.Hour)
	plan := func(m *memory, work task, due time.Time) {
		switch {
		case now.Before(due):
			next = earlier(next, due)
		case len(tasks) == batch:
			next = now
		default:
			m.tried = now
			next = earlier(next, now.Add(again))
			tasks = append(tasks, work)
		}
	}
	news := !same(addresses, t.last)
	t.last = addresses
	before := t.ours
	t.ours = make(map[cluster.Name]*memory, len(ingresses))
	for _, ing := range slices.Backward(ingresses) { // somebody may be waiting for the youngest
		name := cluster.NameOf(ing)
		m := t.recall(before, name, ing.UID)
		t.ours[name] = m
		if news {
			m.tried, m.wrote = time.Time{}, false
		}
		switch {
		case len(addresses) > 0:
			m.held = addresses
			if !same(published(name), addresses) {
				plan(m, task{name: name, uid: m.uid, ours: true, want: addresses, disputed: m.wrote}, m.due())
			}
		case m.isStillOn(published(name)):
			plan(m, task{name: name, uid: m.uid, ours: true, only: m.held}, m.due())
		}
	}
	for name, m := range before {
		m.left = now
		t.former[name] = m
	}
	for name, m := range t.former {
		if !m.isStillOn(published(name)) {
			delete(t.former, name)
			continue
		}
		plan(m, task{name: name, uid: m.uid, only: m.held}, later(m.left.Add(handover), m.due()))
	}
	return tasks, next
}

// recall takes what is known of an Ingress from where it is.
func (t *term) recall(before map[cluster.Name]*memory, name cluster.Name, uid types.UID) *memory {
	for _, from := range []map[cluster.Name]*memory{before, t.former} {
		if m := from[name]; m != nil {
			delete(from, name)
			if m.uid == uid {
				return m
			}
		}
	}
	return &memory{uid: uid}
}

// did notes that a status was changed. One of an Ingress that is not ours is changed once.
func (t *term) did(work task) {
	if !work.ours {
		delete(t.former, work.name)
	} else if m := t.ours[work.name]; m != nil {
		m.wrote = true
	}
}

// due is when its status may be written.
func (m *memory) due() time.Time { return m.tried.Add(again) }

// isStillOn tells whether a status is what we had to say.
func (m *memory) isStillOn(status []address) bool { return len(m.held) > 0 && same(status, m.held) }

// fits tells whether the task is still to be done for an Ingress as it is now.
func (t task) fits(ing *networkingv1.Ingress, ours bool) bool {
	present := ing.Status.LoadBalancer.Ingress
	if ing.UID != t.uid || ours != t.ours {
		return false
	}
	if t.only != nil {
		return same(present, t.only)
	}
	return !same(present, t.want)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
