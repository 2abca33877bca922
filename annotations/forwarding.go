package annotations

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	useForwardedHeaders = Bool("use-forwarded-headers", false).ConfigOnly().Example("true").
				Doc("Believes what the proxies of proxy-real-ip-cidr say of the client and its request: forwarded-for-header, X-Forwarded-Host, -Proto, -Port and -Prefix.")
	fullForwardedFor = Bool("compute-full-forwarded-for", false).ConfigOnly().Example("true").
				Doc("Adds the address of the proxy to the X-Forwarded-For that it sent, in place of the client's address alone. It needs use-forwarded-headers.")
	forwardedForHeader = New("forwarded-for-header", headerNameKind, "X-Forwarded-For").ConfigOnly().Example("CF-Connecting-IP").
				Doc("Header that has the client's address. Clients' own is passed on as X-Original-Forwarded-For.")
	forwardedHostHeader = New("forwarded-host-header", headerNameKind, "X-Forwarded-Host").ConfigOnly().Example("X-Host").
				Doc("Header that is passed on as X-Original-Forwarded-Host.")
	enableRealIP = Bool("enable-real-ip", false).ConfigOnly().Example("true").
			Doc("Takes the client's address from forwarded-for-header, and believes nothing else.")
	realIPFrom = New("proxy-real-ip-cidr", proxiesKind, []string{"0.0.0.0/0"}).ConfigOnly().Example("10.0.0.0/8,2001:db8::1").
			Doc("Addresses and networks of proxies that are believed; an item that is neither is nobody. Of the addresses in the header the last counts that is none of theirs, or else the first. The default believes everybody who comes over IPv4: it is safe only where nobody but a proxy reaches the controller.")
	useProxyProtocol = Bool("use-proxy-protocol", false).ConfigOnly().Example("true").
				Doc("Wants a header of the PROXY protocol on all connections, and takes the client's address from it if it is sent by a proxy of proxy-real-ip-cidr. Port 443 in it means https.")
)

// forwarding says who a client is and what it asks for, whatever stands before us. Other than in ingress-nginx, only proxies of
// proxy-real-ip-cidr are believed in anything, not in the address alone.
var forwarding = Feature{
	Name: "Proxies before the controller",
	Settings: Settings{
		useForwardedHeaders, fullForwardedFor, forwardedForHeader, forwardedHostHeader, enableRealIP, realIPFrom, useProxyProtocol, generateRequestID,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		proxies, err := trustedProxies(v)
		h.ProxyProtocol, h.NobodyBefore = useProxyProtocol.In(v), !isBehindProxy(v)
		h.RealIP = realIP(v, proxies)
		h.Clients = trust(v, proxies)
		h.Clients = append(h.Clients, askedHost(v)...)
		h.Clients = append(h.Clients, askedScheme(v)...)
		h.Clients = append(h.Clients, askedPort(v)...)
		h.Clients = append(h.Clients, requestID(v))
		return errors.Join(err, forwardingWithoutEffect(v))
	},
}

// isBehindProxy tells whether somebody before us may say for what clients ask.
func isBehindProxy(v Values) bool { return useForwardedHeaders.In(v) || useProxyProtocol.In(v) }

// trustedProxies are those of proxy-real-ip-cidr that can be read. Who cannot be told is not believed.
func trustedProxies(v Values) ([]netip.Prefix, error) {
	var list []netip.Prefix
	var mistakes []error
	for _, item := range realIPFrom.In(v) {
		p, ok := parseCIDR(item)
		if !ok {
			mistakes = append(mistakes, Mistake(realIPFrom, InvalidValue, "%s is neither an address nor a network such as 10.0.0.0/8; it is left out", printable(item)))
			continue
		}
		list = append(list, p)
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list), errors.Join(mistakes...)
}

