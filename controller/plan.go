// Package controller is the loop from snapshots of a source to a running NGINX, and the one function that
// decides everything on the way: Options.Plan.
package controller

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/streams"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/routing"
	"github.com/sluice-ingress/sluice/persistent"
	"github.com/sluice-ingress/sluice/templates"
)

// Options are everything besides the snapshot that a Plan depends on.
type Options struct {
	Translate translate.Options
	Streams   streams.Options
	Render    templates.Options
	Templates *templates.Set
	Memory    *templates.Memory // makes later plans cheaper; may be nil

	// Staples are what issuers say of certificates, by their ids. They are handed out if the ConfigMap asks for it.
	Staples persistent.Map[string, dynamic.Staple]

	Routing Routing
	Routes  *routing.Memory // the same for routes; may be nil
	Live    *nginx.Config   // what NGINX runs, as a Plan has it; shapes that are in it need no other. May be nil
	Refused *nginx.Config   // what NGINX refused last, likewise; shapes that only it has are forgotten. May be nil
}

// Routing is how requests find the location that is meant for them.
type Routing uint8

const (
	// Compiled has a server block for each host and a location for each path: NGINX finds them.
	Compiled Routing = iota
	// Dynamic has each distinct location once: workers find the routes to them in their data.
	Dynamic
)

// Plan is everything we would do for one snapshot. Making one touches nothing.
type Plan struct {
	Files        nginx.Files                                      // static configuration; a new Generation means a reload
	Dynamic      dynamic.State                                    // endpoints and certificates; changes mean a push, never a reload
	Problems     translate.Problems                               // what is wrong, on which object and field, and what we did about it
	Good         cluster.Fallback                                 // for the next snapshot
	Certificates persistent.Map[string, translate.CertificateUse] // by host
	Config       nginx.Config
	Servers      []*nginx.Server                         // those of Config, each with its locations also where routes are data
	Backends     persistent.Map[string, dynamic.Backend] // those of Dynamic, each with its alternatives also where routes are data
	Ingresses    int
	Claimed      []*networkingv1.Ingress // those meant for us, served or not, in the order of the snapshot
	Kept         []*networkingv1.Ingress // last good versions that are served in place of some of these
	Snapshot     cluster.Snapshot        // what it was made for

	StreamSnippets map[cluster.Name]nginx.Directives // what Ingresses add to the stream block; not to be written to

	AnnotationsPrefix string // as in Options

	options Options
	lessons int // of the experience it was made with
}

// Surroundings are the options that the plan's configuration was rendered with: ports, paths and sizes.
func (p Plan) Surroundings() templates.Options { return p.options.Render }

// DefaultBackend is the Service for what no rule takes; zero for none.
func (p Plan) DefaultBackend() cluster.Name { return p.options.Translate.DefaultBackend }

// DefaultSecret has the default certificate; zero for none.
func (p Plan) DefaultSecret() cluster.Name { return p.options.Translate.DefaultSecret }

// ConfigMap is the name of the controller's own; zero for none.
func (p Plan) ConfigMap() cluster.Name { return p.options.Translate.ConfigMap }

// Again makes a plan for another snapshot by the same options, except that nothing is remembered and nothing runs.
func (p Plan) Again(s cluster.Snapshot) (Plan, error) { return p.options.forgetful().Plan(s) }

// Plan decides what to do for a snapshot. The daemon, the offline commands and every golden test call it.
// An error means that our own templates, or a custom one, cannot write the configuration.
func (o Options) Plan(s cluster.Snapshot) (Plan, error) {
	o.Translate.SharedUpstreams = o.Routing == Dynamic
	r := translate.Translate(s, o.Translate)
	found := o.addStreams(s, &r)
	servers, backends := r.Config.Servers, r.State.Backends
	if o.Routing == Dynamic {
		if o.Refused != nil && o.Routes != nil {
			o.Routes.Forget(o.Refused, o.Live)
		}
		surroundings := routing.Options{TLSPort: o.Render.HTTPSPort, HealthPath: o.Render.Health(), Live: o.Live}
		r.Config, r.State = routing.Split(r.Config, r.State, surroundings, o.Routes)
	}
	if r.Config.HTTP.Staples {
		r.State.Staples = o.Staples
	}
	r.Config.Streams = found
	files, err := o.Templates.Render(r.Config, o.Render, o.Memory)
	return Plan{
		Files: files, Dynamic: r.State, Problems: r.Problems, Good: r.Good,
		Certificates: r.Certificates, Config: r.Config, Servers: servers, Backends: backends, Ingresses: r.Ingresses, Claimed: r.Claimed, Kept: r.Kept, Snapshot: s,
		StreamSnippets: r.Streams, AnnotationsPrefix: o.Translate.Prefix(), options: o,
	}, err
}

// addStreams adds what workers and users are told of streams, and returns what NGINX is. The Problems of a
// Result are remembered, so they are copied first.
func (o Options) addStreams(s cluster.Snapshot, r *translate.Result) nginx.Streams {
	found := streams.Translate(s, o.Streams, o.Translate, *r)
	for name, backend := range found.Backends {
		r.State.Backends = r.State.Backends.With(name, backend)
	}
	if len(found.Problems) > 0 {
		r.Problems = append(slices.Clone(r.Problems), found.Problems...)
		r.Problems.Sort()
	}
	return found.Streams
}
