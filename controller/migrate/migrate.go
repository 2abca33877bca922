// Package migrate turns the objects of an ingress-nginx and a plan for them into a report: every annotation, key of the ConfigMap,
// snippet and flag that is in use, how it compares here, and what there is to do.
//
// It makes no plan and reads no file. How settings compare is in differences.json, which a test derives from
// docs/compatibility.md; whether values are taken is what the plan says.
package migrate

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/positions"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// State is how a setting compares with ingress-nginx's.
type State string

// States, the worst last. Of several that hold, the worst is told.
const (
	Same         State = "same"
	Safer        State = "same, and safer"
	Mended       State = "same, but for a fault"
	Differs      State = "differs"
	NoEffect     State = "no effect"
	Unknown      State = "unknown to both"
	NotSupported State = "not supported"
)

// Effort is what somebody has to do about a setting.
type Effort string

// Efforts.
const (
	Nothing Effort = "nothing"
	Look    Effort = "look" // it works or does no harm; what differs is worth knowing
	Work    Effort = "work" // something is lost or not served until it is changed
)

// Item is a setting in use.
type Item struct {
	Object string `json:"object"` // as in "Ingress shop/web"
	Field  string `json:"field"`  // in it
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`

	Kind    string   `json:"kind"` // annotation, key or flag
	Name    string   `json:"name"` // without the prefix of annotations and the dashes of flags
	State   State    `json:"state"`
	Effort  Effort   `json:"effort"`
	Says    []string `json:"says,omitempty"` // what happens, as Problems say it
	ToDo    string   `json:"toDo,omitempty"`
	Links   []string `json:"links,omitempty"`   // to what is told of it
	Snippet *Snippet `json:"snippet,omitempty"` // if it is one
}

// Unread is an object, or a text, that could not be read, so that nothing is known of what it uses.
type Unread struct {
	Object  string `json:"object,omitempty"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Report is what there is to say about a move.
type Report struct {
	Items       []Item      `json:"items"`       // by object and name
	Differences Differences `json:"differences"` // those of the settings in use
	Unread      []Unread    `json:"unread,omitempty"`
	Ingresses   int         `json:"ingresses"` // that were looked at
	Others      int         `json:"others"`    // Ingresses of classes that are not ours, which were not
	Snippets    Level       `json:"snippets"`  // the level that all snippets together need
}

// Input is what a report is made of.
type Input struct {
	Plan        controller.Plan
	ConfigMap   cluster.Name // the controller's; its zero value for none
	Controllers []Controller
	Flags       []Flag
	Differences Differences // all that are known
	// Texts are the manifests by the names of their files, to say where settings stand; nil if the objects come from elsewhere.
	Texts map[string][]byte
}

// Flag is a flag that this program has.
type Flag struct {
	Name     string
	NoEffect string // why it has no effect; "" if it has one
	IsLack   bool   // what it asks for is missing here
	IsIdle   func(value string) bool
}

// Make writes the report.
func Make(in Input) Report {
	r := reporter{Input: in, problems: map[place][]translate.Problem{}, files: map[string]positions.File{}}
	for _, p := range in.Plan.Problems {
		at := place{p.Object.String(), p.Field}
		r.problems[at] = append(r.problems[at], p)
		if p.Reason == translate.UnreadableManifest && p.Severity == cluster.Error {
			r.report.Unread = append(r.report.Unread, Unread{p.Object.String(), p.File, p.Line, p.Message})
		}
	}
	r.ingresses()
	r.configMap()
	r.controllers()
	slices.SortStableFunc(r.report.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(kindOrder(a), kindOrder(b)), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Name, b.Name))
	})
	r.report.Differences = r.Differences.of(r.report.Items)
	return r.report
}

// kindOrder has the controller before the Ingresses.
func kindOrder(i Item) int { return slices.Index([]string{flagKind, keyKind, annotationKind}, i.Kind) }

const annotationKind, keyKind, flagKind = "annotation", "key", "flag"

// NeedsWork tells whether anything does.
func (r Report) NeedsWork() bool { return r.Count(Work) > 0 }

// Count is how many settings, and texts that could not be read, need an effort.
func (r Report) Count(e Effort) int {
	n := 0
	for _, i := range r.Items {
		if i.Effort == e {
			n++
		}
	}
	if e == Work {
		n += len(r.Unread)
	}
	return n
}

// place is a field of an object.
type place struct{ object, field string }

type reporter struct {
	Input
	problems map[place][]translate.Problem
	files    map[string]positions.File // those of Texts that were needed
	report   Report
}

// add puts an item into the report, with what is known of its place. The snapshot knows the files of objects of its kinds only.
func (r *reporter) add(i Item) {
	if at, known := r.Plan.Snapshot.Places[i.Object]; known {
		i.File, i.Line = at.File, at.Line
	}
	if text, isThere := r.Texts[i.File]; isThere {
		file, isParsed := r.files[i.File]
		if !isParsed {
			file = positions.Parse(text)
			r.files[i.File] = file
		}
		if at, found := file.Find(i.Object, i.Field, i.Line); found {
			i.Line, i.Column = at.Line, at.Column
		}
	}
	i.Object, i.Field, i.Name = printable(i.Object), printable(i.Field), printable(i.Name)
	i.Links = r.Differences.named(i.lookup()).links()
	r.report.Items = append(r.report.Items, i)
}

// printable has text that users wrote fit for one line of a report.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// setting is an item for an annotation or a key, as far as the lists and the plan know it.
func (r *reporter) setting(object, field, kind, name string) Item {
	i := Item{Object: object, Field: field, Kind: kind, Name: name, State: r.state(kind, name), Effort: Nothing}
	switch i.State {
	case Differs:
		i.Effort, i.ToDo = Look, "read what differs"
	case Unknown:
		i.Effort, i.ToDo = Look, unknownToDo
	}
	problems := r.problems[place{object, field}]
	for _, p := range problems {
		i.note(p)
	}
	if i.State == NotSupported && len(problems) == 0 {
		i.Says = []string{"this value asks for nothing"}
	}
	return i
}

const unknownToDo = "correct the name, or remove it; ingress-nginx does not know it either"

// note adds what a Problem says of the item.
func (i *Item) note(p translate.Problem) {
	i.Says = append(i.Says, p.Message)
	effort, toDo := Look, "check the value"
	if p.Severity == cluster.Error {
		effort, toDo = Work, "correct the value"
	}
	switch p.Reason {
	case annotations.Unsupported:
		i.State, effort, toDo = NotSupported, Work, "do without it, or leave what needs it with ingress-nginx for now"
	case annotations.NoEffect:
		i.State, effort, toDo = NoEffect, Look, "remove it"
	case annotations.Unknown:
		i.State, effort, toDo = Unknown, Look, unknownToDo
	case annotations.NotAllowed:
		effort, toDo = Work, "allow it in the ConfigMap, or remove it"
	case translate.MissingSecret, translate.MissingConfigMap:
		effort, toDo = Look, "see that it is there: it is not in the input"
	}
	if i.Effort != Work {
		i.Effort, i.ToDo = effort, toDo
	}
}
