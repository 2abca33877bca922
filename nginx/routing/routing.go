package routing

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Options are what routes depend on beside the configuration.
type Options struct {
	TLSPort    int           // for redirects that name it
	HealthPath string        // answers 200 on hosts that nobody names, unless a route of theirs has it
	Live       *nginx.Config // what NGINX runs, as Split has returned it; nil for nothing
}

// Split returns the configuration with shapes in place of locations, and the routes through them. If all that is needed is
// in the one that is live, that is returned as it is, with what is no longer needed; otherwise only what routes that workers may
// still have need stays. Alternatives in backends become a part of the routes. Memory makes later calls cheaper and may be nil.
func Split(c nginx.Config, state dynamic.State, o Options, m *Memory) (nginx.Config, dynamic.State) {
	if m == nil {
		m = NewMemory()
	}
	m.begin(c.HTTP, o)
	state.Backends = m.takeAlternatives(state.Backends)
	if m.last == nil || !isOne(m.last.config.Servers, c.Servers) {
		m.last = split(c, m)
	}
	state.Routes = m.last.routes
	return m.last.compose(o.Live, c.FollowsCost), state
}

// isOne tells whether two lists are one and the same: translations hand out the same one for as long as nothing in it changes.
func isOne(a, b []*nginx.Server) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// split finds the routes of all servers and orders the groups that these fall into.
func split(c nginx.Config, m *Memory) *splitter {
	takesAnyName := slices.ContainsFunc(c.Servers, func(s *nginx.Server) bool { return s.TakesAnyName })
	s := &splitter{config: c, takesAnyName: takesAnyName, memory: m, hosts: make(map[string]*dynamic.Host, len(c.Servers)), groups: map[string]*group{}, taken: map[string]bool{}}
	byDefault := defaultServer(c.Servers)
	s.plain = s.group(groupKey(byDefault), byDefault.Directives) // it is always there, and first
	m.turn++
	for _, server := range c.Servers {
		s.server(server)
	}
	s.plain.need(m.part(logged(byDefault)))
	m.end(len(c.Servers))
	s.nameMore()
	s.blocks = s.serverBlocks()
	s.routes.Hosts, s.hosts = m.known(s.hosts), nil
	return s
}

// logged is the default server as hosts have it that come later: theirs is the same answer for paths that nobody has, but it is
// logged. So there is a shape for it before any host needs one.
func logged(byDefault *nginx.Server) *nginx.Server {
	server := *byDefault
	server.Locations = nil
	for _, l := range byDefault.Locations {
		named := *l
		named.Body = slices.DeleteFunc(slices.Clone(l.Body), func(d nginx.Directive) bool { return d.Name == "access_log" })
		server.Locations = append(server.Locations, &named)
	}
	return &server
}

func defaultServer(servers []*nginx.Server) *nginx.Server {
	if at := slices.IndexFunc(servers, (*nginx.Server).IsDefault); at >= 0 {
		return servers[at]
	}
	return &nginx.Server{Name: "_"}
}

type splitter struct {
	config       nginx.Config
	memory       *Memory
	hosts        map[string]*dynamic.Host // those of routes, while they are being found
	routes       dynamic.Routes
	plain        *group // that of the default server
	groups       map[string]*group
	order        []*group
	blocks       []run           // of the configuration, once all is found
	taken        map[string]bool // keys of names, whatever block they are in
	takesAnyName bool            // the default server does
	named        string          // the host whose servers are being looked at
}

// alternatives are those of a server, by backend and dynamic.RoutePath.
type alternatives map[string]map[string][]dynamic.Alternative

