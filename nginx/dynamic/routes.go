package dynamic

import (
	"slices"

	"github.com/sluice-ingress/sluice/persistent"
)

// Routes are how requests find their way when routes are data: the entry of each server name, and the names that
// are patterns.
type Routes struct {
	// Hosts are the entries, by key:
	//
	//	shop.example.com    that name
	//	*.example.com       one label before it, of letters, digits, _ and -: the wildcard of an Ingress
	//	**.example.com      any number of labels before it: the wildcard of an alias
	//	shop.*              any labels behind it
	//	~EXPRESSION         names in which a regular expression is found, in any case; see Names
	//	_                   all others
	//
	// Those of the first line come first, then the longest of the third, then the longest of the fourth. Then
	// patterns and wildcards of Ingresses are tried in the order of Names.
	Hosts persistent.Map[string, *Host]
	// Names are all keys that are regular expressions, in the order in which they are tried.
	Names []NamePattern
}

// list is Names as a document holds it: an empty list if there are none.
func (r Routes) list() *[]NamePattern {
	list := append([]NamePattern{}, r.Names...)
	return &list
}

// Through returns the routes that lead to these shapes only. A host with others has the last of the entries that it had before
// which does, and none if none does. Known are hosts that lead to these shapes only: what they have in common with the routes
// costs nothing.
func (r Routes) Through(shapes map[string]bool, known persistent.Map[string, *Host], before func(name string) []*Host) Routes {
	judged := map[*string]bool{} // by the lists' first names: many entries share one list
	lead := func(h *Host) bool {
		if h == nil || len(h.Shapes) == 0 {
			return h != nil
		}
		leads, found := judged[&h.Shapes[0]]
		if !found {
			leads = !slices.ContainsFunc(h.Shapes, func(name string) bool { return !shapes[name] })
			judged[&h.Shapes[0]] = leads
		}
		return leads
	}
	through := r
	for d := range persistent.Differences(known, r.Hosts) {
		if !d.Is || lead(d.New) {
			continue
		}
		through.Hosts = through.Hosts.Without(d.Key)
		for _, former := range slices.Backward(before(d.Key)) {
			if lead(former) {
				through.Hosts = through.Hosts.With(d.Key, former)
				break
			}
		}
	}
	return through
}

// NamePattern is a server name that is a regular expression.
type NamePattern struct {
	Key string `json:"key"` // in Routes.Hosts: ~ and the expression
	// Host is the name of the host whose alias it is. A wildcard of an Ingress that also fits is tried before it
	// if its key is not greater than Host, by bytes, and behind it otherwise.
	Host string `json:"host"`
}

// Host is what is known of requests for a server name.
type Host struct {
	// SameAs is the key of the entry that holds for this name too. There is nothing else in this one then.
	SameAs string `json:"same_as,omitempty"`
	// ServerName becomes $routed_server_name, if it is not empty.
	ServerName string `json:"server_name,omitempty"`

	// All takes every request.
	All *Jump `json:"all,omitempty"`
	// Root takes requests for exactly /, before any route.
	Root *Jump `json:"root,omitempty"`

	// Exact paths come first. A host has either Patterns or Prefix. Paths are the decoded, normalized ones of $uri.
	Exact    map[string]int `json:"exact,omitempty"`    // indexes of Routes, from 0, by path
	Prefix   map[string]int `json:"prefix,omitempty"`   // the same for all paths that start so; each ends in a slash. The longest wins
	Patterns []Pattern      `json:"patterns,omitempty"` // the first that is found in the path wins
	Routes   []Route        `json:"routes,omitempty"`

	// Shapes are all that the entry leads to. Equal lists should be one. Workers find out themselves.
	Shapes []string `json:"-"`
}

// Pattern is a regular expression that is searched for in a path, in any case.
type Pattern struct {
	Text  string `json:"text"`
	Route int    `json:"route"` // index of Host.Routes, from 0
}

// Template is a text with variables: literal and name of a variable by turns, a literal first.
type Template []string

