package templates

import (
	"cmp"
	"slices"
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
	ShutdownTimeout nginx.Arg
	CertificateFile nginx.Arg
	KeyFile         nginx.Arg
	StateFile       string
	HSTS            string
	NamesHashSize   int
	NamesHashBucket int
	Headers         nginx.Directives
	Shared          nginx.Directives
	Servers         Fragment
}

func (r *renderer) mainView() mainView {
	http := r.config.HTTP
	size, bucket := namesHash(r.config.Servers)
	workers := nginx.Verbatim("auto")
	if r.options.Workers > 0 {
		workers = nginx.Int(r.options.Workers)
	}
	return mainView{
		Options:         r.options,
		Workers:         workers,
		Connections:     r.connections(),
		ShutdownTimeout: nginx.Seconds(r.options.ShutdownTimeout),
		CertificateFile: nginx.Verbatim(certificateFile),
		KeyFile:         nginx.Verbatim(keyFile),
		StateFile:       r.options.StateDir + "/state.jsonl",
		HSTS:            http.HSTS,
		NamesHashSize:   size,
		NamesHashBucket: bucket,
		Headers:         append(setHeaders("proxy", http.Headers), setHeaders("grpc", http.Headers)...),
		Shared:          http.Shared,
		Servers:         fragment(strings.Join(r.serverTexts, "\n")),
	}
}

// connections is how many a worker may have. Each upstream may hold some idle ones, which must not crowd out
// clients.
func (r *renderer) connections() int {
	return min(r.options.Connections+4*len(r.config.Upstreams), max(r.options.OpenFiles, r.options.Connections))
}

// namesHash sizes the hash of server names so that all hosts fit: NGINX refuses to start otherwise.
func namesHash(servers []*nginx.Server) (size, bucket int) {
	longest, count := 0, 0
	for _, s := range servers {
		longest = max(longest, len(s.Name))
		count += 1 + len(s.Aliases)
		for _, a := range s.Aliases {
			longest = max(longest, len(a.Name))
		}
	}
	size, bucket = 1024, 128
	for size < 8*count {
		size *= 2
	}
	// An element is the name, rounded up to a pointer, with a pointer and a length; a bucket ends in a pointer.
	for bucket < longest+3*8+8 {
		bucket *= 2
	}
	return size, bucket
}

// setHeaders writes the headers of requests to backends. HTTP/2, which gRPC is spoken over, knows neither
// Connection nor Upgrade.
func setHeaders(module string, headers []nginx.Header) nginx.Directives {
	var list nginx.Directives
	for _, h := range headers {
		if module == "grpc" && (h.Name == "Connection" || h.Name == "Upgrade") {
			continue
		}
		list.Add(module+"_set_header", nginx.Verbatim(h.Name), h.Value)
	}
	return list
}

// serverView is the data of server.tmpl.
type serverView struct {
	Listen       nginx.Directives
	Names        []nginx.Arg
	IsDefault    bool
	HealthPath   string // "" for none
	RedirectTo   *nginx.Arg
	RedirectCode int
	AppRoot      *nginx.Arg
	Directives   nginx.Directives
	Locations    []Fragment
}

func (r *renderer) serverView(s *nginx.Server) serverView {
	v := serverView{
		Listen: r.listen(s.IsDefault()), Names: s.Names(), IsDefault: s.IsDefault(), Directives: s.Directives, RedirectCode: r.config.HTTP.RedirectCode,
	}
	if s.AppRoot != nil {
		target := nginx.Concat(nginx.Var("scheme"), nginx.Text("://"), nginx.Var("http_host"), *s.AppRoot)
		v.AppRoot = &target
	}
	if s.RedirectTo != "" {
		target := nginx.Concat(nginx.Var("pass_access_scheme"), nginx.Text("://"+s.RedirectTo), nginx.Var("redirect_port"), nginx.Var("redirect_uri"))
		v.RedirectTo = &target
	}
	if path := cmp.Or(r.options.HealthPath, "/healthz"); s.IsDefault() && !hasLocation(s, path) {
		v.HealthPath = path
	}
	return v
}

// hasLocation says whether users' objects have taken exactly this path.
func hasLocation(s *nginx.Server, path string) bool {
	return slices.ContainsFunc(s.Locations, func(l *nginx.Location) bool { return l.Match == nginx.Exact && l.Path == path })
}

