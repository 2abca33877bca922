// Package dynamic turns what may change without a reload (endpoints, certificates, the hosts they belong
// to) into the documents that the Lua side of NGINX is fed with.
//
// It is pure: it neither sends anything nor knows where endpoints come from. The documents' form is the
// contract with rootfs/etc/nginx/lua/state.lua; testdata/ holds examples that both sides' tests read.
package dynamic

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sort"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/persistent"
)

// Version is the version of the documents' form.
const Version = 1

// State is all dynamic state at one moment.
type State struct {
	Settings     Settings
	Backends     persistent.Map[string, Backend]           // by upstream name
	Certificates persistent.Map[string, nginx.Certificate] // by hash of their content
	Hosts        persistent.Map[string, string]            // server name, exact or *.suffix, to a key of Certificates
	Staples      persistent.Map[string, Staple]            // by a key of Certificates, or by nginx.HTTP.DefaultStaple
	Routes       Routes                                    // in dynamic mode
}

// Settings are what the Lua side needs to know of its surroundings.
type Settings struct {
	Nameservers  []string `json:"nameservers,omitempty"`   // "ip:port" or "[ip]:port"
	Search       []string `json:"search,omitempty"`        // search domains of resolv.conf(5)
	Ndots        int      `json:"ndots,omitempty"`         // option ndots of resolv.conf(5)
	OwnAddresses []string `json:"own_addresses,omitempty"` // addresses that a resolved name must not have
	IPv4Only     bool     `json:"ipv4_only,omitempty"`     // whether names are asked for IPv4 addresses only
}

// Own are the OwnAddresses.
func (s Settings) Own() []netip.Addr {
	var list []netip.Addr
	for _, text := range s.OwnAddresses {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, a.Unmap())
		}
	}
	return list
}

// Backend is where requests for one upstream go.
type Backend struct {
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Names are DNS names, resolved by the workers while requests come in.
	Names []Endpoint `json:"names,omitempty"`
	// Routes are those whose requests may go to other backends instead, by the variable $server_name and, below it,
	// by RoutePath.
	Routes map[string]map[string][]Alternative `json:"routes,omitempty"`

	// Balance is the Algorithm that shares requests out, among those that neither HashBy nor Affinity decides.
	Balance  Algorithm `json:"balance,omitempty"`
	HashBy   *HashBy   `json:"hash_by,omitempty"`
	Affinity *Affinity `json:"affinity,omitempty"` // comes before HashBy
}

// RoutePath is the key of a path in Backend.Routes: its text, as in the variable $location_path. Of an Exact and a
// Prefix path with the same text, the Exact one (it alone sets $path_type) has another key.
func RoutePath(text string, isExactTwin bool) string {
	if isExactTwin {
		return "=" + text
	}
	return text
}

// Alternative is a backend that gets some requests of a route. Alternatives are asked in order, and each by header,
// cookie and weight in this order; the first test that says something decides.
type Alternative struct {
	Backend string `json:"backend"` // a key of State.Backends

	// Header is the name of a header. Its value takes the request here if it equals HeaderValue, else if HeaderPattern
	// is found in it; with neither, "always" does and "never" does not.
	Header        string `json:"header,omitempty"`
	HeaderValue   string `json:"header_value,omitempty"`
	HeaderPattern string `json:"header_pattern,omitempty"`
	// HeaderRefused keeps requests with the header away, whatever its value: the pattern cannot be used.
	HeaderRefused bool `json:"header_refused,omitempty"`
	// Cookie is the name of a cookie that takes the request here by "always", and does not by "never".
	Cookie string `json:"cookie,omitempty"`
	// Weight of WeightTotal is the share of all other requests, from 0 to WeightTotal.
	Weight      int `json:"weight,omitempty"`
	WeightTotal int `json:"weight_total,omitempty"`

	// Owner is the object that the alternative comes from, for people: workers are not told.
	Owner string `json:"-"`
}

// Endpoint is an address, or in Backend.Names a DNS name, with a port.
type Endpoint struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	// SessionsOnly endpoints get no requests but those whose cookie names them: they terminate and still serve, or others
	// are nearer. Only backends with Affinity have any.
	SessionsOnly bool `json:"sessions_only,omitempty"`
}

// Update is a document: entries that are new or changed, and names of those that are gone.
type Update struct {
	Version      int                    `json:"version"`
	Generation   uint64                 `json:"generation"`
	Reset        bool                   `json:"reset,omitempty"` // drop every entry that is not in here
	Settings     *Settings              `json:"settings,omitempty"`
	Backends     map[string]Backend     `json:"backends,omitempty"`
	Certificates map[string]Certificate `json:"certificates,omitempty"`
	Hosts        map[string]string      `json:"hosts,omitempty"`
	Staples      map[string]Staple      `json:"staples,omitempty"`
	Routes       map[string]*Host       `json:"routes,omitempty"` // see Routes.Hosts
	Names        *[]NamePattern         `json:"names,omitempty"`  // all of Routes.Names, if they differ
	Removed      *Removed               `json:"removed,omitempty"`
}

// Certificate is a certificate chain with its key, both PEM. It is made only to be sent to NGINX.
type Certificate struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Staple is what the issuer of a certificate says of it, for clients that ask for it in their handshakes.
type Staple struct {
	Response []byte `json:"response"` // an OCSPResponse of RFC 6960, DER; in documents it is base64
	Until    int64  `json:"until"`    // unix time from which on nobody is given it any more
}

