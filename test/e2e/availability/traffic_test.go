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

// traffic is load of several kinds at once.
type traffic struct {
	testing.TB
	runs map[string]*load.Run
}

// kinds are what users do: requests over HTTP/1.1 with connections that are kept, HTTP/2 over TLS, and sessions of
// WebSocket. Clients of HTTP/2 repeat what the server says it has not looked at, as all do; nothing else is repeated.
var kinds = map[string]load.Load{
	"HTTP/1.1":  {Kind: load.HTTP1, Rate: 300, Connections: 30, Path: "/?delay=10ms"},
	"HTTP/2":    {Kind: load.HTTP2, Rate: 200, Connections: 4, Path: "/?delay=20ms", Retries: true},
	"WebSocket": {Kind: load.WebSocket, Rate: 100, Connections: 20},
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

// run lets the load be on for so long.
func (t *traffic) run(length time.Duration) {
	t.Helper()
	end := time.Now().Add(length)
	suite.Within(t, length+soon, func() error {
		if left := time.Until(end); left > 0 {
			return fmt.Errorf("%v are left", left)
		}
		return nil
	})
}

// stop returns what became of the load, by its kind, and logs it. Without kinds it is all that is on.
func (t *traffic) stop(kinds ...string) map[string]*load.Result {
	t.Helper()
	if len(kinds) == 0 {
		kinds = slices.Sorted(maps.Keys(t.runs))
	}
	results := map[string]*load.Result{}
	for _, name := range kinds {
		results[name] = t.runs[name].Stop()
		delete(t.runs, name)
		t.Logf("measured: %s: %v", name, results[name])
	}
	return results
}

// wantNoFailure wants a pod to have answered every request, and no session to be broken off.
func (t *traffic) wantNoFailure(results map[string]*load.Result) {
	t.Helper()
	for name, result := range results {
		failures := slices.DeleteFunc(slices.Clone(result.Records), func(one load.Record) bool { return !failed(one) })
		if len(failures) > 0 {
			t.Errorf("%s: %d failures, the first is %+v", name, len(failures), failures[0])
		}
		if broken := slices.DeleteFunc(result.Broken(), func(s load.Session) bool { return saidGoodbye(s.Err) }); len(broken) > 0 {
			t.Errorf("%s: %d sessions were broken off, the first is %+v", name, len(broken), broken[0])
		}
	}
}

// failed says of a request that no pod has answered it. That a pod ends a session with a goodbye is no failure.
func failed(one load.Record) bool {
	return !saidGoodbye(one.Err) && (one.Failed() || one.Pod == "")
}

// saidGoodbye tells whether a session of WebSocket was closed by the pod, as RFC 6455 section 7.4.1 wants it from servers
// that go away.
func saidGoodbye(err error) bool {
	var closed *websocket.CloseError
	return errors.As(err, &closed) && closed.Code == websocket.CloseGoingAway
}

// wantOnlyFailures wants no others than of requests that were in flight when something ended, or that were started before
// the cluster had noticed: until then it sends every second connection there.
func (t *traffic) wantOnlyFailures(results map[string]*load.Result, ended, noticed time.Time) {
	t.Helper()
	for name, result := range results {
		inFlight, unnoticed, after := 0, 0, 0
		for _, one := range result.Records {
			switch {
			case !failed(one):
			case !one.Start.After(ended):
				inFlight++
			case one.Start.Before(noticed):
				unnoticed++
			default:
				after++
				t.Errorf("%s: a request that was started %v after the end had been noticed failed: %+v", name, one.Start.Sub(noticed), one)
			}
		}
		t.Logf("measured: %s: %d requests in flight failed, %d more until the end was noticed, %d after that", name, inFlight, unnoticed, after)
	}
}
