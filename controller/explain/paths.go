package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// findLocation finds the location for the path, as ngx_http_core_find_location does, and does what NGINX does right then: it
// refuses bodies that are too large, and adds a slash. It is false if that ends the request.
func (w *walk) findLocation() bool {
	w.location, w.body, w.inner = nil, nil, nil
	if w.isHealth() {
		w.step("health", Answers, "the path tells load balancers that NGINX runs")
		w.d.Outcome.Status = 200
		return false
	}
	l, addsSlash := w.match()
	w.paths(l, addsSlash)
	if l == nil {
		w.fail(404)
		return false
	}
	w.location = l
	w.body = slices.Concat(parsed(l.Preflight), parsed(l.Early), parsed(l.Body))
	if !w.isChunked() && !w.fits(l.MaxBody, "") {
		return false
	}
	if addsSlash {
		w.step("slash", Answers, "the path is redirected to itself with a slash, which is the only one that there is", w.ofPath()...)
		w.redirect(301, value{text: nginx.EscapePath(l.Path) + questionMark(w.args) + w.args})
		return false
	}
	return true
}

// fits tells whether the body is within a limit in bytes, 0 for none; where is said of it. It is false if that ends the request.
func (w *walk) fits(limit int64, where string) bool {
	if limit == 0 || w.request.Body <= limit {
		return true
	}
	return w.refuse("size of the body", 413, fmt.Sprintf("%d bytes are more than the %d allowed%s", w.request.Body, limit, where))
}

// isHealth tells whether the request asks for the controller's own path for load balancers.
func (w *walk) isHealth() bool {
	path := w.render.Health()
	if !w.server.IsDefault() || w.uri != path || w.server.HasExact(path) {
		return false
	}
	return w.plan.Config.HTTP.MaxBody == 0 || w.isChunked() || w.request.Body <= w.plan.Config.HTTP.MaxBody
}

// match finds the location: the exact one; or, if one is the path with a slash behind it, that; or the first expression that is
// found; or the longest prefix.
func (w *walk) match() (l *nginx.Location, addsSlash bool) {
	var longest, slash *nginx.Location
	for _, l := range w.server.Locations {
		switch {
		case l.Match == nginx.Exact && l.Path == w.uri:
			return l, false
		case l.Match != nginx.Pattern && l.Path == w.uri+"/" && (slash == nil || l.Match == nginx.Exact):
			slash = l
		case l.Match == nginx.Prefix && strings.HasPrefix(w.uri, l.Path) && (longest == nil || len(l.Path) > len(longest.Path)):
			longest = l
		}
	}
	// Only where requests are passed on.
	if slash != nil && slash.Upstream != "" && (longest == nil || longest.Path != w.uri) {
		return slash, true
	}
	for _, l := range w.server.Locations {
		if l.Match == nginx.Pattern && w.finds(l) {
			return l, false
		}
	}
	return longest, false
}

func (w *walk) finds(l *nginx.Location) bool {
	groups, err := w.search(l.Path, true, w.uri)
	if err != nil {
		w.notFollowed("the path " + l.Path + " (" + err.Error() + ")")
	}
	return groups != nil
}

// paths says of each path of the host why it wins or loses. What is not of an object is left out unless it wins.
func (w *walk) paths(winner *nginx.Location, addsSlash bool) {
	if w.d.Paths != nil {
		return // a rewrite leads elsewhere: the steps say so
	}
	seen := map[string]int{}
	for _, l := range w.server.Locations {
		p := Path{Text: l.Identity.Path, Type: pathType(l, w.server), Source: w.sourceOf(l.Owner, l.Field)}
		p.Matches, p.Why = w.judge(l, winner, addsSlash)
		if p.Wins = l == winner; !p.Wins && l.Field == "" {
			continue
		}
		// A Prefix path is two locations.
		key := p.Type + p.Text + p.Object
		if at, is := seen[key]; is {
			if !w.d.Paths[at].Matches && (p.Matches || l.Match == nginx.Prefix) {
				w.d.Paths[at] = p
			}
			continue
		}
		seen[key] = len(w.d.Paths)
		w.d.Paths = append(w.d.Paths, p)
	}
	rank := func(p Path) int {
		switch {
		case p.Wins:
			return 0
		case p.Matches:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(w.d.Paths, func(a, b Path) int { return cmp.Compare(rank(a), rank(b)) })
}

func pathType(l *nginx.Location, s *nginx.Server) string {
	switch {
	case l.Match == nginx.Pattern:
		return "regular expression"
	case l.Match == nginx.Exact && !slices.ContainsFunc(s.Locations, func(other *nginx.Location) bool {
		return other.Match == nginx.Prefix && other.Identity == l.Identity
	}):
		return "Exact"
	}
	return "Prefix"
}

// judge says whether a location takes the path, and why it wins or not.
func (w *walk) judge(l, winner *nginx.Location, addsSlash bool) (matches bool, why string) {
	if l == winner {
		return true, w.whyWins(l, addsSlash)
	}
	switch l.Match {
	case nginx.Exact:
		return false, fmt.Sprintf("%q is not the path", l.Path)
	case nginx.Prefix:
		switch {
		case !strings.HasPrefix(w.uri, l.Path) && strings.HasPrefix(w.uri, strings.TrimSuffix(l.Path, "/")) && l.Identity.Path != "/":
			return false, "what follows is not another element of the path"
		case !strings.HasPrefix(w.uri, l.Path):
			return false, "the path does not begin so"
		case winner != nil && winner.Match == nginx.Exact:
			return true, "an exact match comes before"
		}
		return true, "a longer path takes it"
	}
	if !w.finds(l) {
		return false, "the expression is not found"
	}
	return true, "expressions are tried by the length of their text, and a longer one is found before"
}

func (w *walk) whyWins(l *nginx.Location, addsSlash bool) string {
	switch {
	case addsSlash:
		return "it is the path with a slash behind it"
	case l.Field == "":
		return "no path of the host takes it"
	case l.Match == nginx.Exact:
		return "it is the path itself"
	case l.Match == nginx.Prefix && l.Path == "/":
		return "no other path takes it"
	case l.Match == nginx.Prefix:
		return "it is the longest that the path begins with"
	}
	return "it is the first expression that is found, in any case and from the start; the longest texts are tried first"
}

// identify sets the variables that name the objects behind a location.
func (w *walk) identify() {
	l := w.location
	for name, text := range map[string]string{
		"sluice_place": l.Place(w.server), "backend": l.BackendName(), "proxy_upstream_name": l.UpstreamName(),
	} {
		w.set[name] = value{text: text}
	}
	if l.Identity.IsExactTwin {
		w.set["path_type"] = value{text: "Exact"}
	}
	if l.Fallback != "" {
		w.set["fallback"] = value{text: l.Fallback}
	}
}
