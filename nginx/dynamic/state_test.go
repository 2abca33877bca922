package dynamic

import (
	"bytes"
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/persistent"
)

var update = flag.Bool("update", false, "write the documents in testdata")

func state() State {
	return State{
		Settings: Settings{Nameservers: []string{"10.96.0.10:53"}, Search: []string{"shop.svc.cluster.local"}, Ndots: 5, OwnAddresses: []string{"10.0.0.7"}},
		Backends: persistent.Of(map[string]Backend{
			"shop_cart_80":  {Endpoints: []Endpoint{{Address: "10.0.0.1", Port: 8080}, {Address: "2001:db8::1", Port: 8080}}},
			"shop_ext_443":  {Names: []Endpoint{{Address: "api.example.com", Port: 443}}},
			"shop_empty_80": {},
			"shop_hashed_80": {
				Endpoints: []Endpoint{{Address: "10.0.0.4", Port: 8080}}, HashBy: &HashBy{Key: Template{"", "request_uri", "-", "http_x_key"}, Subset: 3},
			},
			"shop_sticky_80": {
				Endpoints: []Endpoint{{Address: "10.0.0.5", Port: 8080}, {Address: "10.0.0.6", Port: 8080, SessionsOnly: true}}, Balance: EWMA,
				Affinity: &Affinity{
					Cookie: Cookie{
						Name: "route", Path: "/shop", Domain: "example.com", Expires: new(int), MaxAge: new(int), Secure: true, SameSite: "None",
						ConditionalSameSiteNone: true,
					},
					Persistent: true, ChangeOnFailure: true, Ingresses: []string{"shop/web"}, Key: "k", ID: "i", FormerID: "f",
				},
			},
			"shop_stable_80": {
				Endpoints: []Endpoint{{Address: "10.0.0.3", Port: 8080}},
				Routes: map[string]map[string][]Alternative{"shop.example.com": {
					"/": {{Backend: "shop_cart_80", Header: "X-Canary", HeaderPattern: "^a+$", Cookie: "canary", Weight: 30, WeightTotal: 200}},
					RoutePath("/", true): {
						{Backend: "blog_next_http", Header: "X-Canary", HeaderValue: "blue"},
						{Backend: "shop_cart_80", Header: "X-Canary", HeaderRefused: true},
					},
				}},
			},
		}),
		Certificates: persistent.Of(map[string]nginx.Certificate{"c1": {Chain: "chain one", Key: nginx.NewSecret("key one")}}),
		Hosts:        persistent.Of(map[string]string{"shop.example.com": "c1", "*.example.com": "c1"}),
		Staples:      persistent.Of(map[string]Staple{"c1": {Response: []byte("good, says the issuer"), Until: 4102444800}, "c0": {Response: []byte{0xfb, 0xff}, Until: 4102444800}}),
		Routes: Routes{
			Hosts: persistent.Of(map[string]*Host{
				"shop.example.com": {
					Root:   &Jump{"@302", Template{"", "scheme", "://", "http_host", "/app"}},
					Exact:  map[string]int{"/app": 0},
					Prefix: map[string]int{"/app/": 0, "/": 1},
					Routes: []Route{
						{
							Namespace: "shop", Ingress: "web", Service: "cart", Port: "80", Path: "/app", IsExactTwin: true, Backend: "shop_cart_80", Fallback: "shop_empty_80",
							Slash: &Jump{"@301", Template{"/app/", "is_args", "", "args"}}, Limit: 1 << 20, TooLarge: "@413", InClear: "@308",
							Rewrite: &Rewrite{
								Pattern: "/app(?<capture_1>/|$)", Refused: "@400", Empty: "@500", Path: Template{"/", "capture_1"}, Args: Template{"from=", "host"},
								DropArgs: true, Log: true, Exports: []string{"capture_1"},
							},
							Alternatives: []Alternative{{Backend: "shop_stable_80", Cookie: "canary", Weight: 30, WeightTotal: 100}},
							Shape:        "@proxy",
						},
						{Path: "/", Backend: "upstream-default-backend", Redirect: &Redirect{Jump{"@302", Template{"/", "capture_1"}}, "^/(?<capture_1>.*)"}, Shape: "@404"},
					},
				},
				"*.example.com": {Patterns: []Pattern{{"^/a+", 0}}, Routes: []Route{{Path: "/a+", Denied: "@503"}}, ServerName: "*.example.com"},
				"~^a+$":         {SameAs: "shop.example.com"},
				"www.shop.test": {All: &Jump{"@308", Template{"https://shop.test", "request_uri"}}},
			}),
			Names: []NamePattern{{"~^a+$", "shop.example.com"}},
		},
	}
}

