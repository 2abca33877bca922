// Package lint turns a plan for manifests into findings: the Problems of the plan, at the lines and columns of their fields, and
// advice that a running controller does not give, as nothing is wrong with what it serves.
//
// It makes no plan and knows no rule of one: whatever Options.Plan says is said here as well. What it does know is that
// manifests may be a part of what a cluster has; see Input.Complete.
package lint

import (
	"cmp"
	"slices"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/positions"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// Input is what is looked at.
type Input struct {
	Plan    controller.Plan
	Objects cluster.Lists     // all that was read
	Texts   map[string][]byte // the manifests, by the names of their files
	// Complete says that there is nothing beside the manifests. Otherwise what they lack may be in the cluster.
	Complete bool
}

// Finding is a Problem and where its field stands.
type Finding struct {
	translate.Problem        // with the line of the field, or that of the object if it cannot be found
	Column            int    // in Unicode code points, from 1; 0 if only the line is known
	Instead           string // the object as it should be written, in YAML; "" if that is not known
}

// Findings are a list of them.
type Findings []Finding

// Check lists what there is to say, by file, line and column.
func Check(in Input) Findings {
	problems := slices.DeleteFunc(slices.Clone(in.Plan.Problems), isForNobody)
	problems = append(problems, advice(in.Plan)...)
	if !in.Complete {
		problems = in.partial(problems)
	}
	var findings Findings
	outdated := outdated(in.Texts)
	for _, p := range problems {
		if !slices.ContainsFunc(outdated, func(f Finding) bool { return isVersionOf(p, f) }) {
			findings = append(findings, Finding{Problem: p})
		}
	}
	findings = append(findings, outdated...)
	in.locate(findings)
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Object.String(), b.Object.String()), cmp.Compare(a.Message, b.Message),
		)
	})
	return findings
}

// isForNobody tells of Problems that a directory with a whole application is full of: objects of kinds that are not for us.
func isForNobody(p translate.Problem) bool {
	return p.Severity == cluster.Info && p.Reason == translate.UnreadableManifest
}

// isVersionOf tells whether a Problem is that the object of a Finding cannot be read in its version. The Problem knows less of the
// object: it was not read.
func isVersionOf(p translate.Problem, f Finding) bool {
	called := []string{f.Object.Kind, f.Object.Kind + " " + f.Object.Name, f.Object.String()}
	return p.Reason == translate.UnreadableManifest && p.File == f.File && p.Line == f.Line && p.Field == f.Field && slices.Contains(called, p.Object.String())
}

// locate finds the places of fields.
func (in Input) locate(findings Findings) {
	files := map[string]positions.File{}
	for i := range findings {
		f := &findings[i]
		if f.File == "" {
			place := in.Plan.Snapshot.Places[f.Object.String()]
			f.File, f.Line = place.File, place.Line
		}
		data, isThere := in.Texts[f.File]
		if !isThere {
			continue
		}
		file, isParsed := files[f.File]
		if !isParsed {
			file = positions.Parse(data)
			files[f.File] = file
		}
		if at, found := file.Find(f.Object.String(), f.Field, f.Line); found {
			f.Line, f.Column = at.Line, at.Column
		}
	}
}

// Count is how many findings have a severity.
func (fs Findings) Count(s cluster.Severity) int {
	n := 0
	for _, f := range fs {
		if f.Severity == s {
			n++
		}
	}
	return n
}
