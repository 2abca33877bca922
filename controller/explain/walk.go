package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// walk follows one request through NGINX's phases.
type walk struct {
	*Explainer
	request request.Request
	d       *Decision
	target  request.Target

	host     string // $host
	server   *nginx.Server
	location *nginx.Location
	uri      string // $uri
	args     string
	isOwnURI bool // a rewrite or an error page has made the path
	restarts bool // a rewrite asks for the location to be found again

	set      map[string]value // variables that the configuration sets, and maps that were looked at
	captures []string         // of the last expression that was found
	depth    int              // of maps that refer to each other
	body     []nginx.Parsed   // what stands in the location
	inner    []nginx.Parsed   // what stands in the last condition of it that holds; comes before body
	cycles   int              // how often a rewrite had another location found
	handed   bool             // an error has been handed over; another is answered as it is
	inPlace  int              // the status of that
}

// Explain says what becomes of a request.
func (e *Explainer) Explain(r request.Request) Decision {
	d := Decision{Method: r.Method, URL: r.Scheme() + "://" + r.Host + r.Target, Client: addressText(r.Client)}
	w := &walk{Explainer: e, request: r, d: &d, set: map[string]value{}, server: e.names.byDefault}
	if w.receive() {
		w.serve()
	}
	d.Problems = w.problems()
	return d
}

// receive does what NGINX does before it looks at the configuration of the host, and finds that. It is false if the request ends there.
func (w *walk) receive() bool {
	r := &w.request
	if r.Secure && w.plan.Config.HTTP.RejectsUnknownNames {
		if _, match := w.find(request.Lower(r.ServerName)); match == DefaultHost {
			w.d.Host = Host{Asked: r.ServerName, Match: DefaultHost, Name: "_"}
			w.step("handshake", Answers, "no host is called as the client asks in the handshake, and such handshakes are ended")
			w.d.Outcome = Outcome{NoHandshake: true}
			return false
		}
	}
	if w.plan.Config.HTTP.ProxyProtocol {
		w.notFollowed("the PROXY protocol, by which who stands before the controller says who the client is")
	}
	if w.passesTLS() {
		return false
	}
	w.looseNames()
	longest := w.longestLine()
	if len(r.Line())+len("\r\n") > longest && !request.HasControl(r.Target[:min(len(r.Target), max(0, longest-len(r.Method)-len(" ")))]) {
		return w.refuse("request line", 414, fmt.Sprintf("it is longer than %d bytes", longest))
	}
	read, isValid := request.ParseTarget(r.Target)
	if w.target = read; !isValid || !request.IsMethod(r.Method) {
		return w.refuse("request line", 400, "it is not one that NGINX takes")
	}
	w.uri, w.args = read.Path, read.Args
	if !w.findServer() {
		return false
	}
	if at := slices.IndexFunc(r.Headers, func(h request.Header) bool { return len(h.Name+": "+h.Value+"\r\n") > longest }); at >= 0 {
		return w.refuse("header "+r.Headers[at].Name, 400, fmt.Sprintf("it is longer than %d bytes", longest))
	}
	if r.Version() == "HTTP/1.0" && r.Header("transfer_encoding", ", ") != "" {
		return w.refuse("body", 400, "HTTP/1.0 knows no Transfer-Encoding")
	}
	if r.Method == "TRACE" || r.Method == "CONNECT" {
		return w.refuse("method", 405, r.Method+" is not allowed")
	}
	return w.checkCertificate()
}

func (w *walk) refuse(name string, status int, detail string, from ...Source) bool {
	w.step(name, Answers, detail, from...)
	w.fail(status)
	return false
}

// passesTLS tells whether TLS ends at pods, so that nobody sees the request before. Then the name in the handshake decides.
func (w *walk) passesTLS() bool {
	if !w.request.Secure || w.request.ServerName == "" {
		return false
	}
	p, match := w.find(request.Lower(w.request.ServerName))
	w.set, w.captures = map[string]value{}, nil // groups in names of a handshake are not those of the request
	if p.server == nil || p.server.Passthrough == "" {
		return false
	}
	w.server = p.server
	w.d.Host = Host{Asked: w.request.ServerName, Match: match, Name: p.server.Name, Source: w.sourceOf(p.server.Owner, "")}
	w.step("passthrough", Passes, "TLS ends at the pods, and NGINX sees nothing of the request", w.ofServer("PassesTLS")...)
	w.d.Outcome.Backend = &Backend{
		Protocol: "TLS", Method: w.request.Method, URI: w.request.Target, Shares: []Share{w.share(p.server.Passthrough, 100, false)},
	}
	return true
}

