package templates

import (
	"cmp"

	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// The views are what templates see, custom ones included. Fields are typed arguments and directives, or
// plain values that the escaper quotes.

// mainView is the data of nginx.tmpl and http.tmpl.
type mainView struct {
	Options
	Generation      string
	Workers         nginx.Arg
	Connections     int
	OpenFiles       int
	ShutdownTimeout nginx.Arg
	ErrorLog        string
	ErrorLevel      string
	Modules         []string // files
	CertificateFile nginx.Arg
	KeyFile         nginx.Arg
	StateFile       string
	HSTS            string
	KeepsNone       bool // no idle connections to endpoints
	NamesHashSize   int
	NamesHashBucket int
	Headers         nginx.Directives
	Shared          nginx.Directives
	TLS             nginx.Directives
	Clients         nginx.Directives
	Answers         nginx.Directives
	Logs            nginx.Directives
	DefaultStaple   string           // "" for none
	RejectsNames    bool             // whether workers do so; without Shapes NGINX does
	CachesAnswers   bool             // of services that are asked whether requests may pass
	Blocks          []string         // what routes call the servers, in dynamic mode
	Main, More      nginx.Directives // the administrator's own
	Process, Events nginx.Directives // of the context outside of all blocks, and of events
	Directives      nginx.Directives
	Needs           Fragment // of locations and shapes
	Servers         Fragment
	FollowsCost     bool
	CountsRequests  bool
	SpanQueue       string   // how many spans may wait; "" without tracing
	Shapes          []string // names, sorted; none in compiled mode

	Streams           *streamsView // nil for none
	StreamSocket      string       // "" for none
	BehindPassthrough bool         // TLS comes in by way of the stream block
	NobodyBefore      bool         // $pass_server_port is $server_port; a map of a map costs each request
}

func (r *renderer) mainView() mainView {
	http, process := r.config.HTTP, r.config.HTTP.Process
	size, bucket := namesHash(r.config.Servers, http.NamesHash.Size, http.NamesHash.Bucket)
	shapes := shapeNames(r.config.Servers)
	workers := nginx.Verbatim("auto")
	if n := cmp.Or(process.Workers, r.options.Workers); n > 0 {
		workers = nginx.Int(n)
	}
	streams, socket := r.streamsView(), ""
	if streams != nil {
		socket = r.options.StateDir + streamSocket
	}
	return mainView{
		Streams: streams, StreamSocket: socket, BehindPassthrough: len(r.config.Streams.Passthrough) > 0,
		NobodyBefore:    http.NobodyBefore && len(r.config.Streams.Passthrough) == 0,
		Options:         r.options,
		Workers:         workers,
		Connections:     r.connections(),
		OpenFiles:       r.openFiles(),
		ShutdownTimeout: nginx.Seconds(cmp.Or(process.ShutdownTimeout, r.options.ShutdownTimeout)),
		ErrorLog:        cmp.Or(process.ErrorLog, r.options.ErrorLog),
		ErrorLevel:      process.ErrorLevel,
		Modules:         r.modules(),
		CertificateFile: nginx.Verbatim(certificateFile),
		KeyFile:         nginx.Verbatim(keyFile),
		StateFile:       r.options.StateDir + "/state.jsonl",
		HSTS:            http.HSTS,
		KeepsNone:       http.Keepalive.Connections == 0,
		NamesHashSize:   size,
		NamesHashBucket: bucket,
		Headers:         append(setHeaders(nginx.HTTP1, http.Headers), setHeaders(nginx.GRPC, http.Headers)...),
		Shared:          http.Shared,
		TLS:             http.TLS,
		CachesAnswers:   r.config.RemembersAnswers(),
		Clients:         r.clients(),
		Answers:         http.Answers,
		Logs:            r.logs(),
		Main:            http.Main,
		More:            r.counted(http.More),
		Process:         process.Main,
		Events:          process.Events,
		Directives:      r.counted(http.Directives),
		Needs:           fragment(r.needs()),
		Servers:         fragment(strings.Join(r.serverTexts, separator)),
		DefaultStaple:   http.DefaultStaple,
		RejectsNames:    http.RejectsUnknownNames && len(shapes) > 0,
		Blocks:          blocks(r.config.Servers),
		FollowsCost:     r.config.FollowsCost,
		CountsRequests:  r.options.CountsRequests,
		SpanQueue:       spanQueue(http.Tracing),
		Shapes:          shapes,
	}
}

func spanQueue(t *nginx.Tracing) string {
	if t == nil {
		return ""
	}
	return strconv.Itoa(t.Queue)
}

// needs is what locations and shapes need at the http level, each only once and in an order that depends on nothing else.
func (r *renderer) needs() string {
	all := map[string]bool{}
	for _, s := range r.config.Servers {
		for _, text := range r.memory.servers[s].needs {
			all[text] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), "")
}

// blocks are what routes call the servers.
func blocks(servers []*nginx.Server) []string {
	var list []string
	for _, s := range servers {
		list = append(list, s.Block)
	}
	return list
}

// shapeNames are the names of all shapes, sorted.
func shapeNames(servers []*nginx.Server) []string {
	var names []string
	for _, s := range servers {
		for _, shape := range s.Shapes {
			names = append(names, shape.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// modules are the files of all dynamic modules, those that not every configuration needs beside the others.
func (r *renderer) modules() []string {
	files := slices.Clone(r.options.Modules)
	for _, name := range r.config.HTTP.Process.Modules {
		files = append(files, path.Join(r.options.ModulesDir, name))
	}
	if r.config.HasFirewall() {
		files = append(files, path.Join(r.options.ModulesDir, nginx.FirewallModule))
	}
	return files
}

// openFiles is how many files a worker may have open. NGINX cannot have more than its surroundings allow: it would keep what it
// was started with, which may be fewer by far.
func (r *renderer) openFiles() int {
	return min(cmp.Or(r.config.HTTP.Process.OpenFiles, r.options.OpenFiles), r.options.OpenFiles)
}

// connections is how many a worker may have. Each upstream may hold some idle ones, which must not crowd out
// clients.
func (r *renderer) connections() int {
	wanted, files := r.config.HTTP.Process.Connections, r.openFiles()
	if wanted == 0 {
		wanted = files * 3 / 4
	}
	return min(wanted+4*len(r.config.Upstreams), max(files, wanted))
}

// namesHash sizes the hash of server names so that all hosts fit: NGINX refuses to start otherwise.
func namesHash(servers []*nginx.Server, size, bucket int) (int, int) {
	longest, count := 0, 0
	for _, s := range servers {
		longest = max(longest, len(s.Name))
		count += 1 + len(s.Aliases)
		for _, a := range s.Aliases {
			longest = max(longest, len(a.Name))
		}
	}
	size, bucket = max(size, 1024), max(bucket, 128)
	for size < 8*count {
		size *= 2
	}
	// An element is the name, rounded up to a pointer, with a pointer and a length; a bucket ends in a pointer.
	for bucket < longest+3*8+8 {
		bucket *= 2
	}
	return size, bucket
}

// setHeaders writes the headers of requests to backends. Neither HTTP/2, which gRPC is spoken over, nor FastCGI knows
// Connection or Upgrade.
func setHeaders(protocol nginx.Protocol, headers []nginx.Header) nginx.Directives {
	var list nginx.Directives
	for _, h := range headers {
		if protocol.Module() != "proxy" && (h.Name == "Connection" || h.Name == "Upgrade") {
			continue
		}
		list = append(list, protocol.SetHeader(h))
	}
	return list
}

// headers writes those of a location, nothing if it inherits all. No parameters of FastCGI are there to inherit.
func (r *renderer) headers(protocol nginx.Protocol, own []nginx.Header) nginx.Directives {
	if own == nil && protocol != nginx.FCGI {
		return nil
	}
	return setHeaders(protocol, nginx.MergeHeaders(r.config.HTTP.Headers, own))
}

// serverView is the data of server.tmpl.
type serverView struct {
	Listen       nginx.Directives
	Names        []nginx.Arg
	LooseNames   bool // of request headers
	IsDefault    bool
	HealthPath   string // "" for none
	RedirectTo   *nginx.Arg
	RedirectCode int
	AppRoot      *nginx.Arg
	Directives   nginx.Directives
	Locations    []Fragment
	Shapes       []Fragment // in dynamic mode, in place of Locations
	Block        string     // what routes call it
	Errors       bool       // whether something leads to the location that asks error services
	GRPCErrors   bool       // whether something leads to that of gRPC
	Inquiries    []inquiryView
	Captures     nginx.Directives // variables of shapes that routes set, if their patterns have them
}

func (r *renderer) serverView(s *nginx.Server) serverView {
	v := serverView{
		Listen: r.listen(s.IsDefault()), Names: s.Names(), LooseNames: r.config.HTTP.LooseNames, IsDefault: s.IsDefault(), Directives: r.counted(s.Directives), RedirectCode: r.config.HTTP.RedirectCode,
		Block: s.Block, Captures: captures(s.Shapes), GRPCErrors: s.HandsErrorsTo(nginx.GRPCErrorLocation),
		Errors: r.config.HTTP.Shared.HandsErrorsTo(nginx.ErrorLocation) || s.HandsErrorsTo(nginx.ErrorLocation),
	}
	for _, inquiry := range s.Inquiries() {
		v.Inquiries = append(v.Inquiries, inquiryView{nginx.Verbatim(inquiry.Name), r.counted(inquiry.Body), inquiry.Copies})
	}
	if s.AppRoot != nil {
		target := s.AppRootTarget()
		v.AppRoot = &target
	}
	if s.RedirectTo != "" {
		target := s.RedirectTarget()
		v.RedirectTo = &target
	}
	if r.config.HTTP.RejectsUnknownNames && s.IsDefault() && s.Shapes == nil {
		v.Directives = append(nginx.Directives{nginx.D("ssl_reject_handshake", nginx.OnOff(true))}, v.Directives...)
	}
	if path := r.options.Health(); s.IsDefault() && s.Shapes == nil && !s.HasExact(path) {
		v.HealthPath = path
	}
	return v
}

// inquiryView is a location that asks a service about requests, or copies them to one.
type inquiryView struct {
	Name   nginx.Arg
	Body   nginx.Directives
	Copies bool
}

// captures empties the variables that stand for groups of patterns, as far as shapes use them.
func captures(shapes []*nginx.Shape) nginx.Directives {
	var list nginx.Directives
	for n := 1; n <= nginx.MostCaptures; n++ {
		name := nginx.Capture(n)
		if slices.ContainsFunc(shapes, func(s *nginx.Shape) bool { return s.Uses(name) }) {
			list.Add("set", nginx.Var(name), nginx.Text(""))
		}
	}
	return list
}

func (r *renderer) listen(isDefault bool) nginx.Directives {
	var list nginx.Directives
	behind := len(r.config.Streams.Passthrough) > 0
	for _, port := range []struct {
		number int
		tls    bool
	}{{r.options.HTTPPort, false}, {r.options.HTTPSPort, true}} {
		addresses := r.config.HTTP.Listening.On(port.number, r.options.IPv6)
		if port.tls && behind {
			addresses = []nginx.Arg{nginx.Verbatim("unix:" + r.options.StateDir + httpsSocket)}
		}
		for _, address := range addresses {
			args := []nginx.Arg{address}
			if port.tls {
				args = append(args, nginx.Verbatim("ssl"))
			}
			if r.config.HTTP.ProxyProtocol || port.tls && behind {
				args = append(args, nginx.Verbatim("proxy_protocol"))
			}
			switch {
			case isDefault && port.tls && behind:
				args = append(args, nginx.Words("default_server", "backlog=4096")...)
			case isDefault:
				args = append(args, nginx.Words("default_server", "reuseport", "backlog=4096")...)
			}
			list.Add("listen", args...)
		}
	}
	return list
}

// locationView is the data of location.tmpl.
type locationView struct {
	nginx.Identity
	Match                  []nginx.Arg
	Place                  string // see nginx.Location
	Names                  nginx.Directives
	Backend, Fallback      string
	UpstreamName           string // as logs have it
	Denied                 bool
	Return                 *redirectView
	ToHTTPS                *redirectView
	Rewrite                *rewriteView
	Pass                   nginx.Directive
	Headers                nginx.Directives
	Preflight, Early, Body nginx.Directives
}

type redirectView struct {
	Code    int
	Target  nginx.Arg
	Pattern *nginx.Arg
}

type rewriteView struct {
	Pattern, Target nginx.Arg
	Printable       bool
}

func (r *renderer) locationView(s *nginx.Server, l *nginx.Location) locationView {
	v := locationView{
		Match: matchArgs(l), Place: l.Place(s), Names: r.names(l), Identity: l.Identity, Backend: l.BackendName(), UpstreamName: l.UpstreamName(), Denied: l.Denied, Pass: pass(l.Protocol, l.Block()),
		Preflight: l.Preflight, Early: l.Early, Body: r.counted(l.Body), Fallback: l.Fallback,
	}
	if l.Return != nil {
		v.Return = &redirectView{Code: l.Return.Code, Target: l.Return.Target}
		if l.Return.Pattern != nil {
			pattern := l.Return.Pattern.Arg()
			v.Return.Pattern = &pattern
		}
	}
	if l.ToHTTPS != nil {
		v.ToHTTPS = &redirectView{Code: r.config.HTTP.RedirectCode, Target: l.ToHTTPS.Target(r.options.HTTPSPort)}
	}
	if l.Rewrite != nil {
		v.Rewrite = &rewriteView{l.Rewrite.Regex(), l.Rewrite.Target, l.Rewrite.Printable}
	}
	v.Headers = r.headers(l.Protocol, l.Headers)
	return v
}

// shapeView is the data of shape.tmpl.
type shapeView struct {
	Name    nginx.Arg
	Code    int // of an answer of NGINX's own; 0 for requests that are passed on
	Target  *nginx.Arg
	Pass    nginx.Directive
	Headers nginx.Directives
	Early   nginx.Directives

	Preflight nginx.Directives
	Rewrite   *rewriteView
	Looks     bool
	Body      nginx.Directives
}

func (r *renderer) shapeView(s *nginx.Shape) shapeView {
	v := shapeView{Name: nginx.Verbatim(s.Name), Pass: pass(s.Protocol, s.Upstream), Preflight: s.Preflight, Early: s.Early, Looks: s.Looks, Body: r.counted(s.Body)}
	if s.Answer != nil {
		v.Code, v.Target = s.Answer.Code, s.Answer.Target
	}
	if s.Rewrite != nil {
		v.Rewrite = &rewriteView{s.Rewrite.Regex(), s.Rewrite.Target, s.Rewrite.Printable}
	}
	if s.Answer == nil || s.Headers != nil {
		v.Headers = r.headers(s.Protocol, s.Headers)
	}
	return v
}

func matchArgs(l *nginx.Location) []nginx.Arg {
	path := nginx.Verbatim(l.Path)
	switch l.Match {
	case nginx.Exact:
		return []nginx.Arg{nginx.Verbatim("="), path}
	case nginx.Pattern:
		return []nginx.Arg{nginx.Verbatim("~*"), path}
	}
	return []nginx.Arg{path}
}

// pass sends requests to an upstream block. What has none answers 404, but only after the checks of the access phase, which
// a return would skip.
func pass(protocol nginx.Protocol, block string) nginx.Directive {
	if block == "" {
		return nginx.D("try_files", nginx.Words("/nonexistent", "=404")...)
	}
	if protocol == nginx.FCGI {
		return nginx.D("fastcgi_pass", nginx.Verbatim(block))
	}
	schemes := map[nginx.Protocol]nginx.Arg{
		nginx.HTTP1: nginx.Verbatim("http"), nginx.HTTPS: nginx.Verbatim("https"), nginx.AutoHTTP: nginx.Var("scheme"),
		nginx.GRPC: nginx.Verbatim("grpc"), nginx.GRPCS: nginx.Verbatim("grpcs"),
	}
	return nginx.D(protocol.Module()+"_pass", nginx.Concat(schemes[protocol], nginx.Verbatim("://"+block)))
}

// upstreamView is the data of upstream.tmpl.
type upstreamView struct {
	Name      nginx.Arg
	Endpoints []nginx.Arg
	Keepalive int
	Settings  nginx.Directives

	KeepaliveTime, KeepaliveTimeout nginx.Arg
	KeepaliveRequests               int
}
