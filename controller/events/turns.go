package events

import (
	"container/list"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// note is an Event that is to be written, or a Problem's that was and is to be repeated.
type note struct {
	object    translate.Object
	eventType string // Normal or Warning
	reason    string
	message   string

	lasts  bool      // to be repeated until it is taken back
	urgent bool      // before others of its namespace
	until  time.Time // worthless later; zero if it never is
	due    time.Time // when it is to be repeated

	event *record.EventCorrelateResult // made of it, while it is being written
	tries int                          // that the API server has answered

	in *list.List // where it waits; nil if it does not
	at *list.Element
}

func noteOf(p translate.Problem) *note {
	n := &note{object: p.Object, eventType: corev1.EventTypeWarning, reason: string(p.Reason), message: p.Message, lasts: true, urgent: true}
	if p.Severity == cluster.Info {
		n.eventType = corev1.EventTypeNormal
	}
	if p.Field != "" {
		n.message = p.Field + ": " + p.Message
	}
	return n
}

func (n *note) wait(l *list.List) { n.in, n.at = l, l.PushBack(n) }

func (n *note) leave() {
	if n.in != nil {
		n.in.Remove(n.at)
		n.in, n.at = nil, nil
	}
}

// turns are the notes that wait, by namespace. Namespaces take turns, so that none waits for the many of another.
type turns struct {
	lanes map[string]*lane
	order []string // of those in lanes; the first is next
}

type lane struct{ urgent, others list.List }

func (t *turns) add(n *note) {
	namespace := n.object.Namespace
	l := t.lanes[namespace]
	if l == nil {
		l = &lane{}
		t.lanes[namespace] = l
		t.order = append(t.order, namespace)
	}
	if n.urgent {
		n.wait(&l.urgent)
	} else {
		n.wait(&l.others)
	}
}

// take returns the note whose turn it is, nil if none waits.
func (t *turns) take() *note {
	for len(t.order) > 0 {
		namespace := t.order[0]
		t.order = t.order[1:]
		l := t.lanes[namespace]
		first := l.urgent.Front()
		if first == nil {
			first = l.others.Front()
		}
		if first == nil {
			delete(t.lanes, namespace)
			continue
		}
		t.order = append(t.order, namespace)
		n := first.Value.(*note)
		n.leave()
		return n
	}
	return nil
}
