// Package controller is the loop from snapshots of a source to a running NGINX, and the one function that
// decides everything on the way: Options.Plan.
package controller

import (
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/templates"
)

// Options are everything besides the snapshot that a Plan depends on.
type Options struct {
	Translate translate.Options
	Render    templates.Options
	Templates *templates.Set
	Memory    *templates.Memory // makes later plans cheaper; may be nil
}

// Plan is everything we would do for one snapshot. Making one touches nothing.
type Plan struct {
	Files        nginx.Files        // static configuration; a new Generation means a reload
	Dynamic      dynamic.State      // endpoints and certificates; changes mean a push, never a reload
	Problems     translate.Problems // what is wrong, on which object and field, and what we did about it
	Good         cluster.Fallback   // for the next snapshot
	Certificates []translate.CertificateUse
	Config       nginx.Config
	Ingresses    int
	Claimed      []*networkingv1.Ingress // those meant for us, served or not, in the order of the snapshot
	Snapshot     cluster.Snapshot        // what it was made for
}

// Plan decides what to do for a snapshot. The daemon, the offline commands and every golden test call it.
// An error means that our own templates, or a custom one, cannot write the configuration.
func (o Options) Plan(s cluster.Snapshot) (Plan, error) {
	r := translate.Translate(s, o.Translate)
	files, err := o.Templates.Render(r.Config, o.Render, o.Memory)
	return Plan{
		Files: files, Dynamic: r.State, Problems: r.Problems, Good: r.Good,
		Certificates: r.Certificates, Config: r.Config, Ingresses: r.Ingresses, Claimed: r.Claimed, Snapshot: s,
	}, err
}
