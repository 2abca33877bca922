package templates

import (
	"reflect"

	"github.com/sluice-ingress/sluice/nginx"
)

// Memory remembers the texts of servers and upstreams from one rendering to the next. Servers are known by
// identity: translations hand out the same one for as long as nothing it is made of changes. What is
// remembered never changes a byte, only how long it takes.
type Memory struct {
	set     *Set
	options Options
	http    nginx.HTTP

	servers, newServers     map[*nginx.Server]Fragment
	upstreams, newUpstreams map[string]rememberedUpstream
}

type rememberedUpstream struct {
	keepalive  int
	endpoints  []string
	bare, text string // without and with endpoints
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{} }

// begin forgets what the last rendering had no use for, and everything if it was made with other templates
// or other settings for all hosts.
func (m *Memory) begin(set *Set, o Options, http nginx.HTTP) {
	m.servers, m.upstreams = m.newServers, m.newUpstreams
	if m.set != set || !reflect.DeepEqual(m.options, o) || !reflect.DeepEqual(m.http, http) {
		m.set, m.options, m.http = set, o, http
		m.servers, m.upstreams = nil, nil
	}
	m.newServers = make(map[*nginx.Server]Fragment, len(m.servers))
	m.newUpstreams = make(map[string]rememberedUpstream, len(m.upstreams))
}