// Jump goes to a shape, after $redirect_target has been set.
type Jump struct {
	Shape  string   `json:"shape"`
	Target Template `json:"target,omitempty"`
}

// Route is where requests for a path go. What stands below Backend is asked in this order, and the first that says
// something decides.
type Route struct {
	// These become variables of the same names as in compiled mode: $namespace, $ingress_name, $service_name,
	// $service_port, $location_path, and $path_type, which is Exact or empty.
	Namespace   string `json:"namespace,omitempty"`
	Ingress     string `json:"ingress,omitempty"`
	Service     string `json:"service,omitempty"`
	Port        string `json:"port,omitempty"`
	Path        string `json:"path,omitempty"`
	IsExactTwin bool   `json:"is_exact_twin,omitempty"`
	Backend     string `json:"backend,omitempty"`  // $backend
	Fallback    string `json:"fallback,omitempty"` // $fallback

	// Slash takes requests for the path of this route without its last slash, if no other path is exactly that, nor a
	// prefix in Host.Prefix. NGINX does so by itself in compiled mode.
	Slash *Jump `json:"slash,omitempty"`
	// Limit is the largest Content-Length in bytes, 0 for none; TooLarge is the shape for larger ones.
	Limit    int64  `json:"limit,omitempty"`
	TooLarge string `json:"too_large,omitempty"`
	// Denied is the shape that refuses every request.
	Denied string `json:"denied,omitempty"`
	// Redirect takes requests, all if it has no pattern.
	Redirect *Redirect `json:"redirect,omitempty"`
	// InClear is the shape for requests whose $pass_access_scheme is http.
	InClear string   `json:"in_clear,omitempty"`
	Rewrite *Rewrite `json:"rewrite,omitempty"`
	// Alternatives are backends that may get the request in place of Backend; see Backend.Routes.
	Alternatives []Alternative `json:"alternatives,omitempty"`
	// Unavailable is the shape for what is left as long as the backend has no endpoints; "" if no backend is asked.
	Unavailable string `json:"unavailable,omitempty"`
	// Late leaves that to Shape, which may answer without a backend. One is chosen before all the same.
	Late bool `json:"late,omitempty"`
	// Shape takes what is left.
	Shape string `json:"shape,omitempty"`
}

// LeadsTo tells whether a shape is one of those that the route can lead to.
func (r *Route) LeadsTo(shape string) bool {
	return r.Shape == shape || r.TooLarge == shape || r.Denied == shape || r.InClear == shape || r.Unavailable == shape ||
		r.Slash != nil && r.Slash.Shape == shape || r.Redirect != nil && r.Redirect.Shape == shape || r.Rewrite != nil && (r.Rewrite.Refused == shape || r.Rewrite.Empty == shape)
}

// Redirect is a jump, for paths in which a pattern is found.
type Redirect struct {
	Jump
	// Pattern is searched for, in any case, in the path as a URL has it, which is ngx.escape_uri(uri, 0). Its groups
	// are named; in Target they are variables of these names.
	Pattern string `json:"pattern,omitempty"`
}

// Rewrite replaces the path, if a pattern is found in it, in any case.
type Rewrite struct {
	Pattern string `json:"pattern"` // its groups are named
	// Refused is the shape for paths with a control character (POSIX class cntrl), pattern or not; "" takes all.
	Refused string `json:"refused,omitempty"`
	// Empty is the shape for requests whose path comes to nothing; "" if that cannot be.
	Empty string   `json:"empty,omitempty"`
	Path  Template `json:"path"`
	// Args, if there are any, are put before the query of the request, with a & between them if that is not empty.
	Args Template `json:"args,omitempty"`
	// Log writes what the path comes to to the error log.
	Log bool `json:"log,omitempty"`
	// DropArgs leaves out the query of the request.
	DropArgs bool `json:"drop_args,omitempty"`
	// Exports are names of groups that become variables of the same names, for headers; empty if the pattern is not found.
	Exports []string `json:"exports,omitempty"`
}