// server makes the entries of a server.
func (s *splitter) server(server *nginx.Server) {
	if server.Name != "" {
		s.named = server.Name
	}
	part := s.memory.part(server)
	host := part.host
	if len(s.memory.alternatives) > 0 {
		if more := s.memory.alternatives[server.Names()[0].Value()]; more != nil {
			host = withAlternatives(part, server, more)
		}
	}
	var block *group // none if all its names are those of others: no request comes to it
	first := ""
	for _, name := range part.names {
		if s.taken[name.key] {
			continue // as with NGINX, the first of two equal expressions counts
		}
		s.taken[name.key] = true
		if first == "" {
			block = s.group(part.group, server.Directives)
			block.need(part)
			first = dynamic.InBlock(block.block(), name.key)
			s.hosts[first] = host
		} else {
			s.hosts[dynamic.InBlock(block.block(), name.key)] = &dynamic.Host{SameAs: first}
		}
		if strings.HasPrefix(name.key, "~") {
			s.routes.Names = append(s.routes.Names, dynamic.NamePattern{Key: name.key, Host: s.named})
		}
		if block != s.plain {
			block.names = append(block.names, name)
		}
	}
}

// name is a name of a server: its key in dynamic.Routes, what NGINX calls it, and the object it comes from.
type name struct {
	key   string
	name  nginx.ServerName
	owner string
	keys  []string // its annotations that make the server differ from others
}

func names(s *nginx.Server) []name {
	var list []name
	if s.Name != "" {
		list = append(list, name{s.Name, nginx.HostName(s.Name), s.Owner, s.Keys})
	}
	for _, alias := range s.Aliases {
		key := alias.Name
		switch {
		case alias.Pattern != "":
			key = "~" + alias.Pattern
		case strings.HasPrefix(key, "*."):
			key = "*" + key
		}
		list = append(list, name{key, alias, s.Owner, s.Keys})
	}
	return list
}

// withAlternatives is the host with the alternatives of its routes. What is remembered stays as it is.
func withAlternatives(p *part, s *nginx.Server, more alternatives) *dynamic.Host {
	with := *p.host
	with.Routes = slices.Clone(p.host.Routes)
	for i, l := range s.Locations {
		with.Routes[p.routes[i]].Alternatives = more[l.Upstream][dynamic.RoutePath(l.Identity.Path, l.Identity.IsExactTwin)]
	}
	return &with
}

// group are the hosts that share a server block, as their settings of that level are the same.
type group struct {
	key        string // all of Directives, as text
	id         string // see block
	directives nginx.Directives
	names      []name // but for those of the default server, which needs few; see nameMore
	shapes     map[string]*nginx.Shape
	needed     map[*string]bool // lists of shapes that are in shapes
}

// block names the server block of the group among the keys of routes; "" is that of hosts without settings of their own.
func (g *group) block() string {
	if g.key == "" {
		return ""
	}
	if g.id == "" {
		sum := sha256.Sum256([]byte(g.key))
		g.id = hex.EncodeToString(sum[:8])
	}
	return g.id
}

// need adds the shapes of a part. Memory has each list of shapes only once.
func (g *group) need(p *part) {
	if len(p.shapes) == 0 || g.needed[&p.host.Shapes[0]] {
		return
	}
	g.needed[&p.host.Shapes[0]] = true
	for _, shape := range p.shapes {
		g.shapes[shape.Name] = shape
	}
}

// groupKey is the same for servers that can share a block. What says $server_name on that level is not shared: that is the first
// name of the block.
func groupKey(server *nginx.Server) string {
	key, err := server.Directives.Encode("")
	if err != nil {
		return err.Error() // rendering will say so
	}
	if server.Directives.Use("server_name") {
		key += "# " + server.Names()[0].Value()
	}
	return key
}

func (s *splitter) group(key string, directives nginx.Directives) *group {
	g := s.groups[key]
	if g == nil {
		g = &group{key: key, directives: directives, shapes: map[string]*nginx.Shape{}, needed: map[*string]bool{}}
		s.groups[key] = g
		s.order = append(s.order, g)
	}
	return g
}

