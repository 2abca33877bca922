package explain

import (
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// names are all names of servers, as NGINX orders them.
type names struct {
	exact     map[string]place
	suffixes  map[string]place // "*.example.com", by the text behind the star
	prefixes  map[string]place // "example.*", by the text before the star
	patterns  []patternPlace
	byDefault *nginx.Server
}

// place is a name of a server: its own, or one of its aliases.
type place struct {
	server *nginx.Server
	alias  bool
}

type patternPlace struct {
	place
	expression string
}

// namesOf orders the names. Of equal ones NGINX keeps the first.
func namesOf(servers []*nginx.Server) names {
	n := names{exact: map[string]place{}, suffixes: map[string]place{}, prefixes: map[string]place{}}
	for _, s := range servers {
		if s.IsDefault() {
			n.byDefault = s
		}
		if s.Name != "" {
			n.add(nginx.HostName(s.Name), place{s, false})
		}
		for _, alias := range s.Aliases {
			n.add(alias, place{s, true})
		}
	}
	return n
}

func (n *names) add(name nginx.ServerName, p place) {
	put := func(m map[string]place, key string) {
		if _, taken := m[key]; !taken {
			m[key] = p
		}
	}
	switch {
	case name.Pattern != "":
		n.patterns = append(n.patterns, patternPlace{p, name.Pattern})
	case strings.HasPrefix(name.Name, "*."):
		put(n.suffixes, name.Name[1:])
	case strings.HasSuffix(name.Name, ".*"):
		put(n.prefixes, name.Name[:len(name.Name)-1])
	default:
		put(n.exact, name.Name)
	}
}

// find finds the server for a name as ngx_http_find_virtual_server does: a text, the longest wildcard at the beginning, the
// longest at the end, expressions in their order. Groups of an expression become variables.
func (w *walk) find(name string) (place, HostMatch) {
	n := w.names
	if p, is := n.exact[name]; is {
		switch {
		case p.server.IsDefault():
			return p, DefaultHost
		case p.server.RedirectTo != "":
			return p, WWWHost
		case p.alias:
			return p, AliasHost
		}
		return p, ExactHost
	}
	for at := range len(name) {
		if p, is := n.suffixes[name[at:]]; is && at > 0 && name[at] == '.' {
			return p, AliasHost
		}
	}
	for at := len(name) - 1; at > 0; at-- {
		if p, is := n.prefixes[name[:at+1]]; is && name[at] == '.' {
			return p, AliasHost
		}
	}
	for _, p := range n.patterns {
		groups, err := w.search(p.expression, true, name)
		if err != nil {
			w.notFollowed("the server name ~" + p.expression + " (" + err.Error() + ")")
			continue
		}
		if groups == nil {
			continue
		}
		w.keep(groups)
		if p.alias {
			return p.place, AliasHost
		}
		return p.place, WildcardHost
	}
	return place{server: n.byDefault}, DefaultHost
}
