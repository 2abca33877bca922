package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is everything that NGINX is told about hosts, in the order in which it is written.
type Config struct {
	HTTP      HTTP
	Servers   []*Server   // the default server first, or last if it TakesAnyName; hosts by name; those that only redirect
	Upstreams []*Upstream // by name
	// FollowsCost tells that some backends are balanced by what their peers have cost lately, so that workers look at each answer.
	FollowsCost bool
	Streams     Streams
}

// RealIP is where $remote_addr comes from, if not from the connection: NGINX's realip module.
type RealIP struct {
	// Header of requests that has the address; "" for none.
	Header string
	// Proxies are the addresses and networks that are believed.
	Proxies []Arg
}

// Trust are the directives that have the proxies believed.
func (r RealIP) Trust() Directives {
	var list Directives
	for _, p := range r.Proxies {
		list.Add("set_real_ip_from", p)
	}
	return list
}

// HTTP is what holds for all hosts.
type HTTP struct {
	// Shared are directives that every location inherits unless it has its own of the same name.
	Shared Directives
	// Headers are sent to every backend, unless a location has a list of its own.
	Headers []Header
	// ErrorHeaders are sent to the services that answer in place of errors.
	ErrorHeaders []Header
	// MaxBody is the largest request body in bytes, 0 for any, where a location says nothing of it.
	MaxBody int64
	// HSTS is the value of Strict-Transport-Security on answers over TLS; "" for none.
	HSTS string
	// Answers are what headers of all answers say of us, and what the administrator adds.
	Answers Directives
	// Clients say for what clients ask, whatever stands before us: the variables $best_http_host, $req_id, $pass_access_scheme and
	// $pass_server_port.
	Clients Directives
	// RealIP says who they are.
	RealIP RealIP
	// ProxyProtocol has every connection begin with a header of the PROXY protocol, which says so then, in place of a header.
	ProxyProtocol bool
	// NobodyBefore tells that nobody before us may say for what clients ask, so that $pass_server_port is $reached_port.
	NobodyBefore bool
	// LooseNames tells that names of request headers may have more than letters, digits and dashes, so that workers have to take
	// out those that pods could take for ours.
	LooseNames bool
	// RedirectCode is the status of redirects to https and between a host and its www form.
	RedirectCode int
	// TLS is how TLS is spoken with clients.
	TLS Directives
	// RejectsUnknownNames ends the handshake with clients that ask for a name that no server has.
	RejectsUnknownNames bool
	// Main and More are the administrator's own directives, outside of http and in it; EveryServer are those of each host
	// that an Ingress names and of the default server.
	Main, More, EveryServer Directives
	// AccessLog is where and how requests are logged.
	AccessLog AccessLog
	// DefaultCertificate is served when no other fits the server name a client asks for.
	DefaultCertificate Certificate
	// DefaultStaple is what dynamic.State.Staples calls the answer of its issuer; "" if it names nobody to ask.
	DefaultStaple string
	// Staples has clients told what issuers say of certificates.
	Staples bool
	// Streams are directives of the stream block, if there is one. StreamSnippet are the administrator's own, for which there is one.
	Streams, StreamSnippet Directives
	// StreamLog is where connections of streams are logged, and how.
	StreamLog StreamLog
	// Keepalive says which idle connections to endpoints are kept.
	Keepalive Keepalive
	// Directives are further ones of the http level. Guards come first in each server that an Ingress names, in those that
	// redirect to one and in the default server, before all else that it does with a request.
	Directives, Guards Directives
	// NamesHash is the least size of the table of server names and of its buckets; it grows with the names.
	NamesHash struct{ Size, Bucket int }
	Listening Listening
	Process   Process
	// NamesAreIPv4 leaves IPv6 out where endpoints and other services are names to resolve.
	NamesAreIPv4 bool
	// Tracing says where spans go; nil if there are none.
	Tracing *Tracing
	// ReadFiles tells versions of what NGINX reads beside the files of the configuration, and only when it reads that: another
	// text is another configuration.
	ReadFiles string
}

// Header is one header of a request to a backend. An empty value removes the client's.
type Header struct {
	Name  string
	Value Arg
}

