package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// pass does what follows when the path of a request is final: a backend is chosen, guards are asked, and it is passed on.
func (w *walk) pass() {
	l := w.location
	shares := []Share{}
	if l.Upstream != "" {
		if shares = w.choose(l); shares == nil {
			return
		}
	}
	w.limits()
	if !w.access() {
		return
	}
	if l.Upstream == "" {
		if len(w.inner) > 0 {
			w.notFollowed("if, on a path that nothing serves")
		}
		w.refuse("backend", 404, "nothing serves the path", w.ofPath()...)
		return
	}
	if w.isChunked() && !w.fits(l.MaxBody, "") {
		return
	}
	w.unknownDirectives(w.inner)
	b := &Backend{Protocol: protocolName(l.Protocol, w.request.Secure), Method: w.request.Method, URI: w.sentURI(), Shares: shares}
	if b.URI == "" {
		w.fail(500)
		return
	}
	b.Headers = w.sent(l.Protocol, w.headersOf(l))
	if w.set["fallen_back"].text != "" {
		b.Headers = append(b.Headers, w.fallbackHeaders()...)
	}
	b.OnError = w.onError(l)
	w.d.Outcome.Backend = b
}

// protocolName is what backend-protocol calls a protocol.
func protocolName(p nginx.Protocol, secure bool) string {
	switch p {
	case nginx.HTTPS:
		return "HTTPS"
	case nginx.AutoHTTP:
		if secure {
			return "HTTPS"
		}
		return "HTTP"
	case nginx.GRPC:
		return "GRPC"
	case nginx.GRPCS:
		return "GRPCS"
	case nginx.FCGI:
		return "FCGI"
	}
	return "HTTP"
}

// sentURI is the URI in the request line to the pod: the bytes that the client sent, unless a rewrite has made another.
func (w *walk) sentURI() string {
	if !w.isOwnURI && !w.target.IsEmpty {
		return w.target.Sent
	}
	uri := w.uri
	if w.isOwnURI || w.target.IsEscaped {
		uri = nginx.EscapePath(uri)
	}
	return uri + questionMark(w.args) + w.args
}

// headersOf are the headers that a location sends to its backend.
func (w *walk) headersOf(l *nginx.Location) []nginx.Header {
	all := nginx.MergeHeaders(w.plan.Config.HTTP.Headers, l.Headers)
	if l.Protocol.Module() == "proxy" {
		return all
	}
	return slices.DeleteFunc(all, func(h nginx.Header) bool { return h.Name == "Connection" || h.Name == "Upgrade" })
}

// sent are headers with their values.
func (w *walk) sent(_ nginx.Protocol, headers []nginx.Header) []SentHeader {
	var list []SentHeader
	for _, h := range headers {
		v := w.expand(h.Value.Value())
		list = append(list, SentHeader{request.Header{Name: h.Name, Value: v.text}, v.unknown})
	}
	return list
}

// fallbackHeaders tell a service that takes requests in place of another why it gets them; see fall_back in ingress.lua.
func (w *walk) fallbackHeaders() []SentHeader {
	var list []SentHeader
	for _, h := range [][2]string{
		{"X-Code", "503"}, {"X-Format", w.headerOf("accept")}, {"X-Namespace", w.variable("namespace").text},
		{"X-Ingress-Name", w.variable("ingress_name").text}, {"X-Service-Name", w.variable("service_name").text}, {"X-Service-Port", w.variable("service_port").text},
	} {
		list = append(list, SentHeader{Header: request.Header{Name: h[0], Value: h[1]}})
	}
	return list
}

// onError says who answers in place of errors of pods.
func (w *walk) onError(l *nginx.Location) []Replacement {
	list := w.effective(l.Protocol.Module() + "_intercept_errors")
	passesOn := len(list) == 0 || list[0].Words[1] != "on"
	var all []Replacement
	for _, page := range w.effective("error_page") {
		codes, _, to := nginx.ReadErrorPage(page)
		if passesOn { // but for what NGINX itself says
			codes = slices.DeleteFunc(codes, func(code int) bool { return code != 502 && code != 504 })
		}
		if to != nginx.ErrorLocation || len(codes) == 0 {
			continue
		}
		r := Replacement{Statuses: codes, Status: 404, IfSilent: passesOn}
		for _, name := range []string{l.Fallback, nginx.DefaultBackend} {
			if w.endpointCount(name) > 0 {
				r.Shares, r.URI, r.Status = []Share{w.share(name, 100, false)}, "/"+questionMark(w.args)+w.args, 0
				break
			}
		}
		all = append(all, r)
	}
	return all
}

// endpointCount is how many endpoints a backend has. Names that workers resolve count as such.
func (w *walk) endpointCount(name string) int {
	entry := w.plan.Dynamic.Backends.At(name)
	count := len(entry.Names)
	for _, e := range entry.Endpoints {
		if !e.SessionsOnly {
			count++
		}
	}
	return count
}

