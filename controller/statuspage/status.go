package statuspage

import (
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/controller/view"
	"github.com/sluice-ingress/sluice/nginx/inspect"
)

// Status is what is shown at one moment. Of lists it has one page each, of what was searched for.
type Status struct {
	Now     time.Time `json:"now"`
	Version string    `json:"version"`
	Query   string    `json:"query,omitempty"`
	Ready   bool      `json:"ready"`
	Unready string    `json:"unready,omitempty"` // why
	Totals  Totals    `json:"totals"`
	Plan    Plan      `json:"plan"`
	NGINX   NGINX     `json:"nginx"`

	Routes       List[Route]       `json:"routes"`       // by host and path
	Certificates List[Certificate] `json:"certificates"` // what expires first comes first, and before that what is not served
	Problems     List[Problem]     `json:"problems"`     // the worst first
	Reloads      List[Reload]      `json:"reloads"`      // the newest first
}

// Totals are of everything, whatever was searched for.
type Totals struct {
	Ingresses int `json:"ingresses"` // that are meant for us
	Served    int `json:"served"`    // of these
	Hosts     int `json:"hosts"`
	Routes    int `json:"routes"`
	Backends  int `json:"backends"`
	TLSHosts  int `json:"tlsHosts"`
	Expiring  int `json:"expiring"` // certificates, see soon; expired ones too
	Errors    int `json:"errors"`
	Warnings  int `json:"warnings"`
	Infos     int `json:"infos"`
}

// Plan is the newest one.
type Plan struct {
	At         time.Time `json:"at,omitzero"`
	Seconds    float64   `json:"seconds"`    // that it took
	Generation string    `json:"generation"` // of the configuration that it wants
}

// NGINX is how the one that we drive gets on.
type NGINX struct {
	Engine
	Workers inspect.Status `json:"workers"`
	// Trouble says why workers could not be asked. Then there are none, and backends are as the plan has them.
	Trouble string `json:"trouble,omitempty"`
	// Failed counts the steps that failed since the controller was started, by name: render, test, reload, push.
	Failed   map[string]int `json:"failed,omitempty"`
	Restarts int            `json:"restarts"` // that nobody asked for
}

// Engine is what whoever runs NGINX says of it.
type Engine struct {
	Generation      string `json:"generation"`      // of the configuration that all new workers run
	StateGeneration uint64 `json:"stateGeneration"` // of the state that workers acknowledged last
	PID             int    `json:"pid"`             // of the master process; 0 for none
	Draining        int    `json:"draining"`        // generations of workers that finish requests
	LastError       string `json:"lastError,omitempty"`
}

// List is a page of a list.
type List[T any] struct {
	Total int `json:"total"` // items on all pages
	Page  int `json:"page"`  // from 1
	Pages int `json:"pages"` // at least 1
	Items []T `json:"items"`
}

// Route is a host and path of an Ingress, and the pods behind it.
type Route struct {
	view.Route
	Rating   Rating       `json:"rating"`
	State    string       `json:"state"` // in words
	Backend  view.Backend `json:"backend"`
	Canaries []Canary     `json:"canaries,omitempty"`
}

// Canary is a backend that gets some of the requests of a route.
type Canary struct {
	Owner   string       `json:"owner"` // an Ingress
	When    string       `json:"when"`  // in words
	Backend view.Backend `json:"backend"`
}

// Certificate is that of a host.
type Certificate struct {
	view.Certificate
	Rating Rating `json:"rating"`
	State  string `json:"state"`
}

// Problem is a mistake of a user, and where it is explained.
type Problem struct {
	translate.Problem
	Means string `json:"means,omitempty"`
	Link  string `json:"link"`
}

// Reload is a configuration that NGINX was to read.
type Reload struct {
	At      time.Time          `json:"at"`
	Cause   string             `json:"cause"` // in a word
	Seconds float64            `json:"seconds"`
	Error   string             `json:"error,omitempty"` // why it did not become live
	Causes  []controller.Cause `json:"causes,omitempty"`
}

// Rating is how well something is, for eyes; a word always says the same.
type Rating string

// Ratings.
const (
	Good Rating = "good"
	Note Rating = "note" // nothing is wrong, and it is worth a look
	Warn Rating = "warn"
	Bad  Rating = "bad"
)

// soon is how long before its end a certificate is worth a warning, as for kubectl ingress doctor.
const soon = 14 * 24 * time.Hour

// rate says how a route gets on, by what it leads to.
func (r *Route) rate() {
	serving, out := 0, 0
	for _, p := range r.Backend.Peers {
		switch p.State {
		case view.Serves, view.Resolved:
			serving++
		case view.Out, view.Unknown:
			out++
		}
	}
	switch {
	case r.Served == "no":
		r.Rating, r.State = Bad, "not served"
	case r.Served == "503":
		r.Rating, r.State = Bad, "answers 503"
	case r.Served == "canary":
		r.Rating, r.State = Note, "canary"
	case r.Backend.Name == "":
		r.Rating, r.State = Note, "no backend"
	case serving == 0:
		r.Rating, r.State = Bad, "no pods"
	case out > 0:
		r.Rating, r.State = Warn, "some pods out"
	default:
		r.Rating, r.State = Good, "serving"
	}
}

// rate says how long a certificate has.
func (c *Certificate) rate(now time.Time) {
	left := c.NotAfter.Sub(now)
	switch {
	case c.Served == "default":
		c.Rating, c.State = Bad, "default certificate served"
	case c.Served != "yes":
		c.Rating, c.State = Warn, "another one is served"
	case left < 0:
		c.Rating, c.State = Bad, "expired"
	case left < soon:
		c.Rating, c.State = Warn, "expires soon"
	default:
		c.Rating, c.State = Good, "valid"
	}
}
