package snippet

import (
	"slices"
	"strings"
)

// RequestVariables are those that annotations may use: what the request says and what names the location. None of
// them holds a secret or text of another Ingress, and none a line end, so that they can go into headers. One that ends in
// an underscore stands for all that begin so.
var RequestVariables = []string{
	"arg_", "args", "best_http_host", "body_bytes_sent", "content_length", "content_type", "cookie_", "host", "hostname", "http_",
	"https", "ingress_name", "is_args", "location_path", "namespace", "pass_access_scheme", "pass_port", "proxy_upstream_name",
	"query_string", "remote_addr", "remote_port", "req_id", "request_id", "request_method", "request_uri", "scheme", "server_name",
	"server_port", "server_protocol", "service_name", "service_port", "subdomain",
}

// MoreVariables are those that snippets may use besides.
var MoreVariables = []string{
	"bytes_sent", "connection", "connection_requests", "connection_upgrade", "msec", "proxy_add_x_forwarded_for", "request", "request_completion",
	"request_length", "request_time", "sent_http_", "ssl_cipher", "ssl_protocol", "ssl_server_name", "ssl_session_reused", "status", "tcpinfo_rtt",
	"time_iso8601", "time_local", "upstream_cache_status", "upstream_connect_time", "upstream_header_time", "upstream_http_", "upstream_response_length",
	"upstream_response_time", "upstream_status",
}

// TestedVariables are those that only conditions may use: they are decoded and may hold line ends.
var TestedVariables = []string{"document_uri", "uri"}

// queryVariables are those whose text can stand in a URL as it is.
var queryVariables = []string{
	"arg_", "args", "host", "https", "ingress_name", "is_args", "namespace", "query_string", "remote_addr", "request_id", "request_method", "scheme",
	"server_name", "server_port", "service_name", "service_port",
}

// Lists tells whether a list of variables has the name.
func Lists(list []string, name string) bool {
	return slices.ContainsFunc(list, func(v string) bool {
		if strings.HasSuffix(v, "_") {
			return strings.HasPrefix(name, v) && len(name) > len(v)
		}
		return name == v
	})
}

func (r *reader) readable(name string) bool {
	return Lists(RequestVariables, name) || Lists(MoreVariables, name) || slices.Contains(r.further, name)
}
