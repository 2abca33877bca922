package compare

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// inventory is all that the plan has.
func (s *side) inventory() inventory {
	items := inventory{}
	s.streams(items)
	for _, server := range s.plan.Config.Servers {
		s.host(items, server)
	}
	s.backends(items)
	return items
}

// streams are the ports of TCP and UDP services, and the snippets of Ingresses.
func (s *side) streams(items inventory) {
	for _, l := range s.plan.Config.Streams.Listeners {
		protocol := "TCP"
		if l.UDP {
			protocol = "UDP"
		}
		items[Subject{Kind: Stream, Name: fmt.Sprintf("%s port %d", protocol, l.Port)}] = item{fmt.Sprintf("%+v", *l), l.Backend, nil}
	}
	for name, list := range s.plan.StreamSnippets {
		from := s.sources.At("Ingress "+name.String(), "metadata.annotations["+s.plan.AnnotationsPrefix+"/stream-snippet]")
		items[Subject{Kind: Stream, Name: "snippet of " + name.String()}] = item{value: encoded(list), from: []origins.Source{from}}
	}
}

// host is a server with all that is in it.
func (s *side) host(items inventory, server *nginx.Server) {
	name := server.Name
	if name == "" {
		name = server.Names()[0].Value() // it has aliases only
	}
	at, from := Subject{Host: name}, s.sources.Host(server)
	switch {
	case server.RedirectTo != "":
		items[at.with(Host, "")] = item{server.RedirectTo, "redirects to " + server.RedirectTo, from}
		return
	case server.IsDefault() && server.Owner == "":
	default:
		items[at.with(Host, "")] = item{value: server.Owner, from: from}
	}
	for _, alias := range server.Aliases {
		text := alias.Arg().Value()
		items[at.with(Host, "alias "+text)] = item{value: text, from: s.sources.Server(server, "Aliases")}
	}
	if server.AppRoot != nil {
		text := readable(*server.AppRoot)
		items[at.with(Redirect, "of /")] = item{text, text, s.sources.Server(server, "AppRoot")}
	}
	if server.Passthrough != "" {
		items[at.with(TLS, "ends at pods of")] = item{server.Passthrough, server.Passthrough, s.sources.Server(server, "PassesTLS")}
	}
	s.certificate(items, at, server)
	if auth := server.ClientAuth; auth != nil {
		headers := ""
		for _, h := range auth.Headers {
			headers += h.Name + ": " + h.Value.Value() + "\n"
		}
		items[at.with(Guard, "who shows a certificate")] = item{fmt.Sprint(headers, encoded(auth.Checks), auth.Unusable), "", s.sources.Server(server, "ClientAuth")}
	}
	s.topics(items, at, server.Directives, func(...string) []origins.Source { return s.sources.Server(server, "Directives", "ClientAuth") })
	s.routes(items, name, server)
}

// certificate is the one that a host has of its own.
func (s *side) certificate(items inventory, at Subject, server *nginx.Server) {
	use, has := s.plan.Certificates.Get(server.Name)
	if !has {
		return
	}
	id, _ := s.plan.Dynamic.Hosts.Get(server.Name)
	text := fmt.Sprintf("of Secret %s, until %s", use.Secret, use.Leaf.NotAfter.UTC().Format(time.DateOnly))
	from := []origins.Source{s.sources.At("Secret "+use.Secret.String(), "")}
	for _, i := range s.plan.Claimed {
		for n, tls := range i.Spec.TLS {
			if (cluster.Name{Namespace: i.Namespace, Name: tls.SecretName}) == use.Secret && slices.ContainsFunc(tls.Hosts, func(h string) bool { return strings.EqualFold(h, server.Name) }) {
				from = append(from, s.sources.At("Ingress "+i.Namespace+"/"+i.Name, fmt.Sprintf("spec.tls[%d]", n)))
			}
		}
	}
	items[at.with(TLS, "certificate")] = item{id + " " + text, text, from}
}

// backends are how requests are shared out, and among whom.
func (s *side) backends(items inventory) {
	for name, b := range s.plan.Dynamic.Backends.All() {
		if text := balance(b); text != "" {
			items[Subject{Kind: Backend, Name: name}] = item{value: text, shown: text}
		}
		if text := addresses(b); text != "" {
			items[Subject{Kind: Endpoints, Name: name}] = item{value: text, shown: text}
		}
	}
}

// balance says how requests are shared out; "" is in turn.
func balance(b dynamic.Backend) string {
	var list []string
	if a := b.Affinity; a != nil {
		list = append(list, fmt.Sprintf("by cookie %s", a.Cookie.Name))
		if a.Persistent {
			list = append(list, "persistent")
		}
		if a.ChangeOnFailure {
			list = append(list, "another after a failure")
		}
		if a.Cookie.Path+a.Cookie.Domain+a.Cookie.SameSite != "" {
			list = append(list, strings.Trim(fmt.Sprint("path ", a.Cookie.Path, " domain ", a.Cookie.Domain, " SameSite ", a.Cookie.SameSite), " "))
		}
	}
	if h := b.HashBy; h != nil {
		key := ""
		for n, piece := range h.Key {
			if n%2 == 1 {
				piece = "$" + piece
			}
			key += piece
		}
		list = append(list, fmt.Sprintf("by hash of %s", key))
		if h.Subset > 0 {
			list = append(list, fmt.Sprintf("subsets of %d", h.Subset))
		}
	}
	if b.Balance != dynamic.RoundRobin {
		list = append(list, string(b.Balance))
	}
	return strings.Join(list, ", ")
}

func addresses(b dynamic.Backend) string {
	var list []string
	for _, e := range slices.Concat(b.Endpoints, b.Names) {
		text := fmt.Sprintf("%s:%d", e.Address, e.Port)
		if e.SessionsOnly {
			text += " (sessions only)"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}
