package explain

import (
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
)

// sourceOf is a field of an object.
func (w *walk) sourceOf(object, field string) Source {
	place := w.plan.Snapshot.Places[object]
	return Source{Object: object, Field: field, File: place.File, Line: place.Line}
}

// ofPath is the path of the location.
func (w *walk) ofPath() []Source {
	if w.location == nil || w.location.Owner == "" {
		return nil
	}
	return []Source{w.sourceOf(w.location.Owner, w.location.Field)}
}

// from are the annotations that parts of the location come from: names of directives or of fields of nginx.Location.
func (w *walk) from(parts ...string) []Source {
	if w.location == nil {
		return nil
	}
	return w.annotationsOf(w.location.Owner, w.location.Sources, parts)
}

// fromOr is from, or else a field of the Ingress that the host has its certificate from.
func (w *walk) fromOr(part, field string) []Source {
	if list := w.from(part); len(list) > 0 || !w.location.HasTLS {
		return list
	}
	return []Source{w.sourceOf(w.server.Owner, field)}
}

// ofServer are the annotations that parts of the server come from.
func (w *walk) ofServer(parts ...string) []Source {
	sources := w.server.Sources
	if w.server.RedirectTo != "" {
		for _, s := range w.plan.Config.Servers {
			if s.Name == w.server.RedirectTo {
				sources = s.Sources
			}
		}
	}
	return w.annotationsOf(w.server.Owner, sources, parts)
}

func (w *walk) annotationsOf(owner string, sources []nginx.Source, parts []string) []Source {
	var list []Source
	for _, s := range sources {
		if !slices.ContainsFunc(parts, func(part string) bool { return slices.Contains(s.Parts, part) }) {
			continue
		}
		if s.Owner != "" {
			owner = s.Owner
		}
		for _, key := range s.Keys {
			list = append(list, w.sourceOf(owner, "metadata.annotations["+w.spelled(owner, key)+"]"))
		}
	}
	return list
}

// spelled is an annotation as the object has it, which may be another name of it.
func (w *walk) spelled(owner, key string) string {
	for _, i := range w.plan.Snapshot.Ingresses {
		if owner != "Ingress "+i.Namespace+"/"+i.Name {
			continue
		}
		for _, name := range annotations.Spellings(key) {
			if i.Annotations[w.plan.AnnotationsPrefix+"/"+name] != "" {
				return w.plan.AnnotationsPrefix + "/" + name
			}
		}
	}
	return w.plan.AnnotationsPrefix + "/" + key
}

// nameHost says where the name of the host stands.
func (w *walk) nameHost(match HostMatch) {
	host := &w.d.Host
	var from []Source
	switch match {
	case ExactHost, WildcardHost:
		for _, l := range w.server.Locations {
			if l.Owner == w.server.Owner && strings.HasPrefix(l.Field, "spec.rules[") {
				rule, _, _ := strings.Cut(l.Field, ".http")
				host.Field = rule + ".host"
			}
		}
	case AliasHost:
		from = w.ofServer("Aliases")
	case WWWHost:
		from = w.ofServer("WWW")
	case DefaultHost:
		host.Source = Source{}
	}
	if len(from) > 0 {
		host.Source = from[0]
	}
}

// problems are those of objects that the decision has to do with.
func (w *walk) problems() translate.Problems {
	concerned := map[string]bool{w.d.Host.Object: true}
	note := func(list ...Source) {
		for _, s := range list {
			concerned[s.Object] = true
		}
	}
	for _, p := range w.d.Paths {
		if p.Matches {
			note(p.Source)
		}
	}
	for _, s := range w.d.Steps {
		note(s.From...)
	}
	if b := w.d.Outcome.Backend; b != nil {
		for _, s := range b.Shares {
			note(s.Source)
			concerned["Service "+s.Service] = true
		}
	}
	delete(concerned, "")
	var list translate.Problems
	for _, p := range w.plan.Problems {
		if concerned[p.Object.String()] || p.Object.Kind == "ConfigMap" && p.Severity > 0 {
			list = append(list, p)
		}
	}
	return list
}
