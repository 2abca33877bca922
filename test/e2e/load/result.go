package load

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Record is what became of one request, message or handshake.
type Record struct {
	Start       time.Time
	Duration    time.Duration // until the last byte of the answer, or the failure
	Status      int           // of HTTP; 0 without an answer
	Reused      bool          // the connection was there before
	Pod         string        // who answered, if it was cmd/echo
	Certificate string        // what a handshake was given: Fingerprint of the leaf
	Err         error         // why there is no whole answer

	// Repeatable says of an error that every client may send the request again: a kept connection of HTTP/1 ended without a
	// byte of an answer to a GET, or a server of HTTP/2 said that it has not looked at the request.
	Repeatable bool
	Repeats    int // how often it was sent again; 0 unless Load.Retries
}

// Failed is without a whole answer, or with one that blames a server.
func (r Record) Failed() bool { return r.Err != nil || r.Status >= 500 }

// End is when it was over.
func (r Record) End() time.Time { return r.Start.Add(r.Duration) }

// addresses are of one connection, as errors name them.
var addresses = regexp.MustCompile(` [0-9.]+:[0-9]+->[0-9.]+:[0-9]+`)

// cause is the same for failures of the same kind.
func (r Record) cause() string {
	if r.Err != nil {
		return addresses.ReplaceAllString(r.Err.Error(), "")
	}
	return fmt.Sprintf("status %d", r.Status)
}

// Session is one of WebSocket.
type Session struct {
	Start, End time.Time // from the end of its handshake; End is that of the load if nothing broke it
	Pod        string
	Messages   int   // that came back
	Err        error // what broke it
}

// Result is what became of all.
type Result struct {
	Records     []Record      // by start
	Sessions    []Session     // of WebSocket, by end
	Connections int           // that were opened
	Lag         time.Duration // the longest that a request was late: all connections were busy, or this machine was
}

// Failures are the records that failed.
func (r *Result) Failures() []Record {
	return slices.DeleteFunc(slices.Clone(r.Records), func(one Record) bool { return !one.Failed() })
}

// InFlight are the records that had started but not ended at a time.
func (r *Result) InFlight(at time.Time) []Record {
	return slices.DeleteFunc(slices.Clone(r.Records), func(one Record) bool { return one.Start.After(at) || one.End().Before(at) })
}

// Between are the records that started at or after one time and before another.
func (r *Result) Between(from, to time.Time) []Record {
	return slices.DeleteFunc(slices.Clone(r.Records), func(one Record) bool { return one.Start.Before(from) || !one.Start.Before(to) })
}

// Broken are the sessions that ended before the load did.
func (r *Result) Broken() []Session {
	return slices.DeleteFunc(slices.Clone(r.Sessions), func(one Session) bool { return one.Err == nil })
}

// Quantile is the duration that this share of the records, say 0.99, did not exceed; 0 without records.
func (r *Result) Quantile(share float64) time.Duration {
	if len(r.Records) == 0 {
		return 0
	}
	durations := make([]time.Duration, 0, len(r.Records))
	for _, one := range r.Records {
		durations = append(durations, one.Duration)
	}
	slices.Sort(durations)
	return durations[min(int(share*float64(len(durations))), len(durations)-1)]
}

// Pods counts the answers of each pod.
func (r *Result) Pods() map[string]int {
	return r.count(func(one Record) string { return one.Pod })
}

// Certificates counts the handshakes with each certificate.
func (r *Result) Certificates() map[string]int {
	return r.count(func(one Record) string { return one.Certificate })
}

func (r *Result) count(by func(Record) string) map[string]int {
	counts := map[string]int{}
	for _, one := range r.Records {
		if key := by(one); key != "" {
			counts[key]++
		}
	}
	return counts
}

// String is a summary: counts, durations, and each cause of failures with its first and last time, counted from the start
// of the first record.
func (r *Result) String() string {
	var text strings.Builder
	failures := r.Failures()
	fmt.Fprintf(&text, "%d done, %d failed, %d connections; p50 %v, p99 %v, at most %v; up to %v late",
		len(r.Records), len(failures), r.Connections, r.Quantile(0.5), r.Quantile(0.99), r.Quantile(1), r.Lag)
	if len(r.Sessions) > 0 {
		fmt.Fprintf(&text, "; %d sessions, %d broken", len(r.Sessions), len(r.Broken()))
	}
	causes := map[string][]Record{}
	for _, one := range failures {
		causes[one.cause()] = append(causes[one.cause()], one)
	}
	for _, cause := range slices.Sorted(maps.Keys(causes)) {
		of := causes[cause]
		since := func(one Record) time.Duration { return one.End().Sub(r.Records[0].Start).Round(time.Millisecond) }
		repeatable := 0
		for _, one := range of {
			if one.Repeatable {
				repeatable++
			}
		}
		fmt.Fprintf(&text, "\n  %d times, %d of them repeatable, after %v to %v: %s", len(of), repeatable, since(of[0]), since(of[len(of)-1]), cause)
	}
	return text.String()
}
