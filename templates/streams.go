package templates

import (
	"fmt"
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
)

// Sockets of NGINX's own stand where only its workers may look: NGINX gives them the directory, with mode 0700.
const (
	streamSocket      = "/body/streams.sock"     // takes endpoints, from Lua
	httpsSocket       = "/body/https.sock"       // takes TLS for the servers here, if other TLS is passed through
	passthroughSocket = "/body/passthrough.sock" // takes that
)

// proxyProtocol is what NGINX calls the PROXY protocol where it takes one, and where it takes clients' addresses from it.
const proxyProtocol = "proxy_protocol"

// streamsFile has the upstream blocks of streams. Like upstreams.conf it has endpoints, which are not in the hash.
const streamsFile = "streams.conf"

// streamsView is the data of stream.tmpl.
type streamsView struct {
	Script, Resolver, Socket nginx.Arg
	Settings                 nginx.Directives
	Passthrough              nginx.Directives
	Servers                  nginx.Directives
}

// streamsView is nil if there are no streams.
func (r *renderer) streamsView() *streamsView {
	streams, o := r.config.Streams, r.options
	if streams.IsEmpty() {
		return nil
	}
	v := &streamsView{
		Script:   nginx.Verbatim(o.LuaDir + "/stream.js"),
		Resolver: nginx.Concat(nginx.Verbatim("127.0.0.1:"), nginx.Int(o.StreamPort)),
		Socket:   nginx.Verbatim(o.StateDir + streamSocket),
		Settings: slices.Concat(r.streamLog(), r.config.HTTP.Streams, streams.Snippets),
	}
	for _, l := range streams.Listeners {
		v.Servers = append(v.Servers, block("server", r.listener(l)))
	}
	if len(streams.Passthrough) > 0 {
		v.Passthrough = r.passthrough()
	}
	return v
}

// streamLogFormat is ingress-nginx's.
var streamLogFormat = nginx.Concat(
	nginx.Text("["), nginx.Var("remote_addr"), nginx.Text("] ["), nginx.Var("time_local"), nginx.Text("] "), nginx.Var("protocol"), nginx.Text(" "),
	nginx.Var("status"), nginx.Text(" "), nginx.Var("bytes_sent"), nginx.Text(" "), nginx.Var("bytes_received"), nginx.Text(" "), nginx.Var("session_time"),
)

func (r *renderer) streamLog() nginx.Directives {
	log, format, path := r.config.HTTP.StreamLog, streamLogFormat, r.options.AccessLog
	if log.Off {
		return nginx.Directives{nginx.D("access_log", nginx.OnOff(false))}
	}
	if log.Format.Value() != "" {
		format = log.Format
	}
	if log.Path != "" {
		path = log.Path
	}
	name := nginx.Verbatim("streams")
	return nginx.Directives{nginx.D("log_format", name, format), nginx.D("access_log", nginx.Verbatim(path), name)}
}

// clients say who asks, and for what. Where TLS comes from the stream block, that says who asks, in the PROXY protocol; NGINX takes
// one source only.
func (r *renderer) clients() nginx.Directives {
	var list nginx.Directives
	http, behind := r.config.HTTP, len(r.config.Streams.Passthrough) > 0
	source := http.RealIP.Header
	if http.ProxyProtocol {
		source = proxyProtocol
	}
	if source != "" && !behind {
		list.Add("real_ip_header", nginx.Verbatim(source))
	}
	if source != "" {
		list.Add("real_ip_recursive", nginx.OnOff(true))
		list = append(list, http.RealIP.Trust()...)
	}
	list = append(list, http.Clients...)
	if behind {
		list.Add("set_real_ip_from", nginx.Verbatim("unix:"))
		list.Add("real_ip_header", nginx.Verbatim(proxyProtocol))
	}
	return list
}

func block(name string, inside nginx.Directives, args ...nginx.Arg) nginx.Directive {
	return nginx.Directive{Name: name, Args: args, Block: inside}
}

