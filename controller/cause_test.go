package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
)

func TestCauses(t *testing.T) {
	shape := func(name, owner string, keys ...string) *nginx.Shape {
		return &nginx.Shape{Name: name, Owner: owner, Keys: keys}
	}
	routed := func(names []string, owners []string, shapes ...*nginx.Shape) *nginx.Server {
		s := &nginx.Server{Shapes: shapes, Owners: owners, Directives: nginx.Directives{nginx.D("ssl_ciphers", nginx.Text("X"))}}
		for _, name := range names {
			s.Aliases = append(s.Aliases, nginx.ServerName{Name: name})
		}
		return s
	}
	plain := func(shapes ...*nginx.Shape) *nginx.Server { return &nginx.Server{Name: "_", Shapes: shapes} }
	host := func(name, owner string, paths ...string) *nginx.Server {
		s := &nginx.Server{Name: name, Owner: owner}
		for _, path := range paths {
			s.Locations = append(s.Locations, &nginx.Location{Path: path})
		}
		return s
	}
	config := func(servers ...*nginx.Server) nginx.Config { return nginx.Config{Servers: servers} }
	one := shape("@1", "Ingress shop/web")
	for name, c := range map[string]struct {
		live, wanted nginx.Config
		kind         string
		want         []Cause
	}{
		"a path":          {config(host("a", "A", "/")), config(host("a", "A", "/", "/x")), "paths", []Cause{{"A", ""}}},
		"a host":          {config(host("a", "A")), config(host("a", "A"), host("b", "B")), "hosts", []Cause{{"B", ""}}},
		"a host less":     {config(host("a", "A"), host("b", "B")), config(host("a", "A")), "hosts", []Cause{{"B", ""}}},
		"the ConfigMap":   {nginx.Config{}, nginx.Config{HTTP: nginx.HTTP{HSTS: "x"}}, "configmap", []Cause{{"the controller's ConfigMap", "data"}}},
		"settings":        {config(plain(one)), config(plain(one, shape("@2", "B", "k", "l"))), "shapes", []Cause{{"B", "metadata.annotations[p/k]"}, {"B", "metadata.annotations[p/l]"}}},
		"settings of all": {config(plain(one)), config(plain(one, shape("@2", "B"))), "shapes", []Cause{{"B", "spec"}}},
		"nothing":         {config(plain(one)), config(plain(one)), "template", nil},
		"one more host with settings of its server": {
			config(plain(one), routed([]string{"a"}, []string{"A"}, one)), config(plain(one), routed([]string{"a", "b"}, []string{"A", "B"}, one)),
			"hosts", []Cause{{"B", "spec.rules"}},
		},
		"one less": {
			config(plain(one), routed([]string{"a", "b"}, []string{"A", "B"}, one)), config(plain(one), routed([]string{"b"}, []string{"B"}, one)),
			"hosts", []Cause{{"A", "spec.rules"}},
		},
		"settings of a server": {
			config(plain(one)), config(plain(one), &nginx.Server{
				Aliases: []nginx.ServerName{nginx.HostName("a")}, Owners: []string{"A"}, OwnersKeys: [][]string{{"k"}}, Shapes: []*nginx.Shape{one},
			}),
			"hosts", []Cause{{"A", "metadata.annotations[p/k]"}},
		},
	} {
		if got := kind(&c.live, c.wanted); got != c.kind {
			t.Errorf("%s: the reload is for %q, want %q", name, got, c.kind)
		}
		if diff := cmp.Diff(c.want, causes(&c.live, c.wanted, "p")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := kind(nil, nginx.Config{}); got != "start" {
		t.Errorf("the first configuration is for %q", got)
	}
}
