package routing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// partMaker makes the entry of one server.
type partMaker struct {
	http   nginx.HTTP
	port   int    // of TLS
	group  string // what the server's own settings are; shapes of servers with others have other names
	host   dynamic.Host
	shapes map[string]*nginx.Shape
	exact  map[string]bool // the paths of locations that take one path

	saysServerName bool // a template does
}

func newPart(s *nginx.Server, http nginx.HTTP, o Options) *part {
	m := partMaker{http: http, port: o.TLSPort, group: groupKey(s), shapes: map[string]*nginx.Shape{}, exact: map[string]bool{}}
	for _, l := range s.Locations {
		if l.Match == nginx.Exact {
			m.exact[l.Path] = true
		}
	}
	if s.RedirectTo != "" {
		m.host.All = m.jump(http.RedirectCode, s.RedirectTarget(), nil)
	}
	if s.AppRoot != nil {
		m.host.Root = m.jump(302, s.AppRootTarget(), nil)
	}
	var routes []int // by location
	for _, l := range s.Locations {
		route := m.add(m.route(l))
		switch l.Match {
		case nginx.Exact:
			put(&m.host.Exact, l.Path, route)
		case nginx.Prefix:
			put(&m.host.Prefix, l.Path, route)
		case nginx.Pattern:
			m.host.Patterns = append(m.host.Patterns, dynamic.Pattern{Text: l.Path, Route: route})
		}
		routes = append(routes, route)
	}
	if s.IsDefault() && o.HealthPath != "" && !m.exact[o.HealthPath] {
		put(&m.host.Exact, o.HealthPath, m.add(m.health(o.HealthPath)))
	}
	if m.saysServerName || slices.ContainsFunc(sorted(m.shapes), func(shape *nginx.Shape) bool { return shape.Uses(serverName) }) {
		m.host.ServerName = s.Names()[0].Value()
	}
	return &part{host: &m.host, names: names(s), group: m.group, routes: routes, shapes: sorted(m.shapes)}
}

// add returns the index of a route. Both locations of a Prefix path are one.
func (m *partMaker) add(r dynamic.Route) int {
	if last := len(m.host.Routes) - 1; last >= 0 && reflect.DeepEqual(m.host.Routes[last], r) {
		return last
	}
	m.host.Routes = append(m.host.Routes, r)
	return len(m.host.Routes) - 1
}

// health is the route that tells load balancers and probes that NGINX runs.
func (m *partMaker) health(path string) dynamic.Route {
	silent := nginx.Location{Body: nginx.Directives{nginx.D("access_log", nginx.OnOff(false))}}
	route := dynamic.Route{Path: path, Redirect: &dynamic.Redirect{Jump: dynamic.Jump{Shape: m.answer(200, nil, &silent)}}}
	m.limit(&route, m.http.MaxBody, &silent)
	return route
}

// limit refuses bodies that are larger than so many bytes.
func (m *partMaker) limit(r *dynamic.Route, bytes int64, l *nginx.Location) {
	if bytes > 0 && bytes <= largestNumber {
		r.Limit, r.TooLarge = bytes, m.answer(413, nil, l)
	}
}

func put(m *map[string]int, path string, route int) {
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[path] = route
}

func (m *partMaker) route(l *nginx.Location) dynamic.Route {
	id := l.Identity
	r := dynamic.Route{
		Namespace: id.Namespace, Ingress: id.Ingress, Service: id.Service, Port: id.Port, Path: id.Path, IsExactTwin: id.IsExactTwin,
		Backend: l.BackendName(), Fallback: l.Fallback,
	}
	found := *l
	found.Preflight = nil // comes behind what NGINX answers while it looks for the location
	if slash(l) && !m.exact[strings.TrimSuffix(l.Path, "/")] {
		r.Slash = m.jump(301, nginx.Concat(nginx.Text(nginx.EscapePath(l.Path)), nginx.Var("is_args"), nginx.Var("args")), &found)
	}
	m.limit(&r, l.MaxBody, &found)
	if l.Denied {
		r.Denied = m.answer(503, nil, l)
		return r
	}
	if l.Return != nil {
		r.Redirect = &dynamic.Redirect{Jump: *m.jump(l.Return.Code, l.Return.Target, l)}
		if l.Return.Pattern == nil {
			return r
		}
		r.Redirect.Pattern = l.Return.Pattern.String()
	}
	if l.ToHTTPS != nil {
		target := l.ToHTTPS.Target(m.port)
		r.InClear = m.answer(m.http.RedirectCode, &target, l)
	}
	shape := nginx.Shape{Protocol: l.Protocol, Headers: renameHeaders(l.Headers), Owner: l.Owner, Keys: l.Keys}
	shape.Preflight, shape.Early, shape.Body, shape.Needs = l.Preflight, l.Early, l.Body, l.Needs
	if l.Upstream != "" {
		shape.Upstream = l.BlockOf(backends)
		if r.Late = len(l.Early) > 0; r.Late {
			shape.Looks = !writesLua(l.Early)
		} else {
			r.Unavailable = m.answer(503, nil, l)
		}
	}
	switch {
	case l.Rewrite != nil && len(l.Early) > 0:
		shape.Rewrite = l.Rewrite
	case l.Rewrite != nil:
		r.Rewrite = m.rewrite(l, shape)
	}
	r.Shape = m.shape(shape)
	return r
}

// writesLua tells whether directives have Lua where a shape's own would stand: NGINX takes it only once.
func writesLua(early nginx.Directives) bool {
	return early.Say("rewrite_by_lua") || early.Say("rewrite_by_lua_block") || early.Say("rewrite_by_lua_file")
}

// largestNumber is the largest that workers read; no request is larger.
const largestNumber = 1e14 - 1

