package templates

import (
	"reflect"
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
)

// Memory remembers the texts of servers and upstreams from one rendering to the next. Servers are known by
// identity: translations hand out the same one for as long as nothing it is made of changes. What is
// remembered never changes a byte, only how long it takes.
type Memory struct {
	set     *Set
	options Options
	http    nginx.HTTP
	streams nginx.Streams

	servers   map[*nginx.Server]renderedServer
	upstreams map[string]rememberedUpstream

	last written
}

// renderedServer is the text of a server, and where its locations or shapes stand in it.
type renderedServer struct {
	Fragment
	lines int // with what separates it from the next
	parts []nginx.Span
	needs []string // of its locations or shapes, each only once
}

// written is what was written last. What is made of lists that have not changed since is taken from here.
type written struct {
	servers []*nginx.Server
	texts   []string

	upstreams    []*nginx.Upstream
	upstreamText []byte
	hash         []byte // of upstreams without their endpoints

	main mainText // zero if something in it has changed
}

// mainText is nginx.conf.
type mainText struct {
	generation string
	shapes     []string
	text       []byte
	layout     nginx.Layout
	errors     []byte       // errors.conf; empty for none
	files      []nginx.File // that directives name
}

func isOne[T any](a, b []T) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

type rememberedUpstream struct {
	keepalive  int
	endpoints  []string
	bare, text string // without and with endpoints
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{} }

// begin forgets what the last rendering had no use for, and everything if it was made with other templates
// or other settings for all hosts.
func (m *Memory) begin(set *Set, o Options, c nginx.Config) {
	passes := len(c.Streams.Passthrough) > 0 // then servers listen elsewhere
	if m.set != set || !reflect.DeepEqual(m.options, o) || !reflect.DeepEqual(m.http, c.HTTP) || passes != (len(m.streams.Passthrough) > 0) {
		m.set, m.options, m.http = set, o, c.HTTP
		m.servers, m.upstreams, m.last = nil, nil, written{}
	}
	if !equalButEndpoints(m.streams, c.Streams) {
		m.last.main = mainText{}
	}
	m.streams = c.Streams
}

func equalButEndpoints(a, b nginx.Streams) bool {
	sameName := func(a, b nginx.StreamBackend) bool { return a.Name == b.Name }
	return reflect.DeepEqual(a.Listeners, b.Listeners) && reflect.DeepEqual(a.Snippets, b.Snippets) &&
		slices.Equal(a.Passthrough, b.Passthrough) && slices.EqualFunc(a.Backends, b.Backends, sameName)
}
