package cluster

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Objects are what was read from manifests, file by file. The zero value holds none. Like the objects in
// it, it is never changed: what seems to change it makes another.
type Objects struct {
	files []file // sorted by name; where two define an object, the later one counts
}

// file is one manifest, or a directory that could not be listed: that has no entries and has failed.
type file struct {
	name    string
	failed  bool // something in it could not be used, so what is missing may not be meant to be
	entries []entry
}

type entry struct {
	key    key
	line   int
	object object
}

type key struct {
	kind string
	name Name
}

func (k key) String() string { return strings.TrimRight(k.kind+" "+k.name.String(), " ") }

type object interface {
	metav1.Object
	runtime.Object
}

// Place is where in the manifests an object stands.
type Place struct {
	File string
	Line int
}

// FromObjects makes the Snapshot of the objects. Notes and Now are left to the caller, who has them.
func FromObjects(objs Objects) Snapshot { return New(objs.Lists()) }

// Lists are the objects, each once.
func (o Objects) Lists() Lists {
	var lists Lists
	for _, placed := range o.winners() {
		switch object := placed.object.(type) {
		case *networkingv1.Ingress:
			lists.Ingresses = append(lists.Ingresses, object)
		case *networkingv1.IngressClass:
			lists.Classes = append(lists.Classes, object)
		case *corev1.Service:
			lists.Services = append(lists.Services, object)
		case *discoveryv1.EndpointSlice:
			lists.Slices = append(lists.Slices, object)
		case *corev1.Secret:
			lists.Secrets = append(lists.Secrets, object)
		case *corev1.ConfigMap:
			lists.ConfigMaps = append(lists.ConfigMaps, object)
		case *corev1.Namespace:
			lists.Namespaces = append(lists.Namespaces, object)
		}
	}
	return lists
}

// Places tells where each object stands, by what a Note calls it: "Ingress shop/web".
func (o Objects) Places() map[string]Place {
	places := map[string]Place{}
	for _, placed := range o.winners() {
		places[placed.key.String()] = Place{placed.file, placed.line}
	}
	return places
}

// Duplicates has a Note for each object that is defined more than once. Load and Decode report theirs;
// ask again after Merge.
func (o Objects) Duplicates() []Note {
	var notes []Note
	last := map[key]Place{}
	for _, placed := range o.all() {
		if before, ok := last[placed.key]; ok {
			notes = append(notes, Note{
				File: placed.file, Line: placed.line,
				Object:   printable(placed.key.String()),
				Severity: Warning,
				Message:  printable(fmt.Sprintf("defined in %s, line %d, as well; the one here counts", before.File, before.Line)),
			})
		}
		last[placed.key] = Place{placed.file, placed.line}
	}
	return notes
}

// Merge adds newer to o. A file that is in both is the newer one.
func (o Objects) Merge(newer Objects) Objects {
	files := slices.Clone(newer.files)
	replaced := make(map[string]bool, len(files))
	for _, f := range files {
		replaced[f.name] = true
	}
	for _, f := range o.files {
		if !replaced[f.name] {
			files = append(files, f)
		}
	}
	return sorted(files)
}

// Keep returns now, and with it the objects of previous that are missing only because something in their
// file has become unreadable: half a file must not withdraw what the other half served. Objects that have
// moved to another file, and objects of files that are no longer there, are not kept.
func Keep(previous, now Objects) Objects {
	failed := map[string]bool{}
	present := map[key]bool{}
	for _, f := range now.files {
		if f.failed {
			failed[f.name] = true
		}
		for _, e := range f.entries {
			present[e.key] = true
		}
	}
	kept := map[string][]entry{}
	for _, f := range previous.files {
		if !within(failed, f.name) {
			continue
		}
		for _, e := range f.entries {
			if !present[e.key] {
				kept[f.name] = append(kept[f.name], e)
			}
		}
	}
	return now.with(kept)
}

// with adds entries to files, by the name of the file.
func (o Objects) with(more map[string][]entry) Objects {
	files := slices.Clone(o.files)
	for i, f := range files {
		files[i].entries = slices.Concat(f.entries, more[f.name])
		delete(more, f.name)
	}
	// What is left was in a directory that cannot be listed now.
	for name, entries := range more {
		files = append(files, file{name: name, failed: true, entries: entries})
	}
	return sorted(files)
}

// within says whether a file is one of the named files, or somewhere in one of the named directories.
func within(named map[string]bool, name string) bool {
	for !named[name] {
		parent := path.Dir(name)
		if parent == name {
			return false
		}
		name = parent
	}
	return true
}

func sorted(files []file) Objects {
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return Objects{files}
}

// placed is an entry and the file it is in.
type placed struct {
	entry
	file string
}

func (o Objects) all() []placed {
	var all []placed
	for _, f := range o.files {
		for _, e := range f.entries {
			all = append(all, placed{e, f.name})
		}
	}
	return all
}

// winners leaves out what is defined again later.
func (o Objects) winners() []placed {
	var winners []placed
	at := map[key]int{}
	for _, p := range o.all() {
		if i, ok := at[p.key]; ok {
			winners[i] = p
			continue
		}
		at[p.key] = len(winners)
		winners = append(winners, p)
	}
	return winners
}