// listener is the server of a TCP or UDP service.
func (r *renderer) listener(l *nginx.Listener) nginx.Directives {
	var list nginx.Directives
	for _, address := range r.config.HTTP.Listening.On(l.Port, r.options.IPv6) {
		// All datagrams of a client reach one worker, and a master finds the port free that workers of a dead one still serve.
		args := []nginx.Arg{address, nginx.Verbatim("reuseport")}
		if l.UDP {
			args = append(args, nginx.Verbatim("udp"))
		}
		if l.Accepts {
			args = append(args, nginx.Verbatim(proxyProtocol))
		}
		list.Add("listen", args...)
	}
	if l.Accepts {
		list.Add("set_real_ip_from", nginx.Verbatim("0.0.0.0/0"))
		list.Add("set_real_ip_from", nginx.Verbatim("::/0"))
	}
	if l.Sends {
		list.Add("proxy_protocol", nginx.OnOff(true))
	}
	list.Add("set", nginx.Var("stream_backend"), nginx.Verbatim(l.Backend))
	list.Add("proxy_pass", nginx.Var("stream_target"))
	return list
}

// passthrough are the servers on the port for HTTPS: the first finds out which host is asked for, and sends TLS on to the
// servers here or, by the second, to pods. It says to either who the client is, which pods are not told.
func (r *renderer) passthrough() nginx.Directives {
	here, away := "unix:"+r.options.StateDir+httpsSocket, "unix:"+r.options.StateDir+passthroughSocket
	name := nginx.Var("ssl_preread_server_name")
	var front, backends nginx.Directives
	front = append(front, nginx.Entry(nginx.Verbatim("default"), nginx.Verbatim(here)))
	for _, p := range r.config.Streams.Passthrough {
		front = append(front, nginx.Entry(nginx.Verbatim(p.Host), nginx.Verbatim(away)))
		backends = append(backends, nginx.Entry(nginx.Verbatim(p.Host), nginx.Verbatim(p.Backend)))
	}
	var first nginx.Directives
	options := nginx.Words("reuseport", "backlog=4096")
	if r.config.HTTP.ProxyProtocol {
		options = append(options, nginx.Verbatim(proxyProtocol))
		first = append(first, r.config.HTTP.RealIP.Trust()...)
	}
	for _, address := range r.config.HTTP.Listening.On(r.options.HTTPSPort, r.options.IPv6) {
		first.Add("listen", append([]nginx.Arg{address}, options...)...)
	}
	first = append(first,
		nginx.D("access_log", nginx.OnOff(false)), // the second server has its own, the servers here another
		nginx.D("ssl_preread", nginx.OnOff(true)),
		nginx.D("proxy_protocol", nginx.OnOff(true)),
		nginx.D("proxy_pass", nginx.Var("passthrough_hop")),
	)
	second := nginx.Directives{
		nginx.D("listen", nginx.Verbatim(away), nginx.Verbatim(proxyProtocol)),
		nginx.D("set_real_ip_from", nginx.Verbatim("unix:")),
		nginx.D("ssl_preread", nginx.OnOff(true)),
		nginx.D("proxy_pass", nginx.Var("passthrough_target")),
	}
	return nginx.Directives{
		block("map", front, name, nginx.Var("passthrough_hop")),
		block("map", backends, name, nginx.Var("passthrough_backend")),
		block("server", first), block("server", second),
	}
}

// streams writes streams.conf, with and without endpoints.
func (r *renderer) streams() (text, bare string, err error) {
	for _, full := range []bool{true, false} {
		var list nginx.Directives
		for _, b := range r.config.Streams.Backends {
			var servers nginx.Directives
			for _, e := range b.Endpoints {
				if full {
					servers.Add("server", nginx.Verbatim(e))
				}
			}
			if len(servers) == 0 {
				servers.Add("server", nginx.Words("0.0.0.1:1", "down")...)
			}
			list = append(list, block("upstream", servers, nginx.Verbatim(b.Block())))
		}
		encoded, err := list.Encode("")
		if err == nil {
			err = check(encoded, []printed{{0, len(encoded), directives, list}})
		}
		if err != nil {
			return "", "", fmt.Errorf("render %s: %w", streamsFile, err)
		}
		if full {
			text = encoded
		} else {
			bare = encoded
		}
	}
	return text, bare, nil
}
