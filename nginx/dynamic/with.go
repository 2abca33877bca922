package dynamic

import (
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/persistent"
)

// With returns what a receiver that holds s holds after an update. Neither is changed.
func (s State) With(u Update) State {
	if u.Reset {
		s = State{}
	}
	if u.Settings != nil {
		s.Settings = *u.Settings
	}
	var gone Removed
	if u.Removed != nil {
		gone = *u.Removed
	}
	s.Backends = with(s.Backends, u.Backends, gone.Backends)
	s.Hosts = with(s.Hosts, u.Hosts, gone.Hosts)
	s.Certificates = with(s.Certificates, revealed(u.Certificates), gone.Certificates)
	s.Staples = with(s.Staples, u.Staples, gone.Staples)
	s.Routes.Hosts = with(s.Routes.Hosts, leading(u.Routes), gone.Routes)
	if u.Names != nil {
		s.Routes.Names = append([]NamePattern(nil), *u.Names...)
	}
	return s
}

func with[V any](all persistent.Map[string, V], some map[string]V, gone []string) persistent.Map[string, V] {
	if all.Len() == 0 {
		all = persistent.Of(some) // cheaper than one by one
	} else {
		for name, v := range some {
			all = all.With(name, v)
		}
	}
	for _, name := range gone {
		all = all.Without(name)
	}
	return all
}

// revealed are certificates as a State has them.
func revealed(sent map[string]Certificate) map[string]nginx.Certificate {
	out := make(map[string]nginx.Certificate, len(sent))
	for id, c := range sent {
		out[id] = nginx.Certificate{Chain: c.Certificate, Key: nginx.NewSecret(c.Key)}
	}
	return out
}

// leading are entries with the shapes that they lead to, which documents leave out.
func leading(sent map[string]*Host) map[string]*Host {
	lists := map[string][]string{}
	out := make(map[string]*Host, len(sent))
	for name, host := range sent {
		led := *host
		led.Shapes = host.leads()
		key := strings.Join(led.Shapes, " ")
		if lists[key] == nil {
			lists[key] = led.Shapes
		}
		led.Shapes = lists[key]
		out[name] = &led
	}
	return out
}

// leads are the shapes that some request may jump to, sorted.
func (h *Host) leads() []string {
	var names []string
	for _, jump := range []*Jump{h.All, h.Root} {
		if jump != nil {
			names = append(names, jump.Shape)
		}
	}
	for _, r := range h.Routes {
		names = append(names, r.TooLarge, r.Denied, r.InClear, r.Unavailable, r.Shape)
		if r.Slash != nil {
			names = append(names, r.Slash.Shape)
		}
		if r.Redirect != nil {
			names = append(names, r.Redirect.Shape)
		}
		if r.Rewrite != nil {
			names = append(names, r.Rewrite.Refused, r.Rewrite.Empty)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	slices.Sort(names)
	return slices.Compact(names)
}