// Server is a host.
type Server struct {
	Name    string // as in the Ingress rule: exact, or "*.suffix" for one label; "_" for the default server; "" if it has aliases only
	Aliases []ServerName
	AppRoot *Arg // where a request for / is sent
	// WWW asks for a second server that redirects the www form of the name here, or the other way round.
	WWW bool
	// RedirectTo makes this a server that only redirects, to the same URI at that host.
	RedirectTo string
	// Directives act before anything else that the server does with a request.
	Directives Directives
	// TakesAnyName makes the default server one that has the name a client asks for in the handshake. Only to a client that
	// asked for a name which some server has does NGINX deny others that ask for certificates. The name is an expression, and
	// those are tried in the order of servers.
	TakesAnyName bool
	// ClientAuth is what is asked of clients before they are served; nil for nothing.
	ClientAuth *ClientAuth
	// BackendTLS is how locations without an own say speak TLS to their backends; nil for NGINX's defaults.
	BackendTLS *BackendTLS
	// PassesTLS asks for TLS that ends at the pods of the path /; Passthrough is their backend, if they get it.
	PassesTLS   bool
	Passthrough string
	Locations   []*Location // in the order in which they are written
	// Shapes take the place of Locations when routes are data.
	Shapes []*Shape
	// Block is what routes call a server with Shapes that has settings of its own.
	Block string
	// Owners are the objects that the Aliases of a server with Shapes come from, in their order, and OwnersKeys their Keys.
	Owners     []string
	OwnersKeys [][]string
	Owner      string   // the object the server's own settings come from
	Keys       []string // its annotations that Directives come from
	// Sources are the annotations that parts of it come from, which may be of other objects.
	Sources []Source
}

// ClientAuth is how the clients of a host show who they are, by certificates.
type ClientAuth struct {
	Headers []Header   // that tell backends
	Checks  Directives // that a location of the default server makes, which answers load balancers without
	// Unusable means that there is nothing to check certificates with, so that nobody may be served.
	Unusable bool
}

// BackendTLS is how TLS is spoken to the backends of one namespace.
type BackendTLS struct {
	Namespace string
	Settings  Directives // without the prefix of the module, as in ssl_verify
}

// Shape is what all routes with the same settings have in common, as a named location. Workers jump there when they have
// found a route in their data.
type Shape struct {
	Name     string // @ and a hash of all else
	Answer   *Answer
	Protocol Protocol
	Upstream string // the block, "" answers 404
	Headers  []Header
	// Preflight comes before the answer.
	Preflight Directives
	Early     Directives
	Rewrite   *Rewrite // behind Early; without Early, routes say it
	Body      Directives
	Needs     Directives
	// Looks makes the shape answer 503 itself if the backend has no endpoints, as Early may answer before.
	Looks bool

	// Owner and Keys are those of one of its locations.
	Owner string
	Keys  []string
}

// Uses tells whether the shape refers to a variable, other than in its answer.
func (s *Shape) Uses(variable string) bool {
	return slices.ContainsFunc(s.Headers, func(h Header) bool { return h.Value.Uses(variable) }) || s.Early.Use(variable) || s.Body.Use(variable)
}

// Answer is what NGINX itself answers.
type Answer struct {
	Code   int
	Target *Arg // of a redirect
}

// ServerName is a further name of a server: as server_name takes it ("*.suffix" is any number of labels), or
// a regular expression.
type ServerName struct {
	Name    string
	Pattern string
}

// Arg is the name as an argument of server_name.
func (n ServerName) Arg() Arg {
	if n.Pattern != "" {
		return Verbatim("~" + n.Pattern)
	}
	return Verbatim(n.Name)
}

// Names are the arguments of server_name. NGINX gives the first of them as the variable $server_name.
func (s *Server) Names() []Arg {
	var names []Arg
	if s.Name != "" {
		names = append(names, HostName(s.Name).Arg())
	}
	for _, a := range s.Aliases {
		names = append(names, a.Arg())
	}
	if s.TakesAnyName {
		names = append(names, ServerName{Pattern: "."}.Arg())
	}
	return names
}

// HostName is the host of an Ingress rule as a server name. A wildcard becomes a regular expression: an Ingress means one
// label by it, NGINX any number.
func HostName(host string) ServerName {
	suffix, wildcard := strings.CutPrefix(host, "*.")
	if !wildcard {
		return ServerName{Name: host}
	}
	return ServerName{Pattern: `^(?<subdomain>[\w-]+)\.` + strings.ReplaceAll(suffix, ".", `\.`) + "$"}
}

// AppRootTarget is where a request for / is sent, if AppRoot is set.
func (s *Server) AppRootTarget() Arg {
	return Concat(Var("scheme"), Text("://"), Var("best_http_host"), *s.AppRoot)
}

