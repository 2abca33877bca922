// Package report turns what bench has measured into a table of Markdown, JSON and curves. It decides nothing about what
// is measured.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// Report is one run.
type Report struct {
	Commit   string    `json:"commit"`
	Machine  string    `json:"machine"`  // the kind, not the name
	Programs string    `json:"programs"` // versions
	Quick    bool      `json:"quick,omitempty"`
	Subjects []string  `json:"subjects"` // what was compared; ratios are to the first
	Results  []*Result `json:"results"`
}

// Result is one quantity, measured at one size.
type Result struct {
	Row       string `json:"row"`
	Ingresses int    `json:"ingresses"`
	Quantity  string `json:"quantity"`
	Unit      string `json:"unit"`
	// Quantiles are what tables and curves show of the samples; the median if empty.
	Quantiles []float64 `json:"quantiles,omitempty"`
	Curve     bool      `json:"curve,omitempty"`
	// Samples are by subject, in the order in which they were taken. Those with the same index were taken one right after the
	// other if Paired.
	Samples map[string][]float64 `json:"samples"`
	Paired  bool                 `json:"paired,omitempty"`
	// Without are samples of the same subjects without what the row is about; ratios are to these, if there are any.
	Without map[string][]float64 `json:"without,omitempty"`
	// Course is set if samples are a course in time, one for each second.
	Course bool `json:"course,omitempty"`

	former map[string]bool // subjects whose samples are those of a former run
}

// Continue begins with what a former run has measured, of the same programs on such a machine. What is measured of a subject again
// takes the place of that.
func (r *Report) Continue(former *Report) error {
	if former.Commit != r.Commit || former.Machine != r.Machine || former.Programs != r.Programs || former.Quick != r.Quick {
		return fmt.Errorf("continue a run of commit %s on %s, %s: this one is of %s on %s, %s", former.Commit, former.Machine, former.Programs, r.Commit, r.Machine, r.Programs)
	}
	for _, result := range former.Results {
		result.former = map[string]bool{}
		for _, samples := range []map[string][]float64{result.Samples, result.Without} {
			for subject := range samples {
				result.former[subject] = true
			}
		}
	}
	r.Results = former.Results
	for _, subject := range r.Subjects {
		if !slices.Contains(former.Subjects, subject) {
			former.Subjects = append(former.Subjects, subject)
		}
	}
	r.Subjects = former.Subjects
	return nil
}

// forget drops what a former run has measured of a subject.
func (r *Result) forget(subject string) {
	if r.former[subject] {
		delete(r.former, subject)
		delete(r.Samples, subject)
		delete(r.Without, subject)
	}
}

// Result returns the result like the given one, without samples at first.
func (r *Report) Result(like Result) *Result {
	for _, have := range r.Results {
		if have.Row == like.Row && have.Ingresses == like.Ingresses && have.Quantity == like.Quantity {
			return have
		}
	}
	like.Samples = map[string][]float64{}
	r.Results = append(r.Results, &like)
	return &like
}

// Add adds samples of a subject.
func (r *Result) Add(subject string, samples ...float64) {
	r.forget(subject)
	r.Samples[subject] = append(r.Samples[subject], samples...)
}

// AddWithout adds samples to Without.
func (r *Result) AddWithout(subject string, samples ...float64) {
	r.forget(subject)
	if r.Without == nil {
		r.Without = map[string][]float64{}
	}
	r.Without[subject] = append(r.Without[subject], samples...)
}

func (r *Result) quantiles() []float64 {
	if len(r.Quantiles) == 0 {
		return []float64{0.5}
	}
	return r.Quantiles
}

// quantile of a list that need not be sorted. The median of an even number of samples is between the two in the middle.
func quantile(list []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	at := min(len(sorted)-1, int(share*float64(len(sorted))))
	if share == 0.5 && len(sorted)%2 == 0 {
		return (sorted[at-1] + sorted[at]) / 2
	}
	return sorted[at]
}