// later is state after a change of everything.
func later() State {
	s := state()
	s.Settings.Ndots = 1
	s.Backends = persistent.Of(map[string]Backend{
		"shop_cart_80": {Endpoints: []Endpoint{{Address: "10.0.0.2", Port: 8080}}},
		"shop_ext_443": s.Backends.At("shop_ext_443"),
		"shop_new_80":  {Endpoints: []Endpoint{{Address: "10.0.0.9", Port: 80}}},
		"shop_stable_80": {
			Endpoints: []Endpoint{{Address: "10.0.0.3", Port: 8080}},
			Routes: map[string]map[string][]Alternative{"shop.example.com": {
				"/": {{Backend: "shop_cart_80", Weight: 100, WeightTotal: 100}},
			}},
		},
	})
	s.Certificates = persistent.Of(map[string]nginx.Certificate{"c2": {Chain: "chain two", Key: nginx.NewSecret("key two")}})
	s.Hosts = persistent.Of(map[string]string{"shop.example.com": "c2"})
	s.Staples = persistent.Of(map[string]Staple{"c0": s.Staples.At("c0"), "c2": {Response: []byte("good"), Until: 4102448400}})
	s.Routes = Routes{Hosts: persistent.Of(map[string]*Host{
		"shop.example.com": {Exact: map[string]int{"/": 0}, Routes: []Route{{Path: "/", Backend: "shop_cart_80", Shape: "@proxy"}}},
		"*.example.com":    s.Routes.Hosts.At("*.example.com"),
	})}
	return s
}

// The documents are the contract with the Lua side, whose specs read the same files.
func TestDocuments(t *testing.T) {
	for name, doc := range map[string]Update{
		"full.json":    Full(state(), 7),
		"changed.json": Changed(state(), later(), 8),
		"gone.json":    Gone(state(), later(), 9),
	} {
		got, err := doc.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil { //nolint:gosec // test data is no secret
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs; go test ./nginx/dynamic -update writes it:\n%s", name, got)
		}
	}
}

func TestNothingChanged(t *testing.T) {
	if u := Changed(state(), state(), 1); !u.Empty() {
		t.Errorf("equal states differ by %+v", u)
	}
	if u := Gone(state(), state(), 1); !u.Empty() {
		t.Errorf("equal states differ by %+v", u)
	}
	if u := Full(State{}, 1); u.Empty() {
		t.Error("the full document of nothing is empty; it has to drop what is there")
	}
}

func TestOnlyWhatChangedIsSent(t *testing.T) {
	u := Changed(state(), later(), 8)
	if len(u.Backends) != 3 || len(u.Certificates) != 1 || len(u.Hosts) != 1 || len(u.Staples) != 1 || len(u.Routes) != 1 || u.Names == nil || u.Removed != nil {
		t.Errorf("the update is %+v", u)
	}
}

func TestPartsAreTheWhole(t *testing.T) {
	full := Full(state(), 100)
	full.Names = state().Routes.list()
	for _, most := range []int{1, 3, 1000} {
		var all Update
		for i, part := range full.Parts(most) {
			if n := len(part.Backends) + len(part.Certificates) + len(part.Hosts) + len(part.Staples) + len(part.Routes); n > most {
				t.Errorf("%d entries in a part of %d", n, most)
			}
			if part.Reset != (i == 0) || i > 0 && part.Generation != all.Generation+1 {
				t.Errorf("part %d of %d has generation %d after %d, reset %v", i, most, part.Generation, all.Generation, part.Reset)
			}
			for host, id := range part.Hosts {
				if _, known := all.Certificates[id]; !known && part.Certificates[id] == (Certificate{}) {
					t.Errorf("host %s comes before its certificate", host)
				}
			}
			all.Version, all.Generation, all.Reset = part.Version, part.Generation, all.Reset || part.Reset
			all.Settings, all.Names = cmp.Or(all.Settings, part.Settings), cmp.Or(all.Names, part.Names)
			for name, v := range part.Backends {
				put(&all.Backends, name, v)
			}
			for name, v := range part.Certificates {
				put(&all.Certificates, name, v)
			}
			for name, v := range part.Hosts {
				put(&all.Hosts, name, v)
			}
			for name, v := range part.Staples {
				put(&all.Staples, name, v)
			}
			for name, v := range part.Routes {
				put(&all.Routes, name, v)
			}
		}
		if !reflect.DeepEqual(all, full) {
			t.Errorf("parts of %d come to %+v, not %+v", most, all, full)
		}
	}
}