// forwardingWithoutEffect finds keys that do nothing beside others.
func forwardingWithoutEffect(v Values) error {
	var mistakes []error
	if fullForwardedFor.In(v) && !useForwardedHeaders.In(v) {
		mistakes = append(mistakes, Mistake(fullForwardedFor, Conflict, "it has no effect without use-forwarded-headers"))
	}
	for _, s := range []*Setting[bool]{useForwardedHeaders, enableRealIP} {
		if s.In(v) && useProxyProtocol.In(v) {
			mistakes = append(mistakes, Mistake(s, Conflict, "with use-proxy-protocol the client's address is that of the PROXY protocol; forwarded-for-header is not looked at"))
		}
	}
	return errors.Join(mistakes...)
}

// realIP is who is believed in saying who the client is, and the header that says it.
func realIP(v Values, proxies []netip.Prefix) nginx.RealIP {
	var r nginx.RealIP
	if !useProxyProtocol.In(v) && (useForwardedHeaders.In(v) || enableRealIP.In(v)) {
		r.Header = forwardedForHeader.In(v)
	}
	for _, p := range proxies {
		r.Proxies = append(r.Proxies, network(p))
	}
	return r
}

// The variables that tell whether somebody is believed: who has opened the connection, in what the PROXY protocol says, and who has
// sent the request over it, in what headers say.
const (
	peerIsTrusted  = "peer_is_trusted"
	proxyIsTrusted = "proxy_is_trusted"
)

// trust gives these variables, and what can be believed.
func trust(v Values, proxies []netip.Prefix) nginx.Directives {
	var list nginx.Directives
	isProxy := func(address, variable string) {
		block := []nginx.Directive{} // without a default: nothing is nobody
		for _, p := range proxies {
			block = append(block, nginx.Entry(network(p), nginx.Verbatim("1")))
		}
		list = append(list, nginx.Directive{Name: "geo", Args: []nginx.Arg{nginx.Var(address), nginx.Var(variable)}, Block: block})
	}
	sender := "realip_remote_addr"
	if useProxyProtocol.In(v) {
		isProxy(sender, peerIsTrusted)
		sender = "remote_addr" // as the PROXY protocol says, if the peer is trusted
	}
	if !useForwardedHeaders.In(v) {
		return list
	}
	isProxy(sender, proxyIsTrusted)
	list = append(list, claim("forwarded_prefix", proxyIsTrusted, "http_x_forwarded_prefix"))
	if fullForwardedFor.In(v) {
		list = append(list, claim("forwarded_for", proxyIsTrusted, "http_x_forwarded_for"), choose("full_x_forwarded_for", nginx.Var("forwarded_for"),
			nginx.Entry(nginx.Text(""), nginx.Var(sender)),
			nginx.Entry(nginx.Verbatim("default"), nginx.Concat(nginx.Var("forwarded_for"), nginx.Text(", "), nginx.Var(sender)))))
	}
	return list
}

// choose is a map: the value of a variable by that of another.
func choose(variable string, by nginx.Arg, entries ...nginx.Directive) nginx.Directive {
	return nginx.Directive{Name: "map", Args: []nginx.Arg{by, nginx.Var(variable)}, Block: entries}
}

// claim is a variable that has what somebody says, or nothing if who says it is not trusted.
func claim(variable, trusted, said string) nginx.Directive {
	return choose(variable, nginx.Var(trusted), nginx.Entry(nginx.Verbatim("1"), nginx.Var(said)))
}

// otherwise is a variable that has what a claim says, or else the value of another.
func otherwise(variable, claimed, other string) nginx.Directive {
	return choose(variable, nginx.Var(claimed), nginx.Entry(nginx.Text(""), nginx.Var(other)), nginx.Entry(nginx.Verbatim("default"), nginx.Var(claimed)))
}

// unusualTarget finds requests whose host is not simply that of Host: those whose target names one (RFC 9112 section 3.2.2), and
// those of HTTP before 1.1, which need not name any. This is searched in each request line, so once.
const unusualTarget = `~^\S+ +(?:[A-Za-z][A-Za-z0-9+.-]*://(?<target_host>[^/? ]+)|\S*+(?: +HTTP/1\.0)? *$)`