// slash tells whether NGINX itself adds the last slash of the location's path to a request that lacks it. It does so where
// requests are passed on.
func slash(l *nginx.Location) bool {
	return l.Match != nginx.Pattern && len(l.Path) > 1 && strings.HasSuffix(l.Path, "/") && l.Upstream != ""
}

func (m *partMaker) rewrite(l *nginx.Location, shape nginx.Shape) *dynamic.Rewrite {
	r := &dynamic.Rewrite{Pattern: l.Rewrite.Pattern.String()}
	r.Log = slices.ContainsFunc(l.Body, func(d nginx.Directive) bool { return d.Name == "rewrite_log" })
	r.Path, r.Args, r.DropArgs = splitTarget(m.template(l.Rewrite.Target))
	if l.Rewrite.Printable {
		r.Refused = m.answer(400, nil, l)
	}
	if mayBeEmpty(r.Path) {
		r.Empty = m.answer(500, nil, l) // as NGINX: "the rewritten URI has a zero length"
	}
	for _, name := range l.Rewrite.Pattern.Names() {
		if shape.Uses(name) {
			r.Exports = append(r.Exports, name)
		}
	}
	return r
}

// mayBeEmpty tells whether a text has no literals.
func mayBeEmpty(t dynamic.Template) bool {
	for i := 0; i < len(t); i += 2 {
		if t[i] != "" {
			return false
		}
	}
	return true
}

// splitTarget takes the target of a rewrite apart as NGINX does: what stands behind the last question mark are arguments, the
// others are left out, and one at the very end drops the arguments of the request.
func splitTarget(t dynamic.Template) (path, args dynamic.Template, drop bool) {
	t = slices.Clone(t)
	if last := len(t) - 1; last%2 == 0 && strings.HasSuffix(t[last], "?") {
		t[last], drop = strings.TrimSuffix(t[last], "?"), true
	}
	at := -1
	for i := 0; i < len(t); i += 2 {
		if strings.Contains(t[i], "?") {
			at = i
		}
	}
	if at < 0 {
		return t, nil, drop
	}
	cut := strings.LastIndexByte(t[at], '?')
	path = append(slices.Clone(t[:at]), t[at][:cut])
	args = append(dynamic.Template{t[at][cut+1:]}, t[at+1:]...)
	for i := 0; i < len(path); i += 2 {
		path[i] = strings.ReplaceAll(path[i], "?", "")
	}
	return path, args, drop
}

// jump answers a code with a target that is data.
func (m *partMaker) jump(code int, target nginx.Arg, l *nginx.Location) *dynamic.Jump {
	variable := nginx.Var("redirect_target")
	return &dynamic.Jump{Shape: m.answer(code, &variable, l), Target: m.template(target)}
}

// answer makes the shape that answers by itself, with what the location says of answers; none if l is nil.
func (m *partMaker) answer(code int, target *nginx.Arg, l *nginx.Location) string {
	shape := nginx.Shape{Answer: &nginx.Answer{Code: code, Target: target}}
	if l != nil {
		shape.Preflight, shape.Early, shape.Body, shape.Needs = l.Preflight, l.Early, l.Body, l.Needs
		shape.Owner, shape.Keys = l.Owner, l.Keys
	}
	return m.shape(shape)
}

// shape names a shape and keeps it.
func (m *partMaker) shape(shape nginx.Shape) string {
	shape.Early, shape.Body = shape.Early.Renamed("server_name", serverName), shape.Body.Renamed("server_name", serverName)
	hash := sha256.New()
	fmt.Fprintln(hash, m.group)
	if shape.Answer != nil {
		fmt.Fprintln(hash, "answer", shape.Answer.Code)
		if shape.Answer.Target != nil {
			fmt.Fprintln(hash, shape.Answer.Target.Value())
		}
	}
	fmt.Fprintln(hash, shape.Protocol, shape.Upstream)
	for _, h := range shape.Headers {
		fmt.Fprintln(hash, h.Name, len(h.Value.Value()), h.Value.Value())
	}
	if shape.Rewrite != nil {
		target := shape.Rewrite.Target.Renamed(renamed)
		shape.Rewrite = &nginx.Rewrite{Pattern: shape.Rewrite.Pattern, Target: target, Printable: shape.Rewrite.Printable}
		fmt.Fprintln(hash, "rewrite", shape.Rewrite.Pattern, target.Value(), shape.Rewrite.Printable)
	}
	if len(shape.Preflight) > 0 {
		text, err := shape.Preflight.Encode("")
		fmt.Fprintln(hash, "preflight", text, err)
	}
	if len(shape.Early) > 0 {
		text, err := shape.Early.Encode("")
		fmt.Fprintln(hash, "early", text, err)
	}
	text, err := shape.Body.Encode("")
	fmt.Fprintln(hash, text, err) // rendering says what is wrong
	shape.Name = "@" + hex.EncodeToString(hash.Sum(nil)[:8])
	m.shapes[shape.Name] = &shape
	return shape.Name
}

// template is a text as workers read it.
func (m *partMaker) template(a nginx.Arg) dynamic.Template {
	m.saysServerName = m.saysServerName || a.Uses("server_name")
	pieces := a.Renamed(renamed).Pieces()
	if len(pieces) == 0 {
		return dynamic.Template{""}
	}
	return pieces
}

// serverName is what $server_name is called in shapes: many hosts share a server block.
const serverName = "routed_server_name"

func renamed(variable string) string {
	if variable == "server_name" {
		return serverName
	}
	return variable
}

func renameHeaders(headers []nginx.Header) []nginx.Header {
	out := slices.Clone(headers)
	for i := range out {
		out[i].Value = out[i].Value.Renamed(renamed)
	}
	return out
}