// choose finds who gets the request, as rewrite in ingress.lua does: the backend of the location, or alternatives to it. It is nil
// if the request ends here.
func (w *walk) choose(l *nginx.Location) []Share {
	name := l.Upstream
	entry := w.plan.Dynamic.Backends.At(name)
	if w.endpointCount(name) == 0 {
		if w.endpointCount(l.Fallback) == 0 {
			w.step("backend", Answers, "Service "+l.Identity.Namespace+"/"+l.Identity.Service+" has no endpoint that is ready", w.ofPath()...)
			w.fail(503)
			return nil
		}
		w.step("backend", Changes, "it has no endpoint that is ready, so that the Service of default-backend takes the request", w.ofPath()...)
		w.set["fallen_back"] = value{text: l.Fallback}
		return []Share{w.share(l.Fallback, 100, false)}
	}
	if len(entry.Names) > 0 {
		w.step("backend", Depends, "workers look up "+entry.Names[0].Address+"; without an address it is 503", w.ofPath()...)
	}
	if entry.Affinity != nil && w.request.Cookie(entry.Affinity.Cookie.Name) != "" {
		w.step("session", Depends, "the cookie "+entry.Affinity.Cookie.Name+" may name an endpoint, of a canary too, and decides then")
	}
	alternatives := entry.Routes[w.variable("server_name").text][dynamic.RoutePath(l.Identity.Path, l.Identity.IsExactTwin)]
	if len(alternatives) == 0 {
		return []Share{w.share(name, 100, false)}
	}
	return w.divert(name, alternatives)
}

// divert asks the alternatives in their order.
func (w *walk) divert(name string, alternatives []dynamic.Alternative) []Share {
	left := 100.0
	var shares []Share
	take := func(a dynamic.Alternative, percent float64) {
		if w.endpointCount(a.Backend) == 0 {
			return // its requests stay
		}
		share := w.share(a.Backend, percent, true)
		share.Source = w.sourceOf(a.Owner, "")
		shares = append(shares, share)
		left -= percent
	}
	for _, a := range alternatives {
		from := []Source{w.sourceOf(a.Owner, "")}
		wants, says, why := w.wants(a)
		if w.endpointCount(a.Backend) == 0 {
			why += "; it has no endpoint that is ready, so that the request stays"
		}
		if says {
			w.step("canary", map[bool]Effect{true: Changes, false: Passes}[wants], why, from...)
			if wants {
				take(a, left)
				break
			}
			continue
		}
		percent := 0.0
		if a.WeightTotal > 0 {
			percent = 100 * float64(a.Weight) / float64(a.WeightTotal)
		}
		w.step("canary", Passes, fmt.Sprintf("%s, so that the weight decides: it gets %.4g%% of such requests", why, percent), from...)
		if percent > 0 {
			take(a, min(percent, left))
		}
	}
	if left > 0 {
		shares = slices.Insert(shares, 0, w.share(name, left, false))
	}
	return shares
}

// wants is what header and cookie say of a canary, if they say anything; see alternatives.lua.
func (w *walk) wants(a dynamic.Alternative) (wants, says bool, why string) {
	why = "neither header nor cookie says anything"
	if text, has := w.headerGiven(a.Header); has {
		switch {
		case a.HeaderValue != "":
			if text == a.HeaderValue {
				return true, true, "header " + a.Header + " has the value for it"
			}
		case a.HeaderRefused:
			return false, true, "header " + a.Header + " is there, and its pattern cannot be used"
		case a.HeaderPattern != "":
			groups, err := w.searchInWorkers(a.HeaderPattern, text)
			switch {
			case err != nil:
				w.notFollowed("the pattern of header " + a.Header + ", as workers may give it up (" + err.Error() + ")")
				return false, true, "header " + a.Header + " takes long to be compared with its pattern"
			case groups != nil:
				return true, true, "header " + a.Header + " matches its pattern"
			}
		case text == "always" || text == "never":
			return text == "always", true, "header " + a.Header + " says " + text
		}
	}
	if a.Cookie != "" {
		if text := w.request.Cookie(a.Cookie); text == "always" || text == "never" {
			return text == "always", true, "cookie " + a.Cookie + " says " + text
		}
	}
	return false, false, why
}

// headerGiven is the value of a header, and whether the client sends it.
func (w *walk) headerGiven(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	variable := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	for _, h := range w.request.Headers {
		if strings.ToLower(strings.ReplaceAll(h.Name, "-", "_")) == variable {
			return w.headerOf(variable), true
		}
	}
	return w.headerOf(variable), w.headerOf(variable) != ""
}

// harmless are the beginnings of directives that decide neither who answers nor what the pod is asked.
var harmless = []string{
	"absolute_redirect", "access_log", "add_header", "allow", "auth_basic", "auth_basic_", "auth_request", "auth_request_", "break", "charset", "client_body_", "client_max_body_size",
	"default_type", "deny", "error_page", "etag", "expires", "fastcgi_", "grpc_", "gzip", "gzip_", "if", "keepalive_timeout", "limit_", "log_", "rewrite_log", "root", "more_clear_headers",
	"more_set_headers", "port_in_redirect", "proxy_buffer_", "proxy_buffering", "proxy_buffers", "proxy_busy_", "proxy_connect_timeout", "proxy_cookie_", "proxy_hide_header", "proxy_http_version",
	"proxy_ignore_headers", "proxy_intercept_errors", "proxy_limit_rate", "proxy_max_temp_", "proxy_next_upstream", "proxy_pass_header", "proxy_read_timeout",
	"proxy_redirect", "proxy_request_buffering", "proxy_send_timeout", "proxy_set_header", "proxy_socket_keepalive", "proxy_ssl_", "return", "rewrite",
	"satisfy", "send_timeout", "set", "ssl_", "sub_filter", "sub_filter_",
}

// unknownDirectives notes which of the directives may do what this package does not know.
func (w *walk) unknownDirectives(list []nginx.Parsed) {
	for _, d := range list {
		if !slices.ContainsFunc(harmless, func(begin string) bool {
			return d.Name() == begin || strings.HasSuffix(begin, "_") && strings.HasPrefix(d.Name(), begin)
		}) {
			w.notFollowed(d.Name())
		}
	}
}