// askedHost is $best_http_host: of a list the first item, else the host in the target of the request, else that of Host.
func askedHost(v Values) nginx.Directives {
	variable := "best_http_host"
	if useForwardedHeaders.In(v) {
		variable = "asked_host"
	}
	list := nginx.Directives{
		otherwise("named_host", "target_host", "given_host"),
		choose(variable, nginx.Var("request"),
			nginx.Entry(nginx.Verbatim(unusualTarget), nginx.Var("named_host")), nginx.Entry(nginx.Verbatim("default"), nginx.Var("http_host"))),
	}
	if !useForwardedHeaders.In(v) {
		return list
	}
	return append(list, claim("forwarded_host", proxyIsTrusted, "http_x_forwarded_host"), choose("best_http_host", nginx.Var("forwarded_host"),
		nginx.Entry(nginx.Verbatim(`~^[ \t]*(?<first_forwarded_host>[^, \t]+)`), nginx.Var("first_forwarded_host")),
		nginx.Entry(nginx.Verbatim("default"), nginx.Var("asked_host"))))
}

// askedScheme is $pass_access_scheme. As in ingress-nginx what a proxy says is taken as it stands, even if it is a list.
func askedScheme(v Values) nginx.Directives {
	const variable = "pass_access_scheme"
	scheme := "scheme"
	var list nginx.Directives
	if useForwardedHeaders.In(v) {
		list = append(list, claim("forwarded_proto", proxyIsTrusted, "http_x_forwarded_proto"), otherwise("forwarded_scheme", "forwarded_proto", scheme))
		scheme = "forwarded_scheme"
	}
	entries := []nginx.Directive{nginx.Entry(nginx.Verbatim("default"), nginx.Var(scheme))}
	source := nginx.Var(scheme)
	if useProxyProtocol.In(v) {
		list = append(list, claim("proxied_port", peerIsTrusted, "proxy_protocol_server_port"))
		source, entries = nginx.Var("proxied_port"), append(entries, nginx.Entry(nginx.Verbatim("443"), nginx.Verbatim("https")))
	}
	return append(list, choose(variable, source, entries...))
}

// askedPort is $pass_server_port. The PROXY protocol tells no port of a connection that a proxy makes for itself.
func askedPort(v Values) nginx.Directives {
	port := "reached_port"
	var list nginx.Directives
	if useProxyProtocol.In(v) {
		list = append(list, otherwise("first_port", "proxied_port", port))
		port = "first_port"
	}
	if useForwardedHeaders.In(v) {
		return append(list, claim("forwarded_port", proxyIsTrusted, "http_x_forwarded_port"), otherwise("pass_server_port", "forwarded_port", port))
	}
	return append(list, choose("pass_server_port", nginx.Var(port), nginx.Entry(nginx.Verbatim("default"), nginx.Var(port))))
}

var generateRequestID = Bool("generate-request-id", true).ConfigOnly().Example("false").
	Doc("Gives requests without the header X-Request-ID a random one.")

func requestID(v Values) nginx.Directive {
	if generateRequestID.In(v) {
		return otherwise("req_id", "http_x_request_id", "request_id")
	}
	return choose("req_id", nginx.Var("http_x_request_id"), nginx.Entry(nginx.Verbatim("default"), nginx.Var("http_x_request_id")))
}

// proxiesKind leaves it to trustedProxies what the items are: one that is wrong must not cost all others their trust.
var proxiesKind = Kind[[]string]{
	Name:  "a list of addresses and networks",
	Parse: Words("").kind.Parse,
	Print: func(list []string) string { return strings.Join(list, ",") },
	Edges: []string{"0.0.0.0/0,::/0", "10.0.0.1, 10.0.0.1/32,10.0.0.0/8", "::ffff:10.0.0.0/104,2001:db8::1", ","},
}

// headerNameKind is a name of a header as NGINX has variables for: letters, digits and dashes.
var headerNameKind = Kind[string]{
	Name: "the name of a header",
	Parse: func(s string) (string, error) {
		if len(s) > 100 {
			return "", notA("short enough")
		}
		if _, err := only(s, "-"); err != nil || s == "" {
			return "", notA("a name of letters, digits and dashes")
		}
		return s, headerName(s)
	},
	Print: keep,
	Edges: []string{"a", "X-Real-IP", "x-forwarded-for", "7", "-"},
}
