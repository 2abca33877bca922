package dynamic

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/persistent"
)

// seen is a state with its keys, which nothing else shows, and the shapes that documents leave out.
func seen(s State) any {
	keys := map[string]string{}
	for id, c := range s.Certificates.All() {
		keys[id] = c.Key.Reveal()
	}
	return []any{
		s.Settings, maps.Collect(s.Backends.All()), maps.Collect(s.Hosts.All()), maps.Collect(s.Certificates.All()),
		maps.Collect(s.Staples.All()), maps.Collect(s.Routes.Hosts.All()), s.Routes.Names, keys,
	}
}

var redacted = cmp.Comparer(func(a, b nginx.Secret) bool { return a.Reveal() == b.Reveal() })

// sent is an update as whoever it was sent to reads it.
func sent(t *testing.T, u Update) Update {
	t.Helper()
	text, err := u.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var read Update
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// led is a state whose entries say where they lead, as translations make them.
func led(s State) State {
	s.Routes.Hosts = persistent.Of(leading(maps.Collect(s.Routes.Hosts.All())))
	return s
}

func TestWhatWasSentIsWhatIsHeld(t *testing.T) {
	first, second := led(state()), led(later())
	var held State
	for _, part := range Full(first, 10000).Parts(2) {
		held = held.With(sent(t, part))
	}
	if diff := cmp.Diff(seen(first), seen(held), redacted); diff != "" {
		t.Errorf("after a full update (-wanted +got):\n%s", diff)
	}
	before := seen(held)
	u := Changed(held, second, 10001)
	u.Removed = Gone(held, second, 10001).Removed
	now := held.With(sent(t, u))
	if diff := cmp.Diff(seen(second), seen(now), redacted); diff != "" {
		t.Errorf("after a difference (-wanted +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, seen(held), redacted); diff != "" {
		t.Errorf("the state before has changed:\n%s", diff)
	}
	if u := Changed(now, second, 10002); !u.Empty() {
		t.Errorf("there is still a difference: %+v", u)
	}
}

func TestWhatAnUpdateLeavesAloneIsShared(t *testing.T) {
	held := led(state())
	now := held.With(Update{Backends: map[string]Backend{"shop_new_80": {}}})
	if now.Hosts != held.Hosts {
		t.Error("the hosts were copied")
	}
	if now.Routes.Hosts != held.Routes.Hosts {
		t.Error("the routes were copied")
	}
}

// An entry leads to every shape that stands in it, wherever that is.
func TestEveryShapeOfAnEntryCounts(t *testing.T) {
	host := &Host{
		All: &Jump{Shape: "@a"}, Root: &Jump{Shape: "@b"},
		Routes: []Route{{
			Slash: &Jump{Shape: "@c"}, TooLarge: "@d", Denied: "@e", Redirect: &Redirect{Jump: Jump{Shape: "@f"}}, InClear: "@g",
			Rewrite: &Rewrite{Refused: "@h", Empty: "@l"}, Unavailable: "@i", Shape: "@j",
		}, {Shape: "@a"}},
	}
	want := []string{"@a", "@b", "@c", "@d", "@e", "@f", "@g", "@h", "@i", "@j", "@l"}
	if diff := cmp.Diff(want, host.leads()); diff != "" {
		t.Errorf("-wanted +got:\n%s", diff)
	}
}
