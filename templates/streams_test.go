package templates

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
)

// Endpoints of streams are on disk for the next start, and no reason for a reload; everything else of them is.
func TestEndpointsOfStreamsNeedNoReload(t *testing.T) {
	set, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	memory := NewMemory()
	render := func(listeners []*nginx.Listener, endpoints ...string) (generation, streams string) {
		t.Helper()
		c := nginx.Config{Streams: nginx.Streams{Listeners: listeners, Backends: []nginx.StreamBackend{{Name: "tcp/shop_echo_1", Endpoints: endpoints}}}}
		remembered, err := set.Render(c, Options{StateDir: "/run/sluice"}, memory)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := set.Render(c, Options{StateDir: "/run/sluice"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(alone.List, remembered.List); diff != "" || alone.Generation != remembered.Generation {
			t.Errorf("memory makes a difference (-alone +remembered):\n%s", diff)
		}
		text, _ := remembered.Get("streams.conf")
		return remembered.Generation, string(text)
	}
	one := []*nginx.Listener{{Port: 9000, Backend: "tcp/shop_echo_1"}}
	first, before := render(one, "10.0.0.1:1")
	second, after := render(one, "10.0.0.2:1")
	if first != second {
		t.Error("another endpoint is another generation")
	}
	if !strings.Contains(before, "10.0.0.1:1") || !strings.Contains(after, "10.0.0.2:1") {
		t.Errorf("the files have %q and %q", before, after)
	}
	third, _ := render([]*nginx.Listener{{Port: 9000, Backend: "tcp/shop_echo_1", Accepts: true}}, "10.0.0.2:1")
	fourth, gone := render(nil)
	if third == second || fourth == third || gone != "" {
		t.Errorf("generations are %s, %s, %s and %s; at last streams.conf has %q", first, second, third, fourth, gone)
	}
}
