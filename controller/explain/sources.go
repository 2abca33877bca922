package explain

import (
	"github.com/sluice-ingress/sluice/controller/translate"
)

// sourceOf is a field of an object.
func (w *walk) sourceOf(object, field string) Source { return w.sources.At(object, field) }

// ofPath is the path of the location.
func (w *walk) ofPath() []Source { return w.sources.Path(w.location) }

// from are the annotations that parts of the location come from.
func (w *walk) from(parts ...string) []Source { return w.sources.Location(w.location, parts...) }

// fromOr is from, or else a field of the Ingress that the host has its certificate from.
func (w *walk) fromOr(part, field string) []Source {
	if list := w.from(part); len(list) > 0 || !w.location.HasTLS {
		return list
	}
	return []Source{w.sourceOf(w.server.Owner, field)}
}

// ofServer are the annotations that parts of the server come from.
func (w *walk) ofServer(parts ...string) []Source { return w.sources.Server(w.server, parts...) }

// nameHost says where the name of the host stands.
func (w *walk) nameHost(match HostMatch) {
	host := &w.d.Host
	var from []Source
	switch match {
	case ExactHost, WildcardHost:
		from = w.sources.Host(w.server)
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
