//go:build e2e

package conformance_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestHosts has the table of wildcard hosts of the documentation, and that a host is matched without its port, in any case,
// and by its own rule before a wildcard's.
func TestHosts(t *testing.T) {
	s := newSite(t, "exact", "wild", "inner")
	s.ingress("hosts", `rules: [
		{host: "foo.DOMAIN", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: exact, port: {number: 80}}}}]}},
		{host: "*.foo.DOMAIN", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: wild, port: {number: 80}}}}]}},
		{host: "own.foo.DOMAIN", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: inner, port: {number: 80}}}}]}}]`)
	for _, scheme := range []string{"http", "https"} {
		for _, test := range []struct{ host, backend string }{
			{"foo.DOMAIN", "exact"},
			{"FOO.DOMAIN", "exact"},
			{"foo.DOMAIN:8080", "exact"},
			{"bar.foo.DOMAIN", "wild"},
			{"own.foo.DOMAIN", "inner"},
		} {
			s.wantFrom(test.backend, scheme+"://"+test.host+"/")
		}
		for _, host := range []string{"DOMAIN", "baz.bar.foo.DOMAIN", "barfoo.DOMAIN", "other.DOMAIN"} {
			s.wantStatus(404, scheme+"://"+host+"/")
		}
	}
}

// TestARuleWithoutHost takes requests of all hosts that no other rule names.
func TestARuleWithoutHost(t *testing.T) {
	s := newSite(t, "any", "named")
	s.ingress("any", `rules: [
		{http: {paths: [{path: "/DOMAIN", pathType: Prefix, backend: {service: {name: any, port: {number: 80}}}}]}},
		{host: "named.DOMAIN", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: named, port: {number: 80}}}}]}}]`)
	s.wantFrom("any", "http://other.DOMAIN/DOMAIN")
	s.wantFrom("any", "http://192.0.2.1/DOMAIN/below")
	s.wantFrom("named", "http://named.DOMAIN/DOMAIN")
	s.wantStatus(404, "http://other.DOMAIN/")
}

// rule is one of an Ingress; the first leads to backend one, and so on.
type rule struct{ kind, path string }

// request is where a path leads: to a backend, nowhere, or to the same path with a slash.
type request struct{ path, to string }

const (
	nowhere  = ""
	redirect = "/"
)

// TestPaths has the table of path types of the documentation. Where that says that Prefix /foo/ matches /foo, Sluice
// redirects to /foo/, as ingress-nginx does, and so it does for Exact.
func TestPaths(t *testing.T) {
	s := newSite(t, "one", "two", "three")
	tests := []struct {
		rules    []rule
		requests []request
	}{
		{[]rule{{"Prefix", "/"}}, []request{{"/", "one"}, {"/foo", "one"}, {"/foo/bar", "one"}}},
		{[]rule{{"Exact", "/foo"}}, []request{{"/foo", "one"}, {"/foo?a=b", "one"}, {"/bar", nowhere}, {"/foo/", nowhere}, {"/foo/bar", nowhere}, {"/FOO", nowhere}}},
		{[]rule{{"Exact", "/foo/"}}, []request{{"/foo/", "one"}, {"/foo", redirect}, {"/foo/bar", nowhere}}},
		{[]rule{{"Prefix", "/foo"}}, []request{{"/foo", "one"}, {"/foo/", "one"}, {"/foobar", nowhere}, {"/Foo", nowhere}}},
		{[]rule{{"Prefix", "/foo/"}}, []request{{"/foo/", "one"}, {"/foo/bar", "one"}, {"/foo", redirect}, {"/foobar", nowhere}}},
		{[]rule{{"Prefix", "/aaa/bb"}}, []request{{"/aaa/bb", "one"}, {"/aaa/bbb", nowhere}}},
		{[]rule{{"Prefix", "/aaa/bbb"}}, []request{{"/aaa/bbb", "one"}, {"/aaa/bbb/", "one"}, {"/aaa/bbb/ccc", "one"}, {"/aaa/bbbxyz", nowhere}, {"/aaa", nowhere}}},
		{[]rule{{"Prefix", "/"}, {"Prefix", "/aaa"}}, []request{{"/aaa/ccc", "two"}, {"/", "one"}, {"/aaaa", "one"}}},
		{[]rule{{"Prefix", "/"}, {"Prefix", "/aaa"}, {"Prefix", "/aaa/bbb"}}, []request{{"/aaa/bbb", "three"}, {"/aaa/b", "two"}, {"/ccc", "one"}}},
		{[]rule{{"Prefix", "/aaa"}}, []request{{"/aaa", "one"}, {"/ccc", nowhere}}},
		{[]rule{{"Prefix", "/foo"}, {"Exact", "/foo"}}, []request{{"/foo", "two"}, {"/foo/", "one"}, {"/foo/bar", "one"}}},
		{
			[]rule{{"Exact", "/foo"}, {"Prefix", "/"}, {"ImplementationSpecific", "/impl"}},
			[]request{{"/foo", "one"}, {"/foo/", "two"}, {"/impl", "three"}, {"/impl/", "three"}, {"/implicit", "two"}},
		},
	}
	for i, test := range tests {
		s.ingress(fmt.Sprintf("paths-%d", i), s.pathsRule(fmt.Sprintf("paths-%d", i), test.rules))
	}
	for i, test := range tests {
		for _, r := range test.requests {
			t.Logf("%v: %s leads to %q", test.rules, r.path, r.to)
			s.wantLed(r, fmt.Sprintf("http://paths-%d.DOMAIN%s", i, r.path))
		}
	}
}

func (s site) pathsRule(host string, rules []rule) string {
	var paths strings.Builder
	for i, r := range rules {
		fmt.Fprintf(&paths, "{path: %s, pathType: %s, backend: {service: {name: %s, port: {number: 80}}}}, ", r.path, r.kind, []string{"one", "two", "three"}[i])
	}
	return fmt.Sprintf("rules: [{host: %s.DOMAIN, http: {paths: [%s]}}]", host, paths.String())
}

func (s site) wantLed(r request, target string) {
	s.Helper()
	switch r.to {
	case nowhere:
		s.wantStatus(404, target)
	case redirect:
		if got, want := s.wantStatus(301, target).Header.Get("Location"), s.text(target+"/"); got != want {
			s.Errorf("%s is redirected to %s, not %s", target, got, want)
		}
	default:
		s.wantFrom(r.to, target)
	}
}

// TestPathsOfSeveralIngresses are those of one host, whose rules are in two objects.
func TestPathsOfSeveralIngresses(t *testing.T) {
	s := newSite(t, "one", "two")
	s.ingress("one", `rules: [{host: DOMAIN, http: {paths: [{path: /one, pathType: Prefix, backend: {service: {name: one, port: {number: 80}}}}]}}]`)
	s.ingress("two", `rules: [{host: DOMAIN, http: {paths: [{path: /one/two, pathType: Prefix, backend: {service: {name: two, port: {number: 80}}}}]}}]`)
	s.wantFrom("two", "http://DOMAIN/one/two")
	s.wantFrom("one", "http://DOMAIN/one/three")
}
