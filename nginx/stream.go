package nginx

import "strings"

// Streams are what NGINX passes on without a look into it, in the stream block.
type Streams struct {
	Listeners []*Listener // by protocol and port
	// Passthrough are the hosts whose TLS ends at their pods, by name; on the port for HTTPS.
	Passthrough []Passthrough
	// Backends are those of both, by name.
	Backends []StreamBackend
	// Snippets are the texts that stand in the block besides, the administrator's first.
	Snippets Directives
}

// IsEmpty tells whether no stream block is needed.
func (s Streams) IsEmpty() bool { return len(s.Listeners)+len(s.Passthrough)+len(s.Snippets) == 0 }

// Listener is a port of a TCP or UDP service.
type Listener struct {
	Port    int
	UDP     bool
	Backend string // the name of a StreamBackend
	// Accepts and Sends are whether clients begin with the PROXY protocol and whether pods get it.
	Accepts, Sends bool
}

// Passthrough is a host whose TLS ends at the pods of a backend.
type Passthrough struct {
	Host    string // exact, lower case
	Backend string // the name of a StreamBackend
}

// StreamBackend is a group of endpoints that streams go to.
type StreamBackend struct {
	Name      string   // its key in the dynamic state, such as tcp/NAMESPACE_SERVICE_PORT
	Endpoints []string // address:port as of rendering; workers get newer ones as data
}

// Block is the name of the upstream block that has those of the endpoints that were known when NGINX started.
// rootfs/etc/nginx/njs/stream.js says it, too.
func (b StreamBackend) Block() string { return strings.ReplaceAll(b.Name, "/", "_") }

// StreamLog is the log of streams.
type StreamLog struct {
	Off    bool
	Path   string // "" is that of requests
	Format Arg    // empty is ingress-nginx's
}
