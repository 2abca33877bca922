package meter

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// mostSeries bounds the series of one report; what more there is has the labels "others".
const mostSeries = 10000

// mostTails bounds the ends of lines whose series is remembered. Clients make up methods.
const mostTails = 4 * mostSeries

// methods are told apart, others are not.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PROPFIND"}

// The fields of a line, as counting.go in templates has them written, separated by tabs. All from the status on say which series
// it is: the status, the method, the name of the server and $sluice_place.
const (
	requestTime = iota
	requestLength
	bytesSent
	responseTime
	connectTime
	headerTime
	numbers // so many are before the tail
)

// observed are the fields whose values go into the histograms, in the order of traffic.Histograms.
var observed = [...]struct {
	field  int
	isTime bool
}{
	{requestTime, true}, {connectTime, true}, {headerTime, true}, {responseTime, true},
	{requestLength, false}, {bytesSent, false}, {bytesSent, false},
}

// tally adds up requests.
type tally struct {
	bounds traffic.Bounds
	limits [len(observed)][]float64
	counts map[traffic.Labels]*traffic.Counts
	tails  map[string]*traffic.Counts // those of counts by ends of lines
	broken int                        // lines that make no sense
}

func newTally(b traffic.Bounds) *tally {
	t := &tally{bounds: b, counts: map[traffic.Labels]*traffic.Counts{}, tails: map[string]*traffic.Counts{}}
	for i, h := range traffic.Histograms {
		t.limits[i] = h.Bounds(b)
	}
	return t
}

// add counts the requests of whole lines.
func (t *tally) add(lines []byte) {
	for len(lines) > 0 {
		end := bytes.IndexByte(lines, '\n')
		if end < 0 {
			end = len(lines) - 1
		}
		t.line(lines[:end])
		lines = lines[end+1:]
	}
}

func (t *tally) line(line []byte) {
	var fields [numbers][]byte
	for i := range fields {
		end := bytes.IndexByte(line, '\t')
		if end < 0 {
			t.broken++
			return
		}
		fields[i], line = line[:end], line[end+1:]
	}
	counts := t.tails[string(line)]
	if counts == nil {
		labels, ok := readTail(string(line))
		if !ok {
			t.broken++
			return
		}
		counts = t.of(labels)
		if len(t.tails) < mostTails {
			t.tails[string(line)] = counts
		}
	}
	counts.Requests++
	for i, o := range observed {
		value, ok := number(fields[o.field], o.isTime)
		if !ok {
			continue
		}
		counts.Sums[i] += value
		counts.Buckets[i][bucket(t.limits[i], value)]++
	}
}

// of gives the counts of labels.
func (t *tally) of(labels traffic.Labels) *traffic.Counts {
	counts := t.counts[labels]
	if counts == nil && len(t.counts) >= mostSeries {
		labels = traffic.Others(labels.Status)
		counts = t.counts[labels]
	}
	if counts == nil {
		counts = traffic.NewCounts(t.bounds)
		t.counts[labels] = counts
	}
	return counts
}

// merge adds what was counted by the same bounds.
func (t *tally) merge(list []traffic.Series) {
	for _, s := range list {
		t.of(s.Labels).Add(&s.Counts)
	}
}

// take gives what was counted, and forgets it.
func (t *tally) take() []traffic.Series {
	list := make([]traffic.Series, 0, len(t.counts))
	for labels, counts := range t.counts {
		list = append(list, traffic.Series{Labels: labels, Counts: *counts})
	}
	*t = *newTally(t.bounds)
	return list
}

// bucket tells which one a value is in; the last is beyond all limits.
func bucket(limits []float64, value float64) int {
	for i, limit := range limits {
		if value <= limit {
			return i
		}
	}
	return len(limits)
}

// number reads whole numbers, and times as NGINX writes them: seconds with three digits behind the point. Of several tries there
// is a list of times, and of none "-": neither is counted.
func number(text []byte, isTime bool) (float64, bool) {
	point := len(text)
	if isTime {
		point -= len(".000")
		if point < 1 || text[point] != '.' {
			return 0, false
		}
	}
	n := 0
	for i, c := range text {
		switch {
		case c >= '0' && c <= '9':
			n = n*10 + int(c-'0')
		case i != point:
			return 0, false
		}
	}
	if isTime {
		return float64(n) / 1000, true
	}
	return float64(n), len(text) > 0
}

// readTail reads the end of a line. Where no location took the request, the host is the server's.
func readTail(text string) (traffic.Labels, bool) {
	f := strings.SplitN(strings.ToValidUTF8(text, "�"), "\t", 4)
	if len(f) != 4 || len(f[0]) != 3 {
		return traffic.Labels{}, false
	}
	labels := traffic.Labels{Status: f[0], Method: f[1], Host: hostName(f[2])}
	if !slices.Contains(methods, labels.Method) {
		labels.Method = "others"
	}
	if f[3] == "" {
		return labels, true
	}
	place := strings.SplitN(f[3], "\t", 7)
	if len(place) != 7 {
		return traffic.Labels{}, false
	}
	labels.Canary, labels.Host, labels.Namespace, labels.Ingress, labels.Service, labels.Path = place[0], place[1], place[2], place[3], place[4], place[6]
	return labels, true
}

// hostName is the host of an Ingress rule that a server name stands for; see nginx.HostName.
func hostName(name string) string {
	suffix, wildcard := strings.CutPrefix(name, `~^(?<subdomain>[\w-]+)\.`)
	if !wildcard {
		return name
	}
	return "*." + strings.TrimSuffix(strings.ReplaceAll(suffix, `\.`, "."), "$")
}
