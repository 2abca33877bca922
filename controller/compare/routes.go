package compare

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// topics are what directives are about, where that says more than their names. All others are Settings by their names. A name that
// ends in _ stands for all that begin so.
var topics = []struct {
	Subject
	names []string
}{
	{Subject{Kind: Guard, Name: "allow and deny lists"}, []string{"allow", "deny", "satisfy"}},
	{Subject{Kind: Guard, Name: "authentication by password"}, []string{"auth_basic", "auth_basic_"}},
	{Subject{Kind: Guard, Name: "authentication by a service"}, []string{"auth_request", "auth_request_"}},
	{Subject{Kind: Guard, Name: "limits"}, []string{"limit_"}},
	{Subject{Kind: Guard, Name: "size of bodies"}, []string{"client_max_body_size"}},
	{Subject{Kind: Guard, Name: "firewall"}, []string{"modsecurity", "modsecurity_"}},
	{Subject{Kind: Guard, Name: "client certificates"}, []string{"ssl_client_", "ssl_verify_", "ssl_trusted_certificate", "ssl_crl", "ssl_ocsp"}},
	{Subject{Kind: TLS, Name: "protocols and ciphers"}, []string{"ssl_ciphers", "ssl_protocols", "ssl_prefer_server_ciphers", "ssl_dhparam", "ssl_ecdh_curve"}},
	{Subject{Kind: TLS, Name: "verification of the backend"}, []string{"proxy_ssl_", "grpc_ssl_"}},
	{Subject{Kind: Setting, Name: "errors"}, []string{"error_page", "proxy_intercept_errors", "grpc_intercept_errors", "fastcgi_intercept_errors", "recursive_error_pages"}},
	{Subject{Kind: Setting, Name: "headers of answers"}, []string{"add_header", "more_set_headers", "more_clear_headers", "proxy_hide_header", "grpc_hide_header"}},
}

// topic is the kind and the name of what a directive is about.
func topic(directive string) Subject {
	for _, t := range topics {
		if slices.ContainsFunc(t.names, func(name string) bool {
			return directive == name || strings.HasSuffix(name, "_") && strings.HasPrefix(directive, name)
		}) {
			return t.Subject
		}
	}
	return Subject{Kind: Setting, Name: directive}
}

// routes adds the paths of a host.
func (s *side) routes(items inventory, host string, server *nginx.Server) {
	for _, l := range server.Locations {
		if isHalf(l, server) {
			continue
		}
		at := Subject{Host: host, Path: l.Identity.Path, Type: typeOf(l)}
		if isNobodys(l) {
			at.Type = allOther
		}
		s.route(items, at, l)
		s.alternatives(items, at, l, server)
		s.location(items, at, l)
	}
}

// isNobodys tells of what answers 404 because nobody has asked for the path.
func isNobodys(l *nginx.Location) bool { return l.Field == "" && l.Upstream == "" }

// isHalf tells of the exact one of the two locations that a Prefix path becomes.
func isHalf(l *nginx.Location, server *nginx.Server) bool {
	return l.Match == nginx.Exact && slices.ContainsFunc(server.Locations, func(other *nginx.Location) bool {
		return other.Match == nginx.Prefix && other.Owner == l.Owner && other.Field == l.Field && other.Path == l.Path+"/"
	})
}

// allOther is the Type of the path / where nobody has asked for it.
const allOther = "all other paths"

func typeOf(l *nginx.Location) string {
	switch l.Match {
	case nginx.Pattern:
		return "regular expression"
	case nginx.Exact:
		return "Exact"
	}
	return "Prefix"
}

func (at Subject) with(kind Kind, name string) Subject {
	at.Kind, at.Name = kind, name
	return at
}

// route is who serves a path.
func (s *side) route(items inventory, at Subject, l *nginx.Location) {
	field := l.Field
	if field != "" && l.Identity.Service != "" {
		field += ".backend"
	}
	who := "404"
	if l.Upstream != "" {
		who = fmt.Sprintf("Service %s/%s port %s", l.Identity.Namespace, l.Identity.Service, l.Identity.Port)
		if l.Identity.Service == "" {
			who = l.Upstream
		}
	}
	items[at.with(Route, "")] = item{who + "\n" + l.Owner, who, []origins.Source{s.sources.At(l.Owner, field)}}
	if l.Protocol != nginx.HTTP1 {
		items[at.with(Route, "protocol")] = item{protocols[l.Protocol], protocols[l.Protocol], s.sources.Location(l, "Protocol")}
	}
	if l.Fallback != "" {
		items[at.with(Route, "service for errors")] = item{l.Fallback, l.Fallback, []origins.Source{s.sources.Annotation(l.Owner, "default-backend")}}
	}
}

// protocols are as backend-protocol calls them.
var protocols = map[nginx.Protocol]string{
	nginx.HTTPS: "HTTPS", nginx.AutoHTTP: "AUTO_HTTP", nginx.GRPC: "GRPC", nginx.GRPCS: "GRPCS", nginx.FCGI: "FCGI",
}

// canaryOf is what the names of canaries begin with.
const canaryOf = "canary "

// alternatives are the canaries of a path.
func (s *side) alternatives(items inventory, at Subject, l *nginx.Location, server *nginx.Server) {
	routes := s.plan.Dynamic.Backends.At(l.Upstream).Routes
	list := routes[server.Names()[0].Value()][dynamic.RoutePath(l.Identity.Path, l.Identity.IsExactTwin)]
	for n, a := range list {
		items[at.with(Route, canaryOf+a.Backend)] = item{fmt.Sprintf("%d %+v", n, a), canary(a), s.ofCanary(a.Owner)}
	}
}