// looseNames notes headers that NGINX as a rule leaves out and here may not: it depends on which of ours pods could take them for.
func (w *walk) looseNames() {
	if len(named(w.shared, "underscores_in_headers", "ignore_invalid_headers")) == 0 {
		return
	}
	for _, h := range w.request.Headers {
		if strings.ContainsAny(h.Name, "_.") {
			w.notFollowed("the header " + h.Name)
		}
	}
}

// findServer finds the host by the URL of the request line, else the Host header.
func (w *walk) findServer() bool {
	asked, isValid := "", true
	for _, text := range []string{w.target.Host, w.request.Host} {
		if text == "" {
			continue
		}
		name, is := request.HostName(text)
		isValid = isValid && is
		if asked == "" {
			asked = name
		}
	}
	if !isValid || w.request.Host == "" && w.request.Version() != "HTTP/1.0" {
		return w.refuse("host", 400, "the request names no host that is one")
	}
	w.host = asked
	match := DefaultHost
	if asked == "" {
		w.host = w.server.Name
	} else {
		var p place
		p, match = w.find(asked)
		w.server = p.server
	}
	w.d.Host = Host{Asked: asked, Match: match, Name: w.server.Name, Source: w.sourceOf(w.server.Owner, "")}
	if w.server.Name == "" || match == AliasHost {
		w.d.Host.Name = w.server.Names()[0].Value()
	}
	w.nameHost(match)
	if w.request.Secure && w.request.ServerName != "" && !strings.EqualFold(w.request.ServerName, asked) && w.verifies() {
		return w.refuse("client certificate", 421, "the client asked for another host in the handshake, and this one asks for certificates there")
	}
	return true
}

// serve follows a request from the server's own rules on, also one that an error page has made.
func (w *walk) serve() {
	if w.serverRules() {
		return
	}
	for w.findLocation() {
		again, isOver := w.locationRules()
		if isOver {
			return
		}
		if !again {
			w.pass()
			return
		}
		if w.cycles++; w.cycles > 10 {
			w.step("rewrite", Answers, "the paths of rewrites lead round in a circle")
			w.fail(500)
			return
		}
	}
}

// serverRules does what the server says of all its paths. It is true if that ends the request.
func (w *walk) serverRules() bool {
	s := w.server
	w.location, w.body, w.inner = nil, nil, nil
	w.unknownDirectives(parsed(s.Directives))
	switch w.run(parsed(s.Directives), "server-snippet", w.ofServer("Directives")) {
	case ended:
		return true
	case stopped:
		return false
	}
	if s.RedirectTo != "" {
		target := s.RedirectTarget()
		w.step("redirect from or to www", Answers, "to the same URI of "+s.RedirectTo, w.ofServer("WWW")...)
		w.redirect(w.plan.Config.HTTP.RedirectCode, w.expand(target.Value()))
		return true
	}
	if s.AppRoot != nil && w.uri == "/" {
		target := s.AppRootTarget()
		w.step("application root", Answers, "/ is redirected", w.ofServer("AppRoot")...)
		w.redirect(302, w.expand(target.Value()))
		return true
	}
	return false
}

// locationRules does what the location says before a backend is chosen, in the order of location.tmpl. It tells whether a rewrite
// asks for another location, and whether the request is over.
func (w *walk) locationRules() (again, isOver bool) {
	l := w.location
	w.identify()
	w.unknownDirectives(w.body)
	if l.Denied {
		return false, !w.refuse("denied", 503, "the path answers 503 because of a mistake in its settings; the problems below say which", w.ofPath()...)
	}
	w.restarts = false
	for _, rules := range []func() progress{w.preflight, w.redirects, w.early, w.rewrite} {
		if p := rules(); p == ended {
			return false, true
		} else if p == stopped {
			break
		}
	}
	return w.restarts, false
}

// progress says how a list of rules ended.
type progress uint8

const (
	wentOn  progress = iota
	stopped          // no further rules count
	ended            // the request is answered
)

func (w *walk) preflight() progress {
	return w.run(parsed(w.location.Preflight), "CORS preflight", w.from("Preflight"))
}

