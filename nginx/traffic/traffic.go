// Package traffic says what is told of the requests that NGINX has served.
//
// It reads nothing and asks nobody: package meter reads what workers write, controller/metrics keeps account.
package traffic

import (
	"errors"
	"slices"
)

// Bounds are the upper bounds of the buckets of histograms, in order: of times in seconds, of lengths and of sizes in bytes.
type Bounds struct{ Times, Lengths, Sizes []float64 }

// DefaultBounds are those of ingress-nginx 1.15.1.
func DefaultBounds() Bounds {
	return Bounds{
		Times:   []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		Lengths: []float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100},
		Sizes:   []float64{10, 100, 1000, 10000, 100000, 1e6, 1e7},
	}
}

// Check tells what is wrong with bounds: each list has to rise and to have at most 50.
func (b Bounds) Check() error {
	for _, list := range [][]float64{b.Times, b.Lengths, b.Sizes} {
		if len(list) == 0 || len(list) > 50 {
			return errors.New("there must be 1 to 50 buckets")
		}
		for i := range list {
			if i > 0 && list[i] <= list[i-1] {
				return errors.New("the buckets must rise")
			}
		}
	}
	return nil
}

// Equal tells whether the buckets are the same.
func (b Bounds) Equal(other Bounds) bool {
	return slices.Equal(b.Times, other.Times) && slices.Equal(b.Lengths, other.Lengths) && slices.Equal(b.Sizes, other.Sizes)
}

// Histogram is a distribution that is kept of each series.
type Histogram struct {
	Name   string
	Help   string
	Bounds func(Bounds) []float64
}

func times(b Bounds) []float64   { return b.Times }
func lengths(b Bounds) []float64 { return b.Lengths }
func sizes(b Bounds) []float64   { return b.Sizes }

// Histograms are all there are, in the order of Counts.
var Histograms = []Histogram{
	{"request_duration_seconds", "Time from the first bytes of a request to its log entry.", times},
	{"connect_duration_seconds", "Time that connecting to the backend took.", times},
	{"header_duration_seconds", "Time until the backend's header was there.", times},
	{"response_duration_seconds", "Time until the backend's answer was there.", times},
	{"request_size", "Bytes of requests, with their headers.", lengths},
	{"response_size", "Bytes of answers, with their headers.", lengths},
	{"bytes_sent", "The same as response_size, in other buckets.", sizes},
}

// Labels say which requests a series counts.
type Labels struct {
	Status, Method, Host, Namespace, Ingress, Service, Canary, Path string
}

// Others are the labels of what has no series of its own.
func Others(status string) Labels {
	const o = "others"
	return Labels{Status: status, Method: o, Host: o, Namespace: o, Ingress: o, Service: o, Canary: o, Path: o}
}

// Counts are what one series adds.
type Counts struct {
	Requests float64
	// Sums and Buckets are by histogram. A bucket counts what is in it alone; the last one is beyond all bounds.
	Sums    []float64
	Buckets [][]float64
}

// NewCounts are counts of nothing, by some bounds.
func NewCounts(b Bounds) *Counts {
	c := &Counts{Sums: make([]float64, len(Histograms)), Buckets: make([][]float64, len(Histograms))}
	for i, h := range Histograms {
		c.Buckets[i] = make([]float64, len(h.Bounds(b))+1)
	}
	return c
}

// Fit tells whether counts are such as are made by some bounds.
func (c *Counts) Fit(b Bounds) bool {
	if len(c.Sums) != len(Histograms) || len(c.Buckets) != len(Histograms) {
		return false
	}
	for i, h := range Histograms {
		if len(c.Buckets[i]) != len(h.Bounds(b))+1 {
			return false
		}
	}
	return true
}

// Series are the requests of some labels.
type Series struct {
	Labels
	Counts
}

// Question asks for what was counted.
type Question struct {
	// Taken names the last report that has arrived; "" for none. What was told after that is told again.
	Taken  string
	Bounds Bounds
}

// Report is what NGINX tells when it is asked.
type Report struct {
	Name        string      // of this report; see Question
	Series      []Series    // what has been counted since the one that was taken
	Connections Connections // at present
	Processes   []Process   `json:",omitempty"`
}

// Connections are those of clients.
type Connections struct {
	Active, Reading, Writing, Waiting float64
	// Accepted, Handled and Requests were counted since NGINX was started.
	Accepted, Handled, Requests float64
}

// Process is one of NGINX's.
type Process struct {
	PID              int
	Start            float64 // unix time
	CPU              float64 // seconds
	Resident, Memory float64 // bytes, the latter of addresses
	Read, Written    float64 // bytes from and to files
}

// Add adds what a further report says of the same series, by the same bounds.
func (c *Counts) Add(more *Counts) {
	c.Requests += more.Requests
	for i := range more.Buckets {
		c.Sums[i] += more.Sums[i]
		for n, count := range more.Buckets[i] {
			c.Buckets[i][n] += count
		}
	}
}
