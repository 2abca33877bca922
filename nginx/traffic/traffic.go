// Package traffic says how workers tell what requests they have served: the words of measures.lua, read.
//
// It adds nothing up and asks nobody: package supervisor asks workers, controller/metrics keeps account.
package traffic

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// Texts are the lists as workers are told of them, numbers separated by slashes.
func (b Bounds) Texts() (times, lengths, sizes string) {
	return text(b.Times), text(b.Lengths), text(b.Sizes)
}

func text(list []float64) string {
	words := make([]string, len(list))
	for i, bound := range list {
		words[i] = strconv.FormatFloat(bound, 'f', -1, 64)
	}
	return strings.Join(words, "/")
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

// Histograms are all there are, in the order in which workers tell them.
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

// labels are what measures.lua calls a series: texts, separated by tabs.
func labels(text string) (Labels, bool) {
	f := strings.SplitN(text, "\t", 8)
	if len(f) != 8 {
		return Labels{}, false
	}
	for i := range f {
		f[i] = strings.ToValidUTF8(f[i], "�")
	}
	return Labels{f[0], f[1], hostName(f[2]), f[3], f[4], f[5], f[6], f[7]}, true
}

// hostName is the host of an Ingress rule that a server name stands for; see nginx.HostName.
func hostName(name string) string {
	suffix, wildcard := strings.CutPrefix(name, `~^(?<subdomain>[\w-]+)\.`)
	if !wildcard {
		return name
	}
	return "*." + strings.TrimSuffix(strings.ReplaceAll(suffix, `\.`, "."), "$")
}

// Counts are what one series adds.
type Counts struct {
	Requests float64
	// Sums and Buckets are by histogram. A bucket counts what is in it alone; the last one is beyond all bounds.
	Sums    []float64
	Buckets [][]float64
}

// Batch is what one worker has counted between two reports.
type Batch struct{ Series map[Labels]Counts }

// Report is what NGINX tells when it is asked.
type Report struct {
	// Batches are by name. They are told until they were said to be taken.
	Batches     map[string]string `json:"batches"`
	Connections Connections       `json:"connections"`
	Processes   []Process         `json:"processes,omitempty"`
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

// Read reads a batch. One with other bounds comes from workers that a former controller configured.
func (b Bounds) Read(batch string) (Batch, error) {
	var told struct {
		Bounds string               `json:"bounds"`
		Series map[string][]float64 `json:"series"`
	}
	if err := json.Unmarshal([]byte(batch), &told); err != nil {
		return Batch{}, fmt.Errorf("read what workers counted: %w", err)
	}
	t, l, s := b.Texts()
	if told.Bounds != t+"|"+l+"|"+s {
		return Batch{}, errors.New("workers count by other buckets")
	}
	made := Batch{make(map[Labels]Counts, len(told.Series))}
	for key, numbers := range told.Series {
		id, ok := labels(key)
		counts, fits := b.counts(numbers)
		if !ok || !fits {
			return Batch{}, errors.New("what workers counted makes no sense")
		}
		made.Series[id] = counts
	}
	return made, nil
}

func (b Bounds) counts(numbers []float64) (Counts, bool) {
	if len(numbers) == 0 {
		return Counts{}, false
	}
	for _, n := range numbers {
		if n < 0 {
			return Counts{}, false // a counter never falls
		}
	}
	made := Counts{Requests: numbers[0]}
	numbers = numbers[1:]
	for _, h := range Histograms {
		n := len(h.Bounds(b)) + 1
		if len(numbers) < n+1 {
			return Counts{}, false
		}
		made.Sums, made.Buckets = append(made.Sums, numbers[0]), append(made.Buckets, numbers[1:n+1])
		numbers = numbers[n+1:]
	}
	return made, len(numbers) == 0
}

// Add adds what a further batch says of the same series.
func (c *Counts) Add(more Counts) {
	c.Requests += more.Requests
	if c.Buckets == nil {
		c.Sums, c.Buckets = make([]float64, len(more.Sums)), make([][]float64, len(more.Buckets))
	}
	for i := range more.Buckets {
		c.Sums[i] += more.Sums[i]
		if c.Buckets[i] == nil {
			c.Buckets[i] = make([]float64, len(more.Buckets[i]))
		}
		for n, count := range more.Buckets[i] {
			c.Buckets[i][n] += count
		}
	}
}
