package dataplane

import (
	"sync"
	"time"

	"github.com/sluice-ingress/sluice/nginx/supervisor"
)

// feedLength is how many events wait for a controller that is busy; more are lost.
const feedLength = 1000

// Feed passes what a supervisor observes on to the controller that is connected. It is made before both of them.
type Feed struct {
	mu     sync.Mutex
	events chan event // of the present session; nil without one
}

// Observer is to be given to the supervisor.
func (f *Feed) Observer() supervisor.Observer {
	return supervisor.Observer{
		Tested: func(took time.Duration, err error) {
			f.tell(event{Tested: &observed{Took: took, Error: text(err)}})
		},
		Reloaded: func(cause string, took time.Duration, err error) {
			f.tell(event{Reloaded: &observed{Took: took, Cause: cause, Error: text(err)}})
		},
		Pushed: func(entries, bytes int, took time.Duration, err error) {
			f.tell(event{Pushed: &observed{Took: took, Entries: entries, Bytes: bytes, Error: text(err)}})
		},
		Restarted: func() { f.tell(event{Restarted: true}) },
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (f *Feed) tell(e event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.events <- e:
	default:
	}
}

// follow returns the events from now on, which nobody else gets any more.
func (f *Feed) follow() <-chan event {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = make(chan event, feedLength)
	return f.events
}
