// Command tally reads what `go test -json` prints and tells people: a line for each package, all output of what failed,
// and at the end how many tests passed.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	ok, err := tally(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action  string
	Package string // empty while it is built
	Test    string // empty for the package as a whole
	Output  string
	Elapsed float64
}

// tests are those of one package, by name; what the package itself prints has no name.
type tests struct {
	result map[string]string // pass, fail or skip
	output map[string][]string
}

// tally returns whether all passed.
func tally(in io.Reader, out io.Writer) (bool, error) {
	run := run{out: out, packages: map[string]*tests{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		run.line(line)
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(run.packages)) {
		run.end(event{Action: "fail", Package: name}) // it never ended
	}
	fmt.Fprintln(out, run.total)
	return run.total.failed == 0, nil
}

// run is what is known of a run so far.
type run struct {
	out      io.Writer
	packages map[string]*tests // those that have not ended
	total    counts
}

func (r *run) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.out, line) // not an event: go itself has something to say
		return
	}
	if e.Package == "" {
		fmt.Fprint(r.out, e.Output) // of a build
		return
	}
	if r.packages[e.Package] == nil {
		r.packages[e.Package] = &tests{map[string]string{}, map[string][]string{}}
	}
	if r.packages[e.Package].take(e) {
		r.end(e)
	}
}

func (r *run) end(e event) {
	r.total.add(r.packages[e.Package].report(e, r.out))
	delete(r.packages, e.Package)
}

// take notes an event. It returns true at the last one of the package.
func (p *tests) take(e event) bool {
	switch e.Action {
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "run":
		p.result[e.Test] = "fail" // until it says otherwise
	case "pass", "fail", "skip":
		if e.Test == "" {
			return true
		}
		p.result[e.Test] = e.Action
		if e.Action == "pass" {
			delete(p.output, e.Test)
		}
	}
	return false
}

// report prints the line of a package and why it failed.
func (p *tests) report(end event, out io.Writer) counts {
	c := p.count()
	if end.Action == "fail" {
		for _, test := range slices.Sorted(maps.Keys(p.output)) {
			if test == "" || p.result[test] == "fail" {
				fmt.Fprint(out, strings.Join(p.output[test], ""))
			}
		}
		if c.failed == 0 { // a build or an exit outside a test
			c.failed = 1
		}
		fmt.Fprintf(out, "FAIL  %s  %s\n", end.Package, c)
		return c
	}
	for _, test := range slices.Sorted(maps.Keys(p.result)) {
		if p.result[test] == "skip" {
			fmt.Fprint(out, strings.Join(p.output[test], ""))
		}
	}
	if c != (counts{}) {
		fmt.Fprintf(out, "ok    %s  %s  %.1fs\n", end.Package, c, end.Elapsed)
	}
	return c
}

// count counts tests that have no subtests, and those that failed although their subtests did not.
func (p *tests) count() counts {
	var c counts
	passedParents, failedParents := map[string]bool{}, map[string]bool{}
	// Subtests first.
	for _, test := range slices.SortedFunc(maps.Keys(p.result), func(a, b string) int {
		return cmp.Compare(strings.Count(b, "/"), strings.Count(a, "/"))
	}) {
		result := p.result[test]
		isParent := passedParents[test] || failedParents[test]
		if i := strings.LastIndex(test, "/"); i >= 0 {
			passedParents[test[:i]] = true
			if result == "fail" {
				failedParents[test[:i]] = true
			}
		}
		switch {
		case result == "fail" && !failedParents[test]:
			c.failed++
		case isParent:
		case result == "pass":
			c.passed++
		case result == "skip":
			c.skipped++
		}
	}
	return c
}

type counts struct{ passed, failed, skipped int }

func (c *counts) add(other counts) {
	c.passed += other.passed
	c.failed += other.failed
	c.skipped += other.skipped
}

func (c counts) String() string {
	s := fmt.Sprintf("%d passed, %d failed", c.passed, c.failed)
	if c.skipped > 0 {
		s += fmt.Sprintf(", %d skipped", c.skipped)
	}
	return s
}
