// Package annotations says what users may ask for: every annotation and every key of the ConfigMap with its
// type, default, meaning and effect on the configuration. A feature is one file.
//
// It turns annotation texts into typed values and those into the words of package nginx. It never sees
// the cluster (what it needs comes through Lookup), writes no text and does no I/O.
package annotations

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Feature is a group of settings with their effect. Hooks that it has no use for stay nil.
type Feature struct {
	Name     string
	Settings Settings
	// Guards marks a feature that keeps requests out. Whatever goes wrong with it, the paths of the
	// Ingress answer 503 rather than unguarded.
	Guards bool

	HTTP     func(v Values, h *nginx.HTTP) error
	Server   func(v Values, s *nginx.Server) error
	Location func(v Values, l *nginx.Location) error
	Backend  func(v Values, b *Backend) error
}

// Backend is what features may say of how a Service's endpoints are found and used.
type Backend struct {
	// ClusterIP sends requests to the Service's own address instead of its endpoints.
	ClusterIP bool
	// Balance and HashBy say how requests are spread over the endpoints.
	Balance dynamic.Algorithm
	HashBy  *dynamic.HashBy
	// Affinity keeps clients on an endpoint; nil does not. Ingresses and what identifies the backend are left out.
	Affinity *dynamic.Affinity
	// SharesAffinity extends the affinity of the Service that this one is an alternative to.
	SharesAffinity bool
	// Canary makes the Service an alternative to another Ingress's, for the requests that it says; nil for a Service
	// that takes all. Its Backend stays empty.
	Canary *dynamic.Alternative
}

// Error is a mistake that shows only when several settings, or other objects, are looked at together.
type Error struct {
	Key     string
	Reason  Reason
	Message string
	Denies  bool   // the path answers 503
	Instead string // what is done, if the path does not answer 503
}

func (e Error) Error() string { return e.Key + ": " + e.Message }

// Mistake makes an Error about a setting. The message says what is done instead.
func Mistake(s AnySetting, reason Reason, format string, args ...any) error {
	return Error{Key: s.about().key, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Denial makes an Error about a setting without which the path cannot be served.
func Denial(s AnySetting, reason Reason, format string, args ...any) error {
	return Error{Key: s.about().key, Reason: reason, Message: fmt.Sprintf(format, args...), Denies: true}
}

// apply runs one hook of every feature in order. A mistake becomes a finding, and denies where the
// feature guards.
func apply[T any](v Values, target T, hook func(*Feature, Values, T) error) ([]Finding, Outcome) {
	var findings []Finding
	outcome := UseDefault
	for i := range features {
		f := &features[i]
		for _, mistake := range f.mistakes(hook(f, v, target)) {
			finding := Finding{Key: mistake.Key, Reason: mistake.Reason, Message: mistake.Message}
			if f.Guards || mistake.Denies {
				finding.Outcome, outcome = Deny, Deny
				finding.Message += "; " + cmp.Or(mistake.Instead, "the path answers 503")
			}
			findings = append(findings, finding)
		}
	}
	return findings, outcome
}

// mistakes takes apart what a hook returned: nothing, one error or several joined.
func (f *Feature) mistakes(err error) []Error {
	if err == nil {
		return nil
	}
	if joined, several := err.(interface{ Unwrap() []error }); several { //nolint:errorlint // what errors.Join made, not what it wraps
		var list []Error
		for _, one := range joined.Unwrap() {
			list = append(list, f.mistakes(one)...)
		}
		return list
	}
	var mistake Error
	if !errors.As(err, &mistake) {
		mistake = Error{Key: f.Settings[0].about().key, Reason: Conflict, Message: err.Error()}
	}
	return []Error{mistake}
}

// HTTP applies what the ConfigMap says of all hosts.
func HTTP(v Values, h *nginx.HTTP) []Finding {
	findings, _ := apply(v, h, func(f *Feature, v Values, h *nginx.HTTP) error {
		if f.HTTP == nil {
			return nil
		}
		return f.HTTP(v, h)
	})
	return findings
}

// Server applies what an Ingress says of a whole host.
func Server(v Values, s *nginx.Server) ([]Finding, Outcome) {
	return apply(v, s, (*Feature).atServer)
}

// Location applies what an Ingress says of one of its paths. Where the ConfigMap asks for a guard in vain, the
// path answers 503; ForIngress has said so.
func Location(v Values, l *nginx.Location) ([]Finding, Outcome) {
	findings, outcome := apply(v, l, (*Feature).atLocation)
	if len(v.unreadable()) > 0 {
		outcome = Deny
	}
	// A value of the ConfigMap that is at odds with others is not the Ingress's mistake.
	return slices.DeleteFunc(findings, func(f Finding) bool {
		_, own := v.own[f.Key]
		return !own && f.Outcome == UseDefault
	}), outcome
}

// Plain applies the ConfigMap and the defaults to a location of no Ingress: what it writes is what all
// locations of that protocol have in common, and what it finds is the ConfigMap's fault.
func Plain(v Values, l *nginx.Location) []Finding {
	for word, p := range protocols {
		if p == l.Protocol {
			v.own = map[string]any{protocol.key: word}
		}
	}
	findings, _ := apply(v, l, (*Feature).atLocation)
	return findings
}

// atLocation runs the feature's hook, and notes those of its annotations that the Ingress has, if it does anything.
func (f *Feature) atLocation(v Values, l *nginx.Location) error {
	if f.Location == nil {
		return nil
	}
	before := *l
	err := f.Location(v, l)
	keys := f.Settings.givenIn(v)
	if len(keys) == 0 {
		return err
	}
	if len(l.Body) != len(before.Body) || len(l.Early) != len(before.Early) || len(l.Headers) != len(before.Headers) || l.Protocol != before.Protocol || l.ToHTTPS != before.ToHTTPS || l.Return != before.Return {
		l.Keys = append(l.Keys, keys...)
	}
	if parts := newInLocation(&before, l); len(parts) > 0 {
		l.Sources = append(l.Sources, nginx.Source{Parts: parts, Keys: keys})
	}
	return err
}

// atServer is the same for servers.
func (f *Feature) atServer(v Values, s *nginx.Server) error {
	if f.Server == nil {
		return nil
	}
	before := *s
	err := f.Server(v, s)
	if len(s.Directives) != len(before.Directives) {
		s.Keys = append(s.Keys, f.Settings.givenIn(v)...)
	}
	if parts := newInServer(&before, s); len(parts) > 0 {
		s.Sources = append(s.Sources, nginx.Source{Parts: parts, Keys: f.Settings.givenIn(v)})
	}
	return err
}

// ForBackend applies what an Ingress says of a Service it uses.
func ForBackend(v Values, b *Backend) []Finding {
	findings, _ := apply(v, b, func(f *Feature, v Values, b *Backend) error {
		if f.Backend == nil {
			return nil
		}
		return f.Backend(v, b)
	})
	return findings
}

// settingsByName finds settings by key and by alias.
var settingsByName = func() map[string]AnySetting {
	m := map[string]AnySetting{}
	for _, f := range features {
		for _, s := range f.Settings {
			about := s.about()
			for _, name := range append([]string{about.key}, about.aliases...) {
				if _, twice := m[name]; twice {
					panic("two settings are called " + name)
				}
				m[name] = s
			}
		}
	}
	return m
}()

// settingsByConfigKey finds settings by their key in the ConfigMap.
var settingsByConfigKey = func() map[string]AnySetting {
	m := map[string]AnySetting{}
	for _, f := range features {
		for _, s := range f.Settings {
			if key := s.about().configKey; key != "" {
				m[key] = s
			}
		}
	}
	return m
}()

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
