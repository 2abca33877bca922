//go:build e2e

package availability_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/sluice-ingress/sluice/test/e2e/load"
	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// kinds are what users do: requests over HTTP/1.1 with connections that are kept, HTTP/2 over TLS, and sessions of
// WebSocket. Clients of HTTP/2 repeat what the server says it has not looked at, as all do; nothing else is repeated.
var kinds = map[string]load.Load{
	"HTTP/1.1":  {Kind: load.HTTP1, Rate: 300, Connections: 30, Path: "/?delay=10ms"},
	"HTTP/2":    {Kind: load.HTTP2, Rate: 200, Connections: 4, Path: "/?delay=20ms", Retries: true},
	"WebSocket": {Kind: load.WebSocket, Rate: 100, Connections: 20},
}

// traffic is load of several kinds at once.
type traffic struct {
	testing.TB
	runs map[string]*load.Run
}

// start puts load of all kinds on the app.
func (a *app) start() *traffic {
	t := &traffic{TB: a, runs: map[string]*load.Run{}}
	for name, kind := range kinds {
		kind.Address, kind.Host = a.sluice.Address+":80", a.host
		if kind.Kind == load.HTTP2 {
			kind.Address = a.sluice.Address + ":443"
		}
		t.runs[name] = kind.Start()
	}
	return t
}

// flow lets the load be on for so long.
func (t *traffic) flow(length time.Duration) { <-time.After(length) }

// reach waits until so many pods have answered requests.
func (t *traffic) reach(pods int) {
	t.Helper()
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		suite.Within(t, soon, func() error {
			seen := map[string]bool{}
			for _, one := range t.runs[name].SoFar() {
				seen[one.Pod] = true
			}
			if len(seen) < pods {
				return fmt.Errorf("%s: %d pods have answered, not %d", name, len(seen), pods)
			}
			return nil
		})
	}
}

// results are what became of traffic, by kind.
type results struct {
	testing.TB
	of map[string]*load.Result
}

// stop ends the load, of all kinds if none is named, and logs what became of it.
func (t *traffic) stop(kinds ...string) results {
	t.Helper()
	if len(kinds) == 0 {
		kinds = slices.Sorted(maps.Keys(t.runs))
	}
	all := results{t, map[string]*load.Result{}}
	for _, name := range kinds {
		result := t.runs[name].Stop()
		delete(t.runs, name)
		all.of[name] = result
		again, slow := 0, 0
		for _, one := range result.Records {
			again += one.Repeats
			if one.Duration > time.Second {
				slow++
			}
		}
		t.Logf("measured: %s: %d requests or messages, %d lost, %d sent again, %d took more than a second, %d connections; p50 %v, p99 %v, at most %v",
			name, len(result.Records), len(losses(result)), again, slow, result.Connections, result.Quantile(0.5), result.Quantile(0.99), result.Quantile(1))
	}
	return all
}

// loss is a request that no pod has answered, or a session of WebSocket that nobody has ended in an orderly way.
type loss struct {
	start, end time.Time
	err        error
	status     int
}

func (l loss) String() string {
	return fmt.Sprintf("status %d, error %v, after %v", l.status, l.err, l.end.Sub(l.start))
}

func losses(result *load.Result) []loss {
	var all []loss
	for _, s := range result.Broken() {
		if !saidGoodbye(s.Err) {
			all = append(all, loss{start: s.Start, end: s.End, err: s.Err})
		}
	}
	for _, one := range result.Records {
		if one.Pod == "" || one.Failed() && len(result.Sessions) == 0 { // other failures are of sessions that broke
			all = append(all, loss{one.Start, one.End(), one.Err, one.Status})
		}
	}
	return all
}

// saidGoodbye tells whether a session of WebSocket was closed by the pod, as RFC 6455 section 7.4.1 wants it from servers
// that go away.
func saidGoodbye(err error) bool {
	var closed *websocket.CloseError
	return errors.As(err, &closed) && closed.Code == websocket.CloseGoingAway
}

// wantNoLoss wants a pod to have answered every request, and no session to be broken off.
func (r results) wantNoLoss() {
	r.Helper()
	for name, result := range r.of {
		if lost := losses(result); len(lost) > 0 {
			r.Errorf("%s: %d losses, the first is: %v", name, len(lost), lost[0])
		}
	}
}

// wantOnlyLosses wants no others than those that had begun when something ended, or before the cluster had noticed: until
// then it sends new connections there.
func (r results) wantOnlyLosses(ended, noticed time.Time) {
	r.Helper()
	for name, result := range r.of {
		inFlight, unnoticed, after := 0, 0, 0
		for _, one := range losses(result) {
			switch {
			case !one.start.After(ended):
				inFlight++
			case one.start.Before(noticed):
				unnoticed++
			default:
				after++
				r.Errorf("%s: lost %v after the end had been noticed: %v", name, one.start.Sub(noticed), one)
			}
		}
		r.Logf("measured: %s: %d lost that were under way, %d more that began before the cluster had noticed, %d later ones", name, inFlight, unnoticed, after)
	}
}