func (w *walk) early() progress {
	return w.run(parsed(w.location.Early), "snippet", w.from("Early"))
}

// redirects are those of all requests, and to https.
func (w *walk) redirects() progress {
	l := w.location
	if l.Return != nil {
		from := w.from("Return")
		if l.Return.Pattern == nil {
			w.step("redirect", Answers, "every request of the path is redirected", from...)
			return w.redirect(l.Return.Code, w.expand(l.Return.Target.Value()))
		}
		groups, err := w.search(l.Return.Pattern.String(), true, nginx.EscapeForLua(w.uri))
		switch {
		case err != nil:
			w.notFollowed("the pattern of a redirect (" + err.Error() + ")")
		case groups != nil:
			w.keep(groups)
			w.step("redirect", Answers, "the rewrite target is a URL", from...)
			return w.redirect(l.Return.Code, w.expand(l.Return.Target.Value()))
		}
	}
	if l.ToHTTPS == nil {
		return wentOn
	}
	if scheme := w.variable("pass_access_scheme"); scheme.text != "http" {
		w.step("redirect to https", Passes, "the request came over "+scheme.text, w.fromOr("ToHTTPS", "spec.tls")...)
		return wentOn
	}
	target := l.ToHTTPS.Target(w.render.HTTPSPort)
	w.step("redirect to https", Answers, "the request came in the clear", w.fromOr("ToHTTPS", "spec.tls")...)
	return w.redirect(w.plan.Config.HTTP.RedirectCode, w.expand(target.Value()))
}

// rewrite does what rewrite-target asks for.
func (w *walk) rewrite() progress {
	rewrite := w.location.Rewrite
	if rewrite == nil {
		return wentOn
	}
	from := w.from("Rewrite")
	if rewrite.Printable && strings.ContainsFunc(w.uri, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		w.step("rewrite", Answers, "the path has a control character, and a header is made of it", from...)
		return w.fail(400)
	}
	groups, err := w.search(rewrite.Pattern.String(), true, w.uri)
	if err != nil {
		w.notFollowed("the pattern of the rewrite (" + err.Error() + ")")
		return wentOn
	}
	if groups == nil {
		w.step("rewrite", Passes, "the path does not match "+rewrite.Pattern.String(), from...)
		return wentOn
	}
	w.keep(groups)
	w.restarts = false
	return w.replace(rewrite.Target.Value(), from)
}

// redirect answers with a Location.
func (w *walk) redirect(code int, to value) progress {
	if to.unknown {
		w.d.Outcome.Assumed = true
	}
	w.d.Outcome.Status, w.d.Outcome.Location = code, w.absolute(to.text)
	return ended
}

// absolute is a Location as ngx_http_header_filter sends it.
func (w *walk) absolute(location string) string {
	if !strings.HasPrefix(location, "/") || w.isOff("absolute_redirect") {
		return location
	}
	port := ""
	if byDefault := map[bool]int{false: 80, true: 443}[w.request.Secure]; w.port() != byDefault && !w.isOff("port_in_redirect") {
		port = ":" + strconv.Itoa(w.port())
	}
	host := w.d.Host.Asked
	if host == "" { // the address that the client has reached
		host, w.d.Outcome.Assumed = "$server_addr", true
	}
	return w.request.Scheme() + "://" + host + port + location
}

func (w *walk) isOff(name string) bool {
	list := w.effective(name)
	return len(list) > 0 && list[len(list)-1].Words[1] == "off"
}

// effective are the directives of some names that count for the request: those of the innermost level that has any.
func (w *walk) effective(names ...string) []nginx.Parsed {
	levels := [][]nginx.Parsed{w.inner, w.body, parsed(w.server.Directives), w.shared}
	if w.location == nil {
		levels = levels[2:]
	}
	for _, level := range levels {
		if list := named(level, names...); len(list) > 0 {
			return list
		}
	}
	return nil
}

// step notes what was looked at.
func (w *walk) step(name string, effect Effect, detail string, from ...Source) {
	w.d.Steps = append(w.d.Steps, Step{Name: name, Effect: effect, Detail: detail, From: from})
	if effect == Depends {
		w.d.Outcome.Assumed = true
	}
}

// notFollowed notes what of the configuration this package does not know.
func (w *walk) notFollowed(what string) {
	if !slices.Contains(w.d.NotFollowed, what) {
		w.d.NotFollowed = append(w.d.NotFollowed, what)
	}
}
