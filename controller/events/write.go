package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record/util"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

const (
	// component is ingress-nginx's, which people select Events by.
	component = "nginx-ingress-controller"

	// longestMessage is what the API server takes in Events of the newer kind, and tools expect, in bytes.
	longestMessage = 1024

	// requestTimeout is for an API server that does not answer at all.
	requestTimeout = 10 * time.Second

	// The pause after an Event that could not be written; it doubles as long as that goes on.
	firstPause   = time.Second
	longestPause = time.Minute

	// tries is how often an Event is sent that the API server can do nothing with at present, as when a webhook is
	// broken. One that does not reach the API server is sent until it does.
	tries = 5
)

// Run writes Events until the context ends.
func (r *Recorder) Run(ctx context.Context) error {
	var pause time.Duration
	for ctx.Err() == nil {
		now := time.Now()
		r.look(now)
		n := r.next()
		if n == nil {
			r.idle(ctx, now)
			continue
		}
		err := r.write(ctx, n, now)
		if err == nil {
			pause = 0
			continue
		}
		if pause == 0 && ctx.Err() == nil {
			r.options.Log.Warn("Events cannot be written at present; trying again", "error", err)
		}
		r.again(n)
		pause = min(max(2*pause, firstPause), longestPause)
		sleep(ctx, pause)
	}
	return nil
}

// next returns the note to be written, nil if there is none.
func (r *Recorder) next() *note {
	if first := r.own.Front(); first != nil {
		n := first.Value.(*note)
		n.leave()
		return n
	}
	if !r.leads {
		return nil
	}
	n := r.turns.take()
	if n != nil && r.syncs[n.object] == n {
		delete(r.syncs, n.object)
	}
	return n
}

// again puts back a note that could not be written, behind the others.
func (r *Recorder) again(n *note) {
	if n.object.Kind == "Pod" {
		n.wait(&r.own)
		return
	}
	if !n.lasts {
		r.syncs[n.object] = n
	}
	r.turns.add(n)
}

// idle waits until there is something to do.
func (r *Recorder) idle(ctx context.Context, now time.Time) {
	var due <-chan time.Time
	if first := r.written.Front(); first != nil && r.leads {
		timer := time.NewTimer(first.Value.(*note).due.Sub(now))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-r.told:
	case <-due:
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// write sends the Event of a note. An error means that it is worth trying again.
func (r *Recorder) write(ctx context.Context, n *note, now time.Time) error {
	if !n.until.IsZero() && now.After(n.until) {
		r.drop(1, "too many changes at once to tell that each was read", n.object, nil)
		return nil
	}
	why, err := r.send(ctx, n)
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		n.tries++
		if isFinal(status) || n.tries == tries {
			why = "the API server does not take it"
		}
	}
	switch {
	case why != "":
		r.drop(1, why, n.object, err)
	case err != nil:
		return err
	}
	n.event, n.tries = nil, 0
	if n.lasts {
		n.due = time.Now().Add(repeatAfter)
		n.wait(&r.written)
	}
	return nil
}

// isFinal says whether the same request will get the same answer. A token is renewed (401), others ask less (429),
// errors of the server (500 and above) end; rights and objects are as they are.
func isFinal(err apierrors.APIStatus) bool {
	code := err.Status().Code
	return code >= 400 && code < 500 && code != 401 && code != 408 && code != 429
}

// send makes the Event of a note known to the API server: as a new one, or as one that has happened again. If it is
// not to be sent at all, it says why.
func (r *Recorder) send(ctx context.Context, n *note) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if n.event == nil {
		about, err := r.reference(ctx, n.object)
		if err != nil || about == nil {
			return "", err
		}
		if n.event, err = r.correlator.EventCorrelate(r.event(n, about)); err != nil {
			return "it cannot be compared with earlier ones", err
		}
	}
	if n.event.Skip {
		return "too many Events on one object in a short time", nil
	}
	if err := r.pace.Wait(ctx); err != nil {
		return "", err
	}
	event, err := r.store(ctx, n.event.Event, n.event.Patch)
	switch {
	case err == nil:
		r.correlator.UpdateState(event)
	case apierrors.IsAlreadyExists(err): // the answer to a former try was lost
		return "", nil
	case apierrors.IsNotFound(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return "", nil // the namespace goes, and the object with it
	}
	return "", err
}

func (r *Recorder) store(ctx context.Context, event *corev1.Event, patch []byte) (*corev1.Event, error) {
	events := r.api.Events(event.Namespace)
	if event.Count > 1 {
		stored, err := events.Patch(ctx, event.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			return stored, err
		}
		event.ResourceVersion = "" // it has expired
	}
	return events.Create(ctx, event, metav1.CreateOptions{})
}

// event is the Event of a note. About may be another object than the note's.
func (r *Recorder) event(n *note, about *corev1.ObjectReference) *corev1.Event {
	message := n.message
	if about.Kind != n.object.Kind {
		message = n.object.String() + ": " + message
	}
	now := time.Now()
	r.moment = max(r.moment+1, now.UnixNano()) // names differ even if the clock stands
	return &corev1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: about.Namespace, Name: util.GenerateEventName(about.Name, r.moment)},
		InvolvedObject:      *about,
		Type:                n.eventType,
		Reason:              n.reason,
		Message:             line(message),
		Source:              corev1.EventSource{Component: component},
		ReportingController: component,
		ReportingInstance:   r.options.Pod.Name,
		FirstTimestamp:      metav1.NewTime(now),
		LastTimestamp:       metav1.NewTime(now),
		Count:               1,
	}
}

// line makes a text one line of an Event.
func line(text string) string {
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(strings.TrimSpace(text), "?"))
	if len(text) <= longestMessage {
		return text
	}
	const more = "..."
	end := longestMessage - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// reference is the object that an Event is written on: the named one as it is now; our Pod for a Secret, ConfigMap or
// Service that flags name and that does not exist; nil for an Ingress that is gone.
func (r *Recorder) reference(ctx context.Context, object translate.Object) (*corev1.ObjectReference, error) {
	var found metav1.Object
	version := "v1"
	switch object.Kind {
	case "Ingress":
		version = "networking.k8s.io/v1"
		if ing := r.known[cluster.Name{Namespace: object.Namespace, Name: object.Name}]; ing != nil {
			found = ing
		} else {
			return nil, nil
		}
	case "ConfigMap":
		if m := r.snapshot.ConfigMap(object.Namespace, object.Name); m != nil {
			found = m
		}
	case "Secret":
		if s := r.snapshot.Secret(object.Namespace, object.Name); s != nil {
			found = s
		}
	case "Service":
		if s := r.snapshot.Service(object.Namespace, object.Name); s != nil {
			found = s
		}
	}
	if found == nil {
		return r.pod(ctx)
	}
	return &corev1.ObjectReference{
		APIVersion: version, Kind: object.Kind, Namespace: object.Namespace, Name: object.Name,
		UID: found.GetUID(), ResourceVersion: found.GetResourceVersion(),
	}, nil
}

// pod is our own Pod. Its UID is asked for once: that of a Pod of the same name would be another process's.
func (r *Recorder) pod(ctx context.Context) (*corev1.ObjectReference, error) {
	if r.self == nil {
		pod, err := r.api.Pods(r.options.Pod.Namespace).Get(ctx, r.options.Pod.Name, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("find our own pod: %w", err)
		}
		r.self = &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
	}
	return r.self, nil
}