// Removed names entries that are gone, each list sorted.
type Removed struct {
	Backends     []string `json:"backends,omitempty"`
	Certificates []string `json:"certificates,omitempty"`
	Hosts        []string `json:"hosts,omitempty"`
	Staples      []string `json:"staples,omitempty"`
	Routes       []string `json:"routes,omitempty"`
}

// Empty tells whether the update would change nothing.
func (u Update) Empty() bool {
	return !u.Reset && u.Settings == nil && u.Names == nil && u.Removed == nil && u.Entries() == 0
}

// Entries is how many entries the update brings or removes.
func (u Update) Entries() int {
	n := len(u.Backends) + len(u.Certificates) + len(u.Hosts) + len(u.Staples) + len(u.Routes)
	if r := u.Removed; r != nil {
		n += len(r.Backends) + len(r.Certificates) + len(r.Hosts) + len(r.Staples) + len(r.Routes)
	}
	return n
}

// Parts are documents of at most so many entries each that have the effect of a full update, if nobody looks before the last
// one. Reading one large document takes many times its size. Their generations are consecutive and end in the update's own.
func (u Update) Parts(most int) []Update {
	parts := []Update{{Version: u.Version, Reset: u.Reset, Settings: u.Settings, Names: u.Names, Removed: u.Removed}}
	room := most
	next := func() *Update {
		if room == 0 {
			parts = append(parts, Update{Version: u.Version})
			room = most
		}
		room--
		return &parts[len(parts)-1]
	}
	// Hosts come after the certificates that they need.
	for _, id := range slices.Sorted(maps.Keys(u.Certificates)) {
		put(&next().Certificates, id, u.Certificates[id])
	}
	for _, host := range slices.Sorted(maps.Keys(u.Hosts)) {
		put(&next().Hosts, host, u.Hosts[host])
	}
	for _, id := range slices.Sorted(maps.Keys(u.Staples)) {
		put(&next().Staples, id, u.Staples[id])
	}
	for _, name := range slices.Sorted(maps.Keys(u.Backends)) {
		put(&next().Backends, name, u.Backends[name])
	}
	for _, key := range slices.Sorted(maps.Keys(u.Routes)) {
		put(&next().Routes, key, u.Routes[key])
	}
	for i := range parts {
		parts[i].Generation = u.Generation - uint64(len(parts)-1-i)
	}
	return parts
}

func put[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// Encode writes the document as one line of JSON; equal updates give equal bytes.
func (u Update) Encode() ([]byte, error) { return json.Marshal(u) }

// Full is the update that makes any receiver hold exactly s.
func Full(s State, generation uint64) Update {
	u := Changed(State{}, s, generation)
	u.Reset = true
	u.Settings = &s.Settings
	return u
}

// Changed is the update that adds or replaces what differs between old and new; nothing is removed by it.
func Changed(old, new State, generation uint64) Update {
	u := Update{Version: Version, Generation: generation}
	if !reflect.DeepEqual(old.Settings, new.Settings) {
		u.Settings = &new.Settings
	}
	u.Backends = differing(old.Backends, new.Backends, sameBackend)
	u.Hosts = differing(old.Hosts, new.Hosts, func(a, b string) bool { return a == b })
	u.Staples = differing(old.Staples, new.Staples, func(a, b Staple) bool { return a.Until == b.Until && bytes.Equal(a.Response, b.Response) })
	// Translations hand out the same Host for as long as nothing it is made of changes.
	u.Routes = differing(old.Routes.Hosts, new.Routes.Hosts, func(a, b *Host) bool { return a == b || reflect.DeepEqual(a, b) })
	if !slices.Equal(old.Routes.Names, new.Routes.Names) {
		u.Names = new.Routes.list()
	}
	// An id stands for a content.
	for id, c := range differing(old.Certificates, new.Certificates, func(nginx.Certificate, nginx.Certificate) bool { return true }) {
		put(&u.Certificates, id, Certificate{c.Chain, c.Key.Reveal()})
	}
	return u
}

// Gone is the update that removes what is in old and no longer in new.
func Gone(old, new State, generation uint64) Update {
	r := Removed{
		Backends: missing(old.Backends, new.Backends), Certificates: missing(old.Certificates, new.Certificates),
		Hosts: missing(old.Hosts, new.Hosts), Staples: missing(old.Staples, new.Staples), Routes: missing(old.Routes.Hosts, new.Routes.Hosts),
	}
	u := Update{Version: Version, Generation: generation, Removed: &r}
	if u.Entries() == 0 {
		u.Removed = nil
	}
	return u
}

// sameBackend compares lists by identity first: translations hand out the same ones for as long as nothing changes.
func sameBackend(a, b Backend) bool {
	return isSame(a.Endpoints, b.Endpoints) && isSame(a.Names, b.Names) && len(a.Routes)+len(b.Routes) == 0 &&
		a.Balance == b.Balance && a.HashBy == b.HashBy && a.Affinity == b.Affinity || reflect.DeepEqual(a, b)
}

func isSame(a, b []Endpoint) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// differing are the entries of new that old has not. States come from one another by few changes, or it costs more.
func differing[V any](old, new persistent.Map[string, V], same func(a, b V) bool) map[string]V {
	var out map[string]V
	for d := range persistent.Differences(old, new) {
		if d.Is && !(d.Was && same(d.Old, d.New)) {
			put(&out, d.Key, d.New)
		}
	}
	return out
}

func missing[V any](old, new persistent.Map[string, V]) []string {
	var out []string
	for d := range persistent.Differences(old, new) {
		if !d.Is {
			out = append(out, d.Key)
		}
	}
	sort.Strings(out)
	return out
}