// Thin gives so many of a list of samples, in order and evenly spread over it, or all if there are no more.
func Thin(samples []float64, most int) []float64 {
	if len(samples) <= most {
		return samples
	}
	sorted, some := slices.Sorted(slices.Values(samples)), make([]float64, most)
	for i := range some {
		some[i] = sorted[(2*i+1)*len(sorted)/(2*most)]
	}
	return some
}

// WriteJSON writes all there is.
func (r *Report) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WritePage writes the table and the curves as a page of Markdown.
func (r *Report) WritePage(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measured\n\n<!-- Written by make bench; do not edit. -->\n\nCommit %s, on %s; %s.\n", r.Commit, r.Machine, r.Programs)
	if r.Quick {
		b.WriteString("**A quick run: these numbers show that the measurement works, nothing else.**\n")
	}
	fmt.Fprintf(&b, "In brackets: how many times the value of %s, or in rows that begin with “with” that of the same server without. [README.md](README.md) says what each row is.\n\n", r.Subjects[0])
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if err := r.WriteTable(w); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Curves())) {
		if _, err := fmt.Fprintf(w, "\n![%s](%s)\n", strings.TrimSuffix(name, ".svg"), name); err != nil {
			return err
		}
	}
	return nil
}

// WriteTable writes one table of Markdown.
func (r *Report) WriteTable(w io.Writer) error {
	rows := [][]string{append([]string{"", "Ingresses", "", "unit"}, r.Subjects...), {"---", "--:", "---", "---"}}
	for range r.Subjects {
		rows[1] = append(rows[1], "--:")
	}
	for _, result := range r.Results {
		if result.Course {
			continue
		}
		for _, q := range result.quantiles() {
			row := []string{result.Row, fmt.Sprint(result.Ingresses), result.Quantity + name(q), result.Unit}
			for _, subject := range r.Subjects {
				row = append(row, result.cell(r.Subjects[0], subject, q))
			}
			rows = append(rows, row)
		}
	}
	_, err := io.WriteString(w, align(rows))
	return err
}

// name is empty for the median of samples that are no distribution of their own.
func name(q float64) string {
	switch q {
	case 0.5:
		return ""
	case 1:
		return ", longest"
	}
	return fmt.Sprintf(", p%.0f", 100*q)
}

func (r *Result) cell(first, subject string, q float64) string {
	samples, base := r.Samples[subject], r.Samples[first]
	if len(samples) == 0 {
		return "–"
	}
	text := number(quantile(samples, q))
	if without := r.Without[subject]; len(without) > 0 {
		base = without
	} else if subject == first || len(base) == 0 {
		return text
	}
	ratio := quantile(samples, q) / quantile(base, q)
	if r.Paired && len(samples) == len(base) && q == 0.5 {
		// Noise that lasts longer than a round is in both of a pair.
		ratios := make([]float64, len(samples))
		for i := range samples {
			ratios[i] = samples[i] / base[i]
		}
		ratio = quantile(ratios, q)
	}
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return text
	}
	if ratio != 0 && ratio < 0.1 {
		return fmt.Sprintf("%s (%s)", text, number(ratio))
	}
	return fmt.Sprintf("%s (%.2f)", text, ratio)
}

// number has three digits that count, and all before the point.
func number(v float64) string {
	if v == 0 || math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return fmt.Sprintf("%.*f", min(digits, 6), v)
}

// align makes a table that can also be read as it is.
func align(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			fill := widths[i] - len([]rune(cell))
			switch rightAligned := strings.HasSuffix(rows[1][i], ":"); {
			case n == 1 && rightAligned:
				cell = strings.Repeat("-", widths[i]-1) + ":"
			case n == 1:
				cell = strings.Repeat("-", widths[i])
			case rightAligned:
				cell = strings.Repeat(" ", fill) + cell
			default:
				cell += strings.Repeat(" ", fill)
			}
			fmt.Fprintf(&b, "| %s ", cell)
		}
		b.WriteString("|\n")
	}
	return b.String()
}
