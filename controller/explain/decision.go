package explain

import (
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// Decision is what becomes of a request, and why.
type Decision struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Client string `json:"client,omitempty"`
	Host   Host   `json:"host"`
	// Paths are those of the host that were looked at: the winner first, then those that match as well, then all others.
	Paths []Path `json:"paths,omitempty"`
	// Steps are what was looked at on the way, in NGINX's order.
	Steps   []Step  `json:"steps,omitempty"`
	Outcome Outcome `json:"outcome"`
	// NotFollowed are parts of the configuration that this package does not know. The outcome may be another because of them.
	NotFollowed []string           `json:"notFollowed,omitempty"`
	Problems    translate.Problems `json:"problems,omitempty"`
}

// Host is the host that takes a request.
type Host struct {
	Asked string    `json:"asked,omitempty"` // the name that the request asks for
	Match HostMatch `json:"match,omitempty"`
	Name  string    `json:"name,omitempty"` // what it is called in the configuration, "_" for hosts without rules
	Source
}

// HostMatch says how a host takes a name.
type HostMatch string

const (
	ExactHost    HostMatch = "exact"
	WildcardHost HostMatch = "wildcard" // of an Ingress: one label
	AliasHost    HostMatch = "alias"    // a name, wildcard or expression of server-alias
	WWWHost      HostMatch = "www"      // the other form of a host with from-to-www-redirect
	DefaultHost  HostMatch = "default"  // no rule has the name
)

// Source is what in the objects something comes from.
type Source = origins.Source

// Path is a path of the host.
type Path struct {
	Text    string `json:"path"`
	Type    string `json:"type"` // Exact, Prefix or, on hosts that match so, regular expression
	Matches bool   `json:"matches"`
	Wins    bool   `json:"wins,omitempty"`
	Why     string `json:"why"` // why it wins, loses or does not match
	Source
}

// Effect says what a Step did.
type Effect string

const (
	Passes  Effect = "passes"  // the request goes on
	Changes Effect = "changes" // the request goes on as another
	Answers Effect = "answers" // NGINX answers
	Depends Effect = "depends" // what shows only with the request decides; taken to pass
)

// Step is one thing that is looked at before a pod gets the request.
type Step struct {
	Name   string   `json:"name"`
	Effect Effect   `json:"effect"`
	Detail string   `json:"detail"`
	From   []Source `json:"from,omitempty"`
}

// Outcome is how it ends: a pod gets the request if Backend is there, else NGINX answers Status.
type Outcome struct {
	Status   int    `json:"status,omitempty"`
	Location string `json:"location,omitempty"` // of a redirect
	// NoHandshake means that there is no answer at all, as NGINX ends the handshake.
	NoHandshake bool     `json:"noHandshake,omitempty"`
	Backend     *Backend `json:"backend,omitempty"`
	// InPlaceOf is the status that NGINX would answer, if the Backend is a service for errors that is asked to answer in its place.
	InPlaceOf int `json:"inPlaceOf,omitempty"`
	// Assumed means that a Step depends on what shows only with the request, such as the answer of a service.
	Assumed bool `json:"assumed,omitempty"`
}

// Served tells whether a pod gets the request.
func (o Outcome) Served() bool { return o.Backend != nil }

// Failed tells whether the client gets an error that NGINX makes.
func (o Outcome) Failed() bool { return o.Backend == nil && (o.NoHandshake || o.Status >= 400) }

// Backend is what a pod gets to see.
type Backend struct {
	Protocol string  `json:"protocol"` // as backend-protocol calls it
	Method   string  `json:"method"`
	URI      string  `json:"uri"` // in the request line, byte by byte
	Shares   []Share `json:"shares"`
	// Headers are those that NGINX sets; all others of the client get through. Without a value the client's is removed. Values
	// with a variable in them show only with the request.
	Headers []SentHeader `json:"headers,omitempty"`
	// OnError are errors of pods in place of which somebody else answers.
	OnError []Replacement `json:"onError,omitempty"`
}

// SentHeader is a header that NGINX sets.
type SentHeader struct {
	request.Header
	Unknown bool `json:"unknown,omitempty"` // not all of the value shows before the request is there
}

// Share is a Service with the part of such requests that it gets.
type Share struct {
	Backend   string     `json:"backend"`           // as logs and metrics call it
	Service   string     `json:"service,omitempty"` // namespace/name
	Port      string     `json:"port,omitempty"`
	Percent   float64    `json:"percent"`
	Canary    bool       `json:"canary,omitempty"`
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	Source
}

// Endpoint is an address of a Service.
type Endpoint struct {
	Address string `json:"address"` // with the port
	Used    bool   `json:"used"`
	Why     string `json:"why,omitempty"` // why not
}

// Replacement is who answers in place of errors.
type Replacement struct {
	Statuses []int   `json:"statuses"`
	IfSilent bool    `json:"ifSilent,omitempty"` // only if no pod answers
	Shares   []Share `json:"shares,omitempty"`
	URI      string  `json:"uri,omitempty"`    // that the service is asked for
	Status   int     `json:"status,omitempty"` // that NGINX answers if there is no such service
}
