package routing

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// isExpression tells whether NGINX is told a name as a regular expression: a pattern, or the wildcard of an Ingress.
func (n name) isExpression() bool {
	return strings.HasPrefix(n.key, "~") || strings.HasPrefix(n.key, "*.")
}

// isOpen tells whether a name is a wildcard of any number of labels. NGINX prefers those to expressions.
func (n name) isOpen() bool {
	return strings.HasPrefix(n.key, "**.") || !strings.HasPrefix(n.key, "~") && strings.HasSuffix(n.key, ".*")
}

// run are names of one group that share a server block: expressions that follow each other among all, or all other names.
type run struct {
	group     *group
	names     []name
	isDefault bool // names of no server lead here too
}

// runs takes the expressions out of the names of all groups, if more than one has any, and returns them in the order in which
// compiled mode has them tried. NGINX tries those of one server block before those of the next, so a group gets a further
// block for each of its runs.
func (s *splitter) runs() []run {
	place := map[string]int{}
	for _, server := range s.config.Servers {
		for _, n := range s.memory.part(server).names {
			if _, placed := place[n.key]; !placed {
				place[n.key] = len(place)
			}
		}
	}
	var all []run
	groups := 0
	for _, g := range s.order {
		if slices.ContainsFunc(g.names, name.isExpression) {
			groups++
		}
		for _, n := range g.names {
			if n.isExpression() {
				all = append(all, run{group: g, names: []name{n}})
			}
		}
	}
	if groups < 2 {
		return nil
	}
	for _, g := range s.order {
		g.names = slices.DeleteFunc(g.names, name.isExpression)
	}
	slices.SortFunc(all, func(a, b run) int { return cmp.Compare(place[a.names[0].key], place[b.names[0].key]) })
	runs := all[:0]
	for _, r := range all {
		if last := len(runs) - 1; last >= 0 && runs[last].group == r.group {
			runs[last].names = append(runs[last].names, r.names...)
		} else {
			runs = append(runs, r)
		}
	}
	return runs
}

// serverBlocks are those of the configuration: one for each group, and those of runs. The default server is the first, or the
// last if it takes any name. It takes names out of groups, so it is called once.
func (s *splitter) serverBlocks() []run {
	plain := s.plain
	slices.SortFunc(s.order[1:], func(a, b *group) int { return cmp.Compare(a.key, b.key) })
	runs := s.runs()
	var list []run
	for _, g := range s.order[1:] {
		if len(g.names) > 0 { // else it has runs only
			list = append(list, run{group: g, names: g.names})
		}
	}
	list = append(list, runs...)
	if s.takesAnyName {
		return append(list, run{plain, plain.names, true})
	}
	return append([]run{{plain, plain.names, true}}, list...)
}

// server makes the block, without shapes.
func (r run) server() *nginx.Server {
	server := &nginx.Server{Directives: r.group.directives, Block: r.group.block()}
	if r.isDefault {
		server.Name = "_"
	}
	for _, n := range r.names {
		server.Aliases, server.Owners = append(server.Aliases, n.name), append(server.Owners, n.owner)
		server.OwnersKeys = append(server.OwnersKeys, n.keys)
	}
	return server
}
