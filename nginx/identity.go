package nginx

import (
	"cmp"
	"strings"
)

// Identity names the objects behind a location. For requests its texts are variables; see Location.Place.
type Identity struct {
	Namespace string
	Ingress   string
	Service   string
	Port      string
	Path      string // of the Ingress rule
	// IsExactTwin tells an Exact path from a Prefix path of the same host and text. It becomes $path_type.
	IsExactTwin bool
}

// DefaultBackend is the name of the backend for what no rule takes, as locations and workers call it.
const DefaultBackend = "upstream-default-backend"

// BackendName is what logs and workers call the location's backend. What has none answers like ingress-nginx's built-in
// default backend, and is called so.
func (l *Location) BackendName() string { return cmp.Or(l.Upstream, DefaultBackend) }

// Place is $sluice_place of requests for a server that the location takes: what requests are counted by, and what $namespace,
// $ingress_name, $service_name, $service_port and $location_path are read off. Before the first tab is the alternative that a
// request goes to.
func (l *Location) Place(s *Server) string {
	id := l.Identity
	return strings.Join([]string{"", s.Name, id.Namespace, id.Ingress, id.Service, id.Port, id.Path}, "\t")
}

// UpstreamName is $proxy_upstream_name of requests that the location takes.
func (l *Location) UpstreamName() string {
	if name := l.BackendName(); name == DefaultBackend {
		return name
	}
	return l.Identity.Namespace + "-" + l.Identity.Service + "-" + l.Identity.Port
}
