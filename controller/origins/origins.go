// Package origins says what in the objects a part of a plan comes from: an Ingress, and in there a path or an annotation; or a key of
// the ConfigMap. It turns a plan's nginx.Config into Sources, and its nginx.conf into one with them beside the lines.
//
// It has no rule of its own about annotations: features note what they write, and what the ConfigMap does shows in plans without
// one key after the other. It asks nobody.
package origins

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx"
)

// Source is what in the objects something comes from.
type Source struct {
	Object string `json:"object,omitempty"` // as in "Ingress shop/web"; "" for the controller's own settings
	Field  string `json:"field,omitempty"`  // as in spec.rules[0].http.paths[1].path
	File   string `json:"file,omitempty"`   // where the object was read from, if from a file
	Line   int    `json:"line,omitempty"`
}

// String names the source in a line.
func (s Source) String() string {
	if s.File == "" {
		return s.Name()
	}
	return fmt.Sprintf("%s (%s:%d)", s.Name(), s.File, s.Line)
}

// Name is the object and the field.
func (s Source) Name() string { return strings.Trim(s.Object+" "+s.Field, " ") }

// Reader finds the Sources of one plan.
type Reader struct {
	plan      controller.Plan
	ingresses map[string]*networkingv1.Ingress // by what Problems call them
}

// Of reads a plan.
func Of(plan controller.Plan) *Reader {
	r := &Reader{plan, make(map[string]*networkingv1.Ingress, len(plan.Snapshot.Ingresses))}
	for _, i := range plan.Snapshot.Ingresses {
		r.ingresses["Ingress "+i.Namespace+"/"+i.Name] = i
	}
	return r
}

// At is a field of an object.
func (r *Reader) At(object, field string) Source {
	place := r.plan.Snapshot.Places[object]
	return Source{Object: object, Field: field, File: place.File, Line: place.Line}
}

// Annotation is an annotation, as the Ingress spells it, which may be by another name of it.
func (r *Reader) Annotation(ingress, key string) Source {
	return r.At(ingress, "metadata.annotations["+r.spelled(ingress, key)+"]")
}

// Ingress is the one that Problems call so; nil if there is none.
func (r *Reader) Ingress(called string) *networkingv1.Ingress { return r.ingresses[called] }

// Value is the value of an annotation by its full key; "" if there is none.
func (r *Reader) Value(ingress, key string) string {
	if i := r.ingresses[ingress]; i != nil {
		return i.Annotations[key]
	}
	return ""
}

// Annotations are all that an Ingress has of those that may mean something to us.
func (r *Reader) Annotations(ingress string) []Source {
	var list []Source
	if i := r.ingresses[ingress]; i != nil {
		for _, key := range slices.Sorted(maps.Keys(i.Annotations)) {
			if strings.HasPrefix(key, r.plan.AnnotationsPrefix+"/") {
				list = append(list, r.At(ingress, "metadata.annotations["+key+"]"))
			}
		}
	}
	return list
}

func (r *Reader) spelled(ingress, key string) string {
	prefix := r.plan.AnnotationsPrefix + "/"
	if i := r.ingresses[ingress]; i != nil {
		for _, name := range annotations.Spellings(key) {
			if i.Annotations[prefix+name] != "" {
				return prefix + name
			}
		}
	}
	return prefix + key
}

// Path is where the path of a location stands; nothing if nobody wrote it.
func (r *Reader) Path(l *nginx.Location) []Source {
	if l == nil || l.Owner == "" {
		return nil
	}
	return []Source{r.At(l.Owner, l.Field)}
}

// Location are the annotations that parts of a location come from: names of directives or of fields of nginx.Location.
func (r *Reader) Location(l *nginx.Location, parts ...string) []Source {
	if l == nil {
		return nil
	}
	return r.annotations(l.Owner, l.Sources, parts)
}

// Server are the annotations that parts of a server come from. Of one that only redirects, they are those of the other.
func (r *Reader) Server(s *nginx.Server, parts ...string) []Source {
	sources := s.Sources
	if s.RedirectTo != "" {
		for _, other := range r.plan.Config.Servers {
			if other.Name == s.RedirectTo {
				sources = other.Sources
			}
		}
	}
	return r.annotations(s.Owner, sources, parts)
}

func (r *Reader) annotations(owner string, sources []nginx.Source, parts []string) []Source {
	var list []Source
	for _, s := range sources {
		if !slices.ContainsFunc(parts, func(part string) bool { return slices.Contains(s.Parts, part) }) {
			continue
		}
		for _, key := range s.Keys {
			list = append(list, r.Annotation(cmp.Or(s.Owner, owner), key))
		}
	}
	return list
}

// Host is where the name of a host stands; nothing if no rule has it.
func (r *Reader) Host(s *nginx.Server) []Source {
	if s.RedirectTo != "" {
		return r.Server(s, "WWW")
	}
	for _, l := range s.Locations {
		if l.Owner == s.Owner && strings.HasPrefix(l.Field, "spec.rules[") {
			rule, _, _ := strings.Cut(l.Field, ".http")
			return []Source{r.At(s.Owner, rule+".host")}
		}
	}
	if s.Owner == "" {
		return nil
	}
	return []Source{r.At(s.Owner, "")}
}