// nameMore gives the default server, which needs no names, those that NGINX would otherwise take for names of a server with
// settings of its own, by a wildcard or an expression. Of its own wildcards it has all then: which of two NGINX prefers depends on
// the kind first, and on the length only then.
func (s *splitter) nameMore() {
	plain := s.plain
	if len(s.order) == 1 {
		return
	}
	fits := func(name) bool { return false }
	elsewhere := map[string]bool{}
	for _, g := range s.order[1:] {
		for _, n := range g.names {
			elsewhere[n.key] = true
			if strings.HasPrefix(n.key, "~") {
				fits = func(name) bool { return true } // what an expression fits is not ours to find out
			} else if _, suffix, is := strings.Cut(n.key, "*."); is {
				before, isExpression := fits, n.isExpression()
				fits = func(other name) bool {
					return before(other) || other.isOpen() || strings.HasSuffix(other.key, "."+suffix) || isExpression && strings.HasPrefix(other.key, "~")
				}
			} else if prefix, is := strings.CutSuffix(n.key, ".*"); is {
				before := fits
				fits = func(other name) bool {
					return before(other) || other.isOpen() || strings.HasPrefix(other.key, prefix+".")
				}
			}
		}
	}
	for _, server := range s.config.Servers {
		if part := s.memory.part(server); part.group == plain.key && !server.IsDefault() {
			for _, n := range part.names {
				if fits(n) && !elsewhere[n.key] {
					plain.names = append(plain.names, n)
				}
			}
		}
	}
	slices.SortStableFunc(plain.names, func(a, b name) int { return cmp.Compare(a.key, b.key) })
	plain.names = slices.CompactFunc(plain.names, func(a, b name) bool { return a.key == b.key })
}

// compose makes the configuration.
func (s *splitter) compose(live *nginx.Config, followsCost bool) nginx.Config {
	out := nginx.Config{HTTP: s.config.HTTP, FollowsCost: followsCost}
	for _, block := range s.blocks {
		server := block.server()
		server.TakesAnyName = block.isDefault && s.takesAnyName
		s.memory.note(block.group)
		server.Shapes = sorted(block.group.shapes)
		out.Servers = append(out.Servers, server)
	}
	if live != nil && holds(*live, out) {
		return *live
	}
	for n, block := range s.blocks {
		out.Servers[n].Shapes = sorted(s.memory.inUse(block.group))
	}
	idle := out.HTTP.Keepalive.Connections
	out.Upstreams = upstreams(out.Servers, idle)
	if out.AsksErrorService() {
		out.Upstreams = append(out.Upstreams, &nginx.Upstream{Name: nginx.ErrorUpstream, Keepalive: idle})
	}
	return out
}

func sorted(shapes map[string]*nginx.Shape) []*nginx.Shape {
	return slices.SortedFunc(maps.Values(shapes), func(a, b *nginx.Shape) int { return cmp.Compare(a.Name, b.Name) })
}

// holds tells whether all that one configuration has is in another.
func holds(live, wanted nginx.Config) bool {
	follows := live.FollowsCost || !wanted.FollowsCost
	return follows && reflect.DeepEqual(live.HTTP, wanted.HTTP) && slices.EqualFunc(live.Servers, wanted.Servers, func(has, wants *nginx.Server) bool {
		if !reflect.DeepEqual(has.Aliases, wants.Aliases) || has.TakesAnyName != wants.TakesAnyName || !reflect.DeepEqual(has.Directives, wants.Directives) {
			return false
		}
		there := map[string]bool{}
		for _, shape := range has.Shapes {
			there[shape.Name] = true
		}
		return !slices.ContainsFunc(wants.Shapes, func(shape *nginx.Shape) bool { return !there[shape.Name] })
	})
}

// backends is the start of the names of upstream blocks. Which backend a request is for is in $backend.
const backends = "backends"

// upstreams are the blocks that shapes use: one for each protocol, as NGINX keeps idle connections by block and address.
func upstreams(servers []*nginx.Server, idleConnections int) []*nginx.Upstream {
	found := map[string]*nginx.Upstream{}
	for _, server := range servers {
		for _, shape := range server.Shapes {
			if shape.Upstream == "" {
				continue
			}
			u := &nginx.Upstream{Name: shape.Upstream, Keepalive: idleConnections}
			if shape.Protocol == nginx.AutoHTTP {
				u.Keepalive = 0 // an idle connection might be TLS or not
			}
			found[u.Name] = u
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *nginx.Upstream) int { return cmp.Compare(a.Name, b.Name) })
}