// RedirectTarget is where a server that only redirects sends requests.
func (s *Server) RedirectTarget() Arg {
	return Concat(Var("pass_access_scheme"), Text("://"+s.RedirectTo), Var("redirect_port"), Var("redirect_uri"))
}

// IsDefault tells whether the server takes the hosts that no other server names.
func (s *Server) IsDefault() bool { return s.Name == "_" }

// HasExact says whether a location has exactly this path.
func (s *Server) HasExact(path string) bool {
	return slices.ContainsFunc(s.Locations, func(l *Location) bool { return l.Match == Exact && l.Path == path })
}

// Match says which paths a location takes.
type Match uint8

const (
	// Exact takes one path.
	Exact Match = iota
	// Prefix takes all paths that start with the text.
	Prefix
	// Pattern takes all paths in which the regular expression matches, whatever the case.
	Pattern
)

// Location is one location block: a prelude that is its own (Match, Identity, redirects, rewrite,
// Backend) and a body that equals that of every location with the same settings.
type Location struct {
	Match Match
	// Path is the text of the match: a path for Exact and Prefix, an expression for Pattern.
	Path string
	// Identity is what logs and metrics say of the location.
	Identity Identity

	// HasTLS tells features whether the host has a certificate, be it the default one, of its own.
	HasTLS bool
	// Server is the host that features find the location in; nil for what all hosts have in common.
	Server *Server
	// MaxBody is the largest request body in bytes, 0 for any. It is in Body too.
	MaxBody int64
	// Denied makes every request answer 503, before anything else is looked at.
	Denied bool
	// Return redirects every request.
	Return *Redirect
	// ToHTTPS redirects requests that came in the clear.
	ToHTTPS *ToHTTPS
	// Rewrite replaces the path before the request is passed on.
	Rewrite *Rewrite
	// Protocol is what the backend speaks.
	Protocol Protocol
	// Upstream is the name of the backend that serves the location; "" answers 404. See Protocol.Block.
	Upstream string
	// Fallback is the backend that takes requests as long as Upstream has no endpoints, and answers in place of the errors
	// that Body hands to ErrorLocation; "" for none. It is spoken to like Upstream, about errors in HTTP.
	Fallback string
	// Apart keeps connections to the backend from being used by locations that say something else here. NGINX takes an
	// idle connection for granted, whatever was checked and shown when it was made.
	Apart string
	// Headers replace those of HTTP.Headers of the same name, or are added.
	Headers []Header
	// Preflight are directives that answer what a browser asks before it sends a request to another site. They come before
	// all that redirects or refuses requests, and only Denied comes before them. Like Body they name no object.
	Preflight Directives
	// Early are directives that may answer or change the path themselves, before Rewrite. Like Body they name no object.
	Early Directives
	// Body are all other directives. They name no object: what differs between locations with the
	// same settings is in variables.
	Body Directives
	// Needs are what Preflight and Body refer to at the http level; see Need.
	Needs Directives

	Owner   string   // the object the location comes from
	Field   string   // where its path stands in there; "" if nobody wrote it
	Keys    []string // annotations of it that settings in here come from
	Sources []Source // which of them, part by part
}

// Block is the name of the upstream block that the location passes requests to; "" for none.
func (l *Location) Block() string {
	if l.Upstream == "" {
		return ""
	}
	return l.BlockOf(l.Upstream)
}

// BlockOf is the name of the upstream block by which the location reaches a backend.
func (l *Location) BlockOf(backend string) string {
	if l.Apart == "" {
		return l.Protocol.Block(backend)
	}
	return l.Protocol.Block(backend) + "_" + l.Apart
}

// SpeakTLS makes the location speak TLS to its backend by settings of a BackendTLS.
func (l *Location) SpeakTLS(settings Directives) {
	sum := sha256.New()
	for _, d := range settings {
		d.Name = l.Protocol.Module() + "_" + d.Name
		l.Body = append(l.Body, d)
		text, err := d.Encode("")
		fmt.Fprintln(sum, text, err) // Check says what is wrong
	}
	l.Apart = hex.EncodeToString(sum.Sum(nil)[:8])
}

