package annotations

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	streamTimeout = New("proxy-stream-timeout", timeKind, 600*time.Second).ConfigOnly().Example("1h").
			Doc("Longest silence on a connection of a TCP service, or after a datagram of a UDP service.")
	streamNext = Bool("proxy-stream-next-upstream", true).ConfigOnly().Example("false").
			Doc("Whether another endpoint is tried if one refuses the connection.")
	streamNextTimeout = New("proxy-stream-next-upstream-timeout", timeKind, 600*time.Second).ConfigOnly().Example("10s").
				Doc("For how long further endpoints are tried. 0 is no limit.")
	streamNextTries = Int("proxy-stream-next-upstream-tries", 3, 0, maxCount).ConfigOnly().Example("2").
			Doc("How many endpoints are tried at most, the first included. 0 is no limit.")
	streamResponses = Int("proxy-stream-responses", 1, 0, maxCount).ConfigOnly().Example("2").
			Doc("How many datagrams a UDP service answers each of a client's with; then NGINX forgets the client. 0 is none.")
	streamHeaderTimeout = New("proxy-protocol-header-timeout", timeKind, 5*time.Second).ConfigOnly().Example("10s").
				Doc("How long a client of a TCP service, or of TLS that is passed through, may take to send the header of the PROXY protocol.")
	streamLogOff = Bool("disable-stream-access-log", false).ConfigOnly().Example("true").
			Doc("Does not log connections of TCP and UDP services and of TLS that is passed through.")
	streamLogPath = New("stream-access-log-path", Kind[string]{
		Name: "the path of a file", Parse: parseLogPath, Print: keep, Edges: []string{"/dev/null", "/tmp/" + strings.Repeat("l", 200)},
	}, "").ConfigOnly().Example("/var/log/nginx/stream.log").
		Doc("File for that log; without it, that of requests.")
	streamLogFormat = New("log-format-stream", Kind[nginx.Arg]{
		Name: "text with variables of streams", Parse: parseStreamFormat, Print: nginx.Arg.Value,
		Edges: []string{"$remote_addr ${status}x \"'\\;{}", strings.Repeat("a", maxText)},
	}, nginx.Arg{}).ConfigOnly().Example("[$remote_addr] $status").
		Doc("Format of that log.")
	streamSnippetEverywhere = ownSnippet("stream-snippet", "Directives within stream, in NGINX's own language, as they stand. Ports that the controller uses are not theirs.", "tcp_nodelay on;")
	streamSnippet           = New("stream-snippet", streamSnippetEverywhere.kind, nil).Bad(Refuse).Allow(allowStreamSnippet).Example("server { listen 9000; proxy_pass 192.0.2.1:9000; }").
				Doc("The same, of an Ingress that is served; all texts stand one below the other. It needs allow-snippet-annotations: true and annotations-risk-level: Critical.")
)

var streams = Feature{
	Name: "TCP and UDP services",
	Settings: Settings{
		streamTimeout, streamNext, streamNextTimeout, streamNextTries, streamResponses, streamHeaderTimeout, streamLogOff, streamLogPath, streamLogFormat,
		streamSnippetEverywhere, streamSnippet,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.Streams = nginx.Directives{
			nginx.D("proxy_timeout", nginx.Seconds(streamTimeout.In(v))),
			nginx.D("proxy_next_upstream", nginx.OnOff(streamNext.In(v))),
			nginx.D("proxy_next_upstream_timeout", nginx.Seconds(streamNextTimeout.In(v))),
			nginx.D("proxy_next_upstream_tries", nginx.Int(streamNextTries.In(v))),
			nginx.D("proxy_responses", nginx.Int(streamResponses.In(v))),
			nginx.D("proxy_protocol_timeout", nginx.Seconds(streamHeaderTimeout.In(v))),
		}
		h.StreamSnippet = streamSnippetEverywhere.In(v)
		h.StreamLog = nginx.StreamLog{Off: streamLogOff.In(v), Path: streamLogPath.In(v), Format: streamLogFormat.In(v)}
		return nil
	},
}

// allowStreamSnippet has no level at which the text is looked into: ports and where they lead would be all that is left of it, and TCP and
// UDP services say that.
func allowStreamSnippet(v Values, list nginx.Directives) (nginx.Directives, []Finding) {
	if anyText(v) {
		return list, nil
	}
	return nil, []Finding{{Reason: NotAllowed, Message: "directives of streams are not allowed: the controller's ConfigMap allows them with allow-snippet-annotations: true together with annotations-risk-level: Critical"}}
}

// StreamSnippet is what an Ingress adds to the stream block.
func StreamSnippet(v Values) nginx.Directives { return streamSnippet.In(v) }

func parseLogPath(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "$\"'\\;{}") || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", notA("the path of a file")
	}
	if len(s) > 1000 {
		return "", errors.New("is too long")
	}
	return s, nil
}

// streamVariables are those that connections of streams have when they end.
var streamVariables = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`binary_remote_addr bytes_received bytes_sent connection hostname msec nginx_version pid protocol
		proxy_protocol_addr proxy_protocol_port proxy_protocol_server_addr proxy_protocol_server_port realip_remote_addr realip_remote_port
		remote_addr remote_port server_addr server_port session_time ssl_preread_alpn_protocols ssl_preread_protocol ssl_preread_server_name
		status time_iso8601 time_local upstream_addr upstream_bytes_received upstream_bytes_sent upstream_connect_time
		upstream_first_byte_time upstream_session_time`) {
		m[name] = true
	}
	return m
}()

func parseStreamFormat(s string) (nginx.Arg, error) {
	if strings.TrimSpace(s) == "" || len(s) > maxText {
		return nginx.Arg{}, fmt.Errorf("is empty or longer than %d bytes", maxText)
	}
	if strings.ContainsAny(s, "\r\n\x00") {
		return nginx.Arg{}, errors.New("has the end of a line")
	}
	format, err := nginx.Expand(s, func(name string) (nginx.Arg, error) {
		if !streamVariables[name] {
			return nginx.Arg{}, fmt.Errorf("has the variable %s, which connections do not have", printable(name))
		}
		return nginx.Var(name), nil
	})
	if err != nil {
		return nginx.Arg{}, err
	}
	return format, encodes(format)
}

var sslPassthrough = Bool("ssl-passthrough", false).Example("true").
	Doc("TLS for the host ends at the pods of the path /, which NGINX passes it on to as it comes in. It needs the flag --enable-ssl-passthrough, and holds for the whole host.")

var passthrough = Feature{
	Name:     "TLS passthrough",
	Settings: Settings{sslPassthrough},
	Server: func(v Values, s *nginx.Server) error {
		s.PassesTLS = s.PassesTLS || sslPassthrough.In(v)
		return nil
	},
}

// ForwardedForIsIgnored tells an Ingress that passes TLS through what that costs the other hosts, where the ConfigMap has clients'
// addresses in a header: NGINX takes one source of them, and TLS comes to it by the PROXY protocol then.
func ForwardedForIsIgnored() Finding {
	return Finding{
		Key: sslPassthrough.key, Reason: Conflict,
		Message: "while TLS is passed through, addresses of clients are those of connections; forwarded-for-header is not looked at",
	}
}

// NoPassthrough is what is wrong with an Ingress that asks for what the controller does not do, or not for this host.
func NoPassthrough(why string) Finding {
	return Finding{Key: sslPassthrough.key, Reason: Conflict, Message: why + "; TLS ends here"}
}

// AsksForPassthrough tells whether an Ingress wants the TLS of its hosts to end at pods.
func AsksForPassthrough(v Values) bool { return sslPassthrough.In(v) }