// ofCanary are the annotations of an Ingress that make it a canary.
func (s *side) ofCanary(owner string) []origins.Source {
	var list []origins.Source
	for _, key := range []string{"canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie", "canary-weight", "canary-weight-total"} {
		if from := s.sources.Annotation(owner, key); s.sources.Value(owner, strings.TrimSuffix(strings.TrimPrefix(from.Field, annotations), "]")) != "" {
			list = append(list, from)
		}
	}
	if len(list) == 0 {
		list = append(list, s.sources.At(owner, ""))
	}
	return list
}

// canary says who comes to it.
func canary(a dynamic.Alternative) string {
	var by []string
	if a.Header != "" {
		by = append(by, "header "+a.Header+cmp.Or(prefixed(": ", a.HeaderValue), prefixed(" like ", a.HeaderPattern)))
	}
	if a.Cookie != "" {
		by = append(by, "cookie "+a.Cookie)
	}
	if a.Weight > 0 {
		by = append(by, fmt.Sprintf("%d of %d requests", a.Weight, a.WeightTotal))
	}
	return cmp.Or(strings.Join(by, ", "), "nobody")
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// location are the redirects, rewrites, guards and settings of a path.
func (s *side) location(items inventory, at Subject, l *nginx.Location) {
	if l.Denied {
		items[at.with(Guard, "refusal of all requests")] = item{"503", "503", s.sources.Path(l)}
	}
	if l.Return != nil {
		text := fmt.Sprintf("%d to %s", l.Return.Code, readable(l.Return.Target))
		value := text
		if l.Return.Pattern != nil {
			value += " if " + l.Return.Pattern.String()
		}
		items[at.with(Redirect, "")] = item{value, text, s.sources.Location(l, "Return")}
	}
	if l.ToHTTPS != nil {
		from := s.sources.Location(l, "ToHTTPS")
		if len(from) == 0 && l.HasTLS {
			from = []origins.Source{s.sources.At(l.Server.Owner, "spec.tls")}
		}
		items[at.with(TLS, "redirect to https")] = item{fmt.Sprintf("%+v", *l.ToHTTPS), "", from}
	}
	if l.Rewrite != nil {
		text := readable(l.Rewrite.Target)
		items[at.with(Rewrite, "")] = item{fmt.Sprint(l.Rewrite.Pattern.String(), " ", text, l.Rewrite.Printable), text, s.sources.Location(l, "Rewrite")}
	}
	for _, h := range l.Headers {
		// What each sends is compared; of which annotation it is, is known of all of them only.
		items[at.with(Setting, "header "+h.Name+" of requests")] = item{h.Value.Value(), readable(h.Value), s.sources.Location(l, "Headers")}
	}
	s.directives(items, at.with(Guard, "what is looked at first"), l.Preflight, s.sources.Location(l, "Preflight"))
	s.directives(items, at.with(Guard, "conditions"), l.Early, s.sources.Location(l, "Early"))
	s.topics(items, at, l.Body, func(parts ...string) []origins.Source { return s.sources.Location(l, parts...) })
}

// directives adds a list as one thing.
func (s *side) directives(items inventory, at Subject, list nginx.Directives, from []origins.Source) {
	if len(list) > 0 {
		text := encoded(list)
		items[at] = item{text, inOneLine(text), from}
	}
}

// topics adds a list by what its directives are about.
func (s *side) topics(items inventory, at Subject, list nginx.Directives, from func(parts ...string) []origins.Source) {
	var order []Subject
	lists, parts := map[Subject]nginx.Directives{}, map[Subject][]string{}
	for _, d := range list {
		names := []string{d.Name}
		about := topic(d.Name)
		if said := d.Says(); said != nil {
			names, about = nil, Subject{Kind: Setting, Name: "snippet"}
			for _, one := range said {
				names = append(names, one.Name())
			}
		}
		subject := at.with(about.Kind, about.Name)
		if lists[subject] == nil {
			order = append(order, subject)
		}
		lists[subject], parts[subject] = append(lists[subject], d), append(parts[subject], names...)
	}
	for _, subject := range order {
		s.directives(items, subject, lists[subject], from(parts[subject]...))
		if list := lists[subject]; len(list) == 1 && list[0].Name == subject.Name { // its name need not be told twice
			one := items[subject]
			one.shown = strings.TrimSuffix(strings.TrimPrefix(one.shown, subject.Name+" "), ";")
			items[subject] = one
		}
	}
}

func encoded(list nginx.Directives) string {
	text, err := list.Encode("")
	if err != nil {
		return err.Error() // the plan would have failed
	}
	return text
}

// hash is what tells equal names of zones, files and internal locations apart, and nothing to people.
var hash = regexp.MustCompile(`[_:][0-9a-f]{16}\b|\b[0-9a-f]{32}\b`)

// inOneLine is a list of directives for people.
func inOneLine(text string) string {
	return hash.ReplaceAllString(strings.Join(strings.Fields(text), " "), "")
}

// readable is an argument as people write it: variables without braces, and captures by their numbers.
func readable(a nginx.Arg) string {
	return strings.NewReplacer("${literal_dollar}", "$", "${capture_", "$", "${", "$", "}", "").Replace(a.Value())
}