// Check tells whether all of the location can be written. What cannot be is of one user's making, an argument
// that is too long for NGINX as a rule, and must not keep all other locations from being written.
func (l *Location) Check() error {
	list := Directives{D("location", Verbatim(l.Path)), D("set", Text(l.Identity.Path))}
	if l.Return != nil {
		list.Add("return", l.Return.Target)
		if l.Return.Pattern != nil {
			list.Add("if", l.Return.Pattern.Arg())
		}
	}
	if l.Rewrite != nil {
		list.Add("rewrite", l.Rewrite.Regex(), l.Rewrite.Target)
	}
	for _, h := range l.Headers {
		list = append(list, l.Protocol.SetHeader(h))
	}
	for _, some := range []Directives{list, l.Preflight, l.Early, l.Body, l.Needs} {
		if _, err := some.Encode(""); err != nil {
			return err
		}
	}
	return nil
}

// Redirect is a status with a Location.
type Redirect struct {
	Code   int
	Target Arg
	// Pattern limits the redirect to paths in which it is found, in any case; nil takes all. It is looked for in
	// the path as a URL has it, so captures that the target uses cannot end the header that they stand in.
	Pattern *Regex
}

// ToHTTPS is a redirect to the same URI over TLS.
type ToHTTPS struct {
	// KeepSlash keeps a slash that ends the URI; ingress-nginx cuts it off by default.
	KeepSlash bool
	// WithPort adds the port of the TLS listener.
	WithPort bool
}

// Target is where the redirect leads.
func (t *ToHTTPS) Target(tlsPort int) Arg {
	parts := []Arg{Text("https://"), Var("redirect_host")}
	if t.WithPort {
		parts = append(parts, Text(":"), Int(tlsPort))
	}
	uri := Var("redirect_uri")
	if t.KeepSlash {
		uri = Var("request_uri")
	}
	return Concat(append(parts, uri)...)
}

// Rewrite replaces the path where Pattern is found, in any case, by Target.
type Rewrite struct {
	Pattern Regex
	Target  Arg
	// Printable refuses paths with control characters, because captures are used in headers.
	Printable bool
}

// Regex is the pattern as an argument of rewrite.
func (r *Rewrite) Regex() Arg { return Verbatim("(?i)" + r.Pattern.String()) }

// Set replaces all directives of that name in the body by one.
func (l *Location) Set(name string, args ...Arg) {
	body := l.Body[:0]
	for _, d := range l.Body {
		if d.Name != name {
			body = append(body, d)
		}
	}
	l.Body = append(body, D(name, args...))
}

// SetHeader is the directive that sends a header to a backend. FastCGI has them as parameters.
func (p Protocol) SetHeader(h Header) Directive {
	if p == FCGI {
		name := "HTTP_" + strings.ToUpper(strings.ReplaceAll(h.Name, "-", "_"))
		return D("fastcgi_param", Verbatim(name), h.Value, Verbatim("if_not_empty"))
	}
	return D(p.Module()+"_set_header", Verbatim(h.Name), h.Value)
}

// Proxy adds a directive of the module that speaks the location's protocol: proxy_NAME, grpc_NAME or fastcgi_NAME.
func (l *Location) Proxy(name string, args ...Arg) {
	l.Body.Add(l.Protocol.Module()+"_"+name, args...)
}

// SetHeader replaces the value of a header sent to the backend, or adds the header.
func (l *Location) SetHeader(name string, value Arg) {
	l.Headers = append(l.Headers, Header{name, value})
}

// MergeHeaders returns base with the values of further put in place of those of the same name, and the rest
// of further behind them.
func MergeHeaders(base, further []Header) []Header {
	merged := append([]Header(nil), base...)
	for _, h := range further {
		at := slices.IndexFunc(merged, func(m Header) bool { return strings.EqualFold(m.Name, h.Name) })
		if at < 0 {
			merged = append(merged, h)
		} else {
			merged[at].Value = h.Value
		}
	}
	return merged
}

// Keepalive is what becomes of connections to endpoints.
type Keepalive struct {
	Connections int           // idle ones kept per upstream and worker, if there are few upstreams
	Requests    int           // how many one takes
	Time        time.Duration // after which the next request is the last
	Timeout     time.Duration // how long one may be idle
}

// Upstream is a group of endpoints.
type Upstream struct {
	Name      string
	Endpoints []string // address:port as of rendering; workers get newer ones as data
	Keepalive int      // idle connections kept per worker; 0 closes them
	Settings  Directives
}

// Certificate is a certificate chain with its key, both PEM.
type Certificate struct {
	Chain string
	Key   Secret
}