func (r *renderer) listen(isDefault bool) nginx.Directives {
	var list nginx.Directives
	for _, port := range []struct {
		number int
		tls    bool
	}{{r.options.HTTPPort, false}, {r.options.HTTPSPort, true}} {
		addresses := []nginx.Arg{nginx.Int(port.number)}
		if r.options.IPv6 {
			addresses = append(addresses, nginx.Concat(nginx.Verbatim("[::]:"), nginx.Int(port.number)))
		}
		for _, address := range addresses {
			args := []nginx.Arg{address}
			if port.tls {
				args = append(args, nginx.Verbatim("ssl"))
			}
			if isDefault {
				args = append(args, nginx.Words("default_server", "reuseport", "backlog=4096")...)
			}
			list.Add("listen", args...)
		}
	}
	return list
}

// locationView is the data of location.tmpl.
type locationView struct {
	Match                                            []nginx.Arg
	Namespace, Ingress, Service, Port, Path, Backend string
	IsExactTwin                                      bool
	Denied                                           bool
	Return                                           *redirectView
	ToHTTPS                                          *redirectView
	Rewrite                                          *rewriteView
	Pass                                             nginx.Directive
	Headers                                          nginx.Directives
	Body                                             nginx.Directives
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

func (r *renderer) locationView(l *nginx.Location) locationView {
	id := l.Identity
	v := locationView{
		Match: matchArgs(l), Namespace: id.Namespace, Ingress: id.Ingress, Service: id.Service, Port: id.Port,
		Path: id.Path, IsExactTwin: id.IsExactTwin, Backend: backendOf(l), Denied: l.Denied, Pass: pass(l), Body: l.Body,
	}
	if l.Return != nil {
		v.Return = &redirectView{Code: l.Return.Code, Target: l.Return.Target}
		if l.Return.Pattern != nil {
			pattern := l.Return.Pattern.Arg()
			v.Return.Pattern = &pattern
		}
	}
	if l.ToHTTPS != nil {
		v.ToHTTPS = &redirectView{Code: r.config.HTTP.RedirectCode, Target: r.httpsTarget(l.ToHTTPS)}
	}
	if l.Rewrite != nil {
		v.Rewrite = &rewriteView{l.Rewrite.Regex(), l.Rewrite.Target, l.Rewrite.Printable}
	}
	if l.Headers != nil {
		v.Headers = setHeaders(l.Protocol.Module(), nginx.MergeHeaders(r.config.HTTP.Headers, l.Headers))
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

func (r *renderer) httpsTarget(to *nginx.ToHTTPS) nginx.Arg {
	parts := []nginx.Arg{nginx.Text("https://"), nginx.Var("redirect_host")}
	if to.WithPort {
		parts = append(parts, nginx.Text(":"), nginx.Int(r.options.HTTPSPort))
	}
	uri := nginx.Var("redirect_uri")
	if to.KeepSlash {
		uri = nginx.Var("request_uri")
	}
	return nginx.Concat(append(parts, uri)...)
}

// backendOf names the location's backend for logs and for Lua. What has none answers like ingress-nginx's
// built-in default backend, and is called so.
func backendOf(l *nginx.Location) string {
	if l.Upstream == "" {
		return "upstream-default-backend"
	}
	return l.Upstream
}

// pass sends requests to the location's upstream. What has none answers 404, but only after the checks of
// the access phase, which a return would skip.
func pass(l *nginx.Location) nginx.Directive {
	if l.Upstream == "" {
		return nginx.D("try_files", nginx.Words("/nonexistent", "=404")...)
	}
	schemes := map[nginx.Protocol]nginx.Arg{
		nginx.HTTP1: nginx.Verbatim("http"), nginx.HTTPS: nginx.Verbatim("https"), nginx.AutoHTTP: nginx.Var("scheme"),
		nginx.GRPC: nginx.Verbatim("grpc"), nginx.GRPCS: nginx.Verbatim("grpcs"),
	}
	return nginx.D(l.Protocol.Module()+"_pass", nginx.Concat(schemes[l.Protocol], nginx.Verbatim("://"+l.Protocol.Block(l.Upstream))))
}

// upstreamView is the data of upstream.tmpl.
type upstreamView struct {
	Name      nginx.Arg
	Endpoints []nginx.Arg
	Keepalive int
	Settings  nginx.Directives
}
