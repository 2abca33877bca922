package routing

import (
	"maps"
	"reflect"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
)

// Memory remembers what was made of servers, and which shapes routes have needed lately. Servers are known by identity:
// translations hand out the same one for as long as nothing it is made of changes.
type Memory struct {
	http    nginx.HTTP
	options Options // without Live

	last  *splitter // what came of the servers and alternatives that were there last; nil if they are others now
	parts map[*nginx.Server]*part
	turn  int                                   // counts how often all servers were looked at
	lists map[string][]string                   // of names of shapes, by all of them
	hosts persistent.Map[string, *dynamic.Host] // as they were last

	backends     persistent.Map[string, dynamic.Backend] // as they were last
	plain        persistent.Map[string, dynamic.Backend] // the same without alternatives
	alternatives map[string]alternatives                 // by $server_name

	// Shapes that routes have needed, by group: since what is live now is, and in the time of the one before. Workers may
	// have routes of both.
	live         *nginx.Config
	now, earlier map[string]map[string]*nginx.Shape
}

// part is what one server becomes.
type part struct {
	host   *dynamic.Host
	names  []name
	group  string // its key
	routes []int  // indexes of host.Routes, by location
	shapes []*nginx.Shape
	turn   int // the last that asked
}

// NewMemory returns an empty memory.
func NewMemory() *Memory {
	return &Memory{
		parts: map[*nginx.Server]*part{}, lists: map[string][]string{}, now: map[string]map[string]*nginx.Shape{},
		alternatives: map[string]alternatives{},
	}
}

// begin forgets everything if it was made with other settings for all hosts.
func (m *Memory) begin(http nginx.HTTP, o Options) {
	live := o.Live
	o.Live = nil
	if m.options != o || !reflect.DeepEqual(m.http, http) {
		m.http, m.options, m.parts, m.lists, m.last = http, o, map[*nginx.Server]*part{}, map[string][]string{}, nil
	}
	if m.live != live {
		m.live, m.earlier, m.now = live, m.now, map[string]map[string]*nginx.Shape{}
	}
}

// end forgets servers that are no more, once they are as many as those that are.
func (m *Memory) end(servers int) {
	if len(m.parts) > 2*servers {
		maps.DeleteFunc(m.parts, func(_ *nginx.Server, p *part) bool { return p.turn != m.turn })
	}
}

func (m *Memory) part(s *nginx.Server) *part {
	p := m.parts[s]
	if p == nil {
		p = newPart(s, m.http, m.options)
		p.host.Shapes = m.list(p.shapes)
		m.parts[s] = p
	}
	p.turn = m.turn
	return p
}

// takeAlternatives takes them out of backends, ordered as servers need them, and returns what is left of the backends.
func (m *Memory) takeAlternatives(backends persistent.Map[string, dynamic.Backend]) persistent.Map[string, dynamic.Backend] {
	for d := range persistent.Differences(m.backends, backends) {
		if !reflect.DeepEqual(d.Old.Routes, d.New.Routes) {
			m.last = nil
		}
		for server := range d.Old.Routes {
			if delete(m.alternatives[server], d.Key); len(m.alternatives[server]) == 0 {
				delete(m.alternatives, server)
			}
		}
		for server, paths := range d.New.Routes {
			if m.alternatives[server] == nil {
				m.alternatives[server] = alternatives{}
			}
			m.alternatives[server][d.Key] = paths
		}
	}
	if len(m.alternatives) == 0 {
		m.backends, m.plain = backends, backends
		return backends
	}
	for d := range persistent.Differences(m.backends, backends) {
		if d.New.Routes = nil; d.Is {
			m.plain = m.plain.With(d.Key, d.New)
		} else {
			m.plain = m.plain.Without(d.Key)
		}
	}
	m.backends = backends
	return m.plain
}

// known are hosts as a version of those that there were last.
func (m *Memory) known(hosts map[string]*dynamic.Host) persistent.Map[string, *dynamic.Host] {
	for key, host := range hosts {
		if was := m.hosts.At(key); was != host && !reflect.DeepEqual(was, host) {
			m.hosts = m.hosts.With(key, host)
		}
	}
	if m.hosts.Len() > len(hosts) {
		for key := range m.hosts.Keys() {
			if hosts[key] == nil {
				m.hosts = m.hosts.Without(key)
			}
		}
	}
	return m.hosts
}

// Forget drops the shapes that a configuration which NGINX refused has, and the one that is live has not: no worker can have routes
// to them. Live may be nil.
func (m *Memory) Forget(refused, live *nginx.Config) {
	there := map[string]bool{}
	if live != nil {
		for _, server := range live.Servers {
			for _, shape := range server.Shapes {
				there[shape.Name] = true
			}
		}
	}
	for _, server := range refused.Servers {
		for _, shape := range server.Shapes {
			if there[shape.Name] {
				continue
			}
			for _, groups := range []map[string]map[string]*nginx.Shape{m.now, m.earlier} {
				for _, shapes := range groups {
					delete(shapes, shape.Name)
				}
			}
		}
	}
}

// list is the one list of the names of these shapes.
func (m *Memory) list(shapes []*nginx.Shape) []string {
	names := make([]string, len(shapes))
	for i, shape := range shapes {
		names[i] = shape.Name
	}
	key := strings.Join(names, "")
	if m.lists[key] == nil {
		m.lists[key] = names
	}
	return m.lists[key]
}

// note says what a group of hosts needs.
func (m *Memory) note(g *group) {
	if m.now[g.key] == nil {
		m.now[g.key] = map[string]*nginx.Shape{}
	}
	maps.Copy(m.now[g.key], g.shapes)
}

// inUse are the shapes that a group may need.
func (m *Memory) inUse(g *group) map[string]*nginx.Shape {
	all := maps.Clone(m.now[g.key])
	maps.Copy(all, m.earlier[g.key])
	return all
}
