package snippet

import (
	"fmt"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// Rule is a directive that snippets may have.
type Rule struct {
	Name string
	Args string // what it takes, for people
	In   Place  // where it can stand

	early   bool // it acts before anything else does, in the order of the text
	repeats bool // it can stand several times; otherwise it takes the place of what annotations say
	read    func(r *reader, words []string) ([]nginx.Arg, error)
}

const (
	anywhere  = InLocation | InServer | InIf
	notInIf   = InLocation | InServer
	pathsOnly = InLocation // a path says it itself in any case, so a server's has no effect
)

// Rules lists all of them, in the order of the reference.
var Rules = []Rule{
	{Name: "if", Args: "`($variable)`, or `($variable OPERATOR text)` with `=`, `!=`, `~`, `~*`, `!~` or `!~*`; no files, and no `if` within another", In: notInIf, early: true, repeats: true},
	{Name: "set", Args: "`$name` text: the variable is the snippet's own", In: anywhere | inServerIf | InInquiry, early: true, repeats: true, read: readSet},
	{Name: "return", Args: "code from 200 to 599, text or URL; or a URL", In: anywhere | inServerIf, early: true, read: readReturn},
	{Name: "rewrite", Args: "expression, path or URL, `last`, `break`, `redirect` or `permanent`", In: anywhere | inServerIf, early: true, repeats: true},
	{Name: "break", Args: "nothing", In: anywhere | inServerIf, early: true, repeats: true, read: none},

	{Name: "add_header", Args: "name, text, `always`", In: anywhere, repeats: true, read: readAddHeader},
	{Name: "more_set_headers", Args: "`'Name: text'` …, `-s` codes, `-t` types", In: anywhere, repeats: true, read: headersMore("st", frameOfAnswers, true)},
	{Name: "more_clear_headers", Args: "names, `*` at the end for all that begin so, `-s` codes, `-t` types", In: anywhere, repeats: true, read: headersMore("st", frameOfAnswers, false)},
	{Name: "proxy_hide_header", Args: "name", In: notInIf, repeats: true, read: headerName},
	{Name: "proxy_pass_header", Args: "name", In: notInIf, repeats: true, read: headerName},
	{Name: "proxy_ignore_headers", Args: "names of headers that NGINX acts upon", In: notInIf, read: words(
		"X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Limit-Rate", "X-Accel-Buffering", "X-Accel-Charset", "Expires", "Cache-Control", "Set-Cookie", "Vary")},
	{Name: "proxy_set_header", Args: "name, text; replaces that of the controller", In: pathsOnly | InInquiry, repeats: true, read: readProxySetHeader},
	{Name: "more_set_input_headers", Args: "`'Name: text'` …, `-t` types, `-r`", In: InLocation | InIf, repeats: true, read: headersMore("tr", frameOfRequests, true)},
	{Name: "more_clear_input_headers", Args: "names, `-t` types", In: InLocation | InIf, repeats: true, read: headersMore("t", frameOfRequests, false)},

	{Name: "allow", Args: "address, network or `all`; behind the lists of annotations", In: notInIf, repeats: true, read: network},
	{Name: "deny", Args: "address, network or `all`; behind the lists of annotations", In: notInIf, repeats: true, read: network},

	{Name: "error_page", Args: "codes, `=` code, path or URL; 401, 403, 407, 429 and 503 keep their code", In: anywhere, repeats: true, read: readErrorPage},
	{Name: "proxy_intercept_errors", Args: onOrOff, In: notInIf, read: onOff},
	{Name: "proxy_redirect", Args: "`off`, or prefix and text", In: notInIf, read: replacement},
	{Name: "proxy_cookie_domain", Args: "`off`, or domain and text", In: notInIf, read: replacement},
	{Name: "proxy_cookie_path", Args: "`off`, or path and text", In: notInIf, read: replacement},

	{Name: "proxy_connect_timeout", Args: duration, In: pathsOnly | InInquiry, read: times(1)},
	{Name: "proxy_send_timeout", Args: duration, In: pathsOnly | InInquiry, read: times(1)},
	{Name: "proxy_read_timeout", Args: duration, In: pathsOnly | InInquiry, read: times(1)},
	{Name: "proxy_buffering", Args: onOrOff, In: pathsOnly, read: onOff},
	{Name: "proxy_request_buffering", Args: onOrOff, In: pathsOnly, read: onOff},
	{Name: "proxy_limit_rate", Args: size, In: notInIf, read: sizes},
	{Name: "client_max_body_size", Args: size, In: pathsOnly, read: sizes},
	{Name: "client_body_timeout", Args: duration, In: notInIf, read: times(1)},
	{Name: "send_timeout", Args: duration, In: notInIf, read: times(1)},
	{Name: "keepalive_timeout", Args: "one or two times, in whole seconds", In: notInIf, read: times(2)},
	{Name: "limit_rate", Args: size, In: anywhere, read: sizes},
	{Name: "limit_rate_after", Args: size, In: anywhere, read: sizes},

	{Name: "expires", Args: "time, negative too, `epoch`, `max` or `off`", In: anywhere, read: readExpires},
	{Name: "etag", Args: onOrOff, In: notInIf, read: onOff},
	{Name: "gzip", Args: onOrOff, In: anywhere, read: onOff},
	{Name: "gzip_types", Args: "MIME types", In: notInIf, read: mimeTypes},
	{Name: "charset", Args: "name or `off`", In: anywhere, read: readCharset},
	{Name: "default_type", Args: "MIME type", In: notInIf, read: mimeType},
	{Name: "sub_filter", Args: "text, text", In: notInIf, repeats: true, read: texts(2)},
	{Name: "sub_filter_once", Args: onOrOff, In: notInIf, read: onOff},
	{Name: "sub_filter_last_modified", Args: onOrOff, In: notInIf, read: onOff},
	{Name: "sub_filter_types", Args: "MIME types", In: notInIf, read: mimeTypes},
	{Name: "absolute_redirect", Args: onOrOff, In: notInIf, read: onOff},
	{Name: "port_in_redirect", Args: onOrOff, In: notInIf, read: onOff},
	{Name: "access_log", Args: "`off`", In: anywhere, read: words("off")},
}

const (
	onOrOff  = "`on` or `off`"
	duration = "time"
	size     = "size"
)

var rules = func() map[string]*Rule {
	m := map[string]*Rule{}
	for i := range Rules {
		m[Rules[i].Name] = &Rules[i]
	}
	return m
}()

// Replaces tells whether a directive of a snippet takes the place of those of that name that annotations write.
func Replaces(name string) bool {
	rule := rules[name]
	return rule != nil && !rule.repeats
}

// Refused says what to do instead of directives that are not in Rules. The first that the name starts with counts.
var Refused = []struct{ Prefix, Instead string }{
	{"access_by_lua", lua}, {"auth_basic", "use the annotation auth-type"}, {"auth_request", "use the annotation auth-url"},
	{"auth_", "use the annotations auth-…"}, {"include", never}, {"root", never}, {"alias", never}, {"load_module", never}, {"lua_", lua},
	{"location", "write the path as a path of an Ingress"}, {"limit_except", "test $request_method in an if"},
	{"proxy_pass", "name a Service as the backend of the path"}, {"grpc_pass", "name a Service as the backend, with the annotation backend-protocol"},
	{"fastcgi_", "use the annotation backend-protocol"}, {"uwsgi_", "there is no such backend"}, {"scgi_", "there is no such backend"},
	{"satisfy", "use the annotation satisfy"}, {"limit_", "use the annotations limit-…"}, {"mirror", "use the annotation mirror-target"},
	{"proxy_ssl_", "use the annotations proxy-ssl-…"}, {"proxy_buffer", bufferSizes}, {"proxy_busy", bufferSizes}, {"proxy_max_temp", bufferSizes},
	{"client_body_buffer_size", "use the annotation client-body-buffer-size"}, {"proxy_http_version", "use the annotation proxy-http-version"},
	{"proxy_next_upstream", "use the annotations proxy-next-upstream…"}, {"proxy_cache", "answers are not cached here"}, {"proxy_store", never},
	{"grpc_", "use the annotation of the proxy_ directive, which also counts for gRPC"},
	{"server_name", "use the annotation server-alias"}, {"listen", "all hosts share the ports"}, {"ssl_", "use the tls section and the annotations ssl-… and auth-tls-…"},
	{"set_real_ip", administrator}, {"real_ip", administrator}, {"resolver", administrator}, {"error_log", administrator}, {"log_", administrator},
	{"modsecurity", "use the annotation enable-modsecurity"}, {"map", administrator}, {"upstream", "name a Service as the backend"},
	{"try_files", "there are no files here"}, {"index", "there are no files here"}, {"autoindex", "there are no files here"},
}

const (
	lua           = "Lua is not available in snippets"
	never         = "files of the controller are out of reach for snippets"
	bufferSizes   = "use the annotations proxy-buffer-size, proxy-buffers-number, proxy-busy-buffers-size and proxy-max-temp-file-size, which are made to fit each other"
	administrator = "that is for the administrator to say, in the controller's ConfigMap"
)

// refusal is the message about a directive that is not in Rules.
func refusal(name string) string {
	instead := "docs/snippets.md lists what is"
	if strings.Contains(name, "_by_lua") {
		instead = lua
	} else {
		for _, r := range Refused {
			if strings.HasPrefix(name, r.Prefix) {
				instead = r.Instead
				break
			}
		}
	}
	return fmt.Sprintf("%.60s is not allowed: %s", name, instead)
}
