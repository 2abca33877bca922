package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/diagnosis"
	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/controller/streams"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/templates"
)

// controllerSeen is a controller, and what its flags say.
type controllerSeen struct {
	*replicas
	translation translate.Options
	services    streams.Options
	render      templates.Options
	routing     controller.Routing
	flags       diagnosis.Flags
	stateDir    string
	healthPort  int
}

// read reads the command line of a controller. Flags that say nothing about plans, nor where to ask, are passed over; so are those
// of other releases.
func read(r *replicas) (*controllerSeen, error) {
	var (
		selection                        settings.Selection
		process                          settings.Process
		published, election, webhookName string
		webhook                          string
		noElection                       bool
	)
	c := &controllerSeen{replicas: r}
	set := pflag.NewFlagSet("controller", pflag.ContinueOnError)
	set.ParseErrorsAllowlist.UnknownFlags = true
	selection.Register(set)
	process.Register(set)
	set.StringVar(&published, "publish-service", "", "")
	set.StringVar(&election, "election-id", "ingress-controller-leader", "")
	set.BoolVar(&noElection, "disable-leader-election", false, "")
	set.StringVar(&webhook, "validating-webhook", "", "")
	set.StringVar(&webhookName, "validating-webhook-configuration", "", "")
	set.IntVar(&c.healthPort, "healthz-port", 10254, "")
	set.Usage = func() {}
	if err := set.Parse(r.words); err != nil {
		return nil, fmt.Errorf("read the arguments of %s: %w", r, err)
	}
	var err error
	if c.translation, err = selection.Options(false); err != nil {
		return nil, fmt.Errorf("read the arguments of %s: %w", r, err)
	}
	c.translation.ReportUnclaimed = true
	if c.services, err = selection.Streams(process.Ports()); err != nil {
		return nil, fmt.Errorf("read the arguments of %s: %w", r, err)
	}
	c.render, c.routing, c.stateDir = process.Options(), process.Routing(), process.StateDir
	c.flags = diagnosis.Flags{Selection: c.translation.Selection, HasWebhook: webhook != "", WebhookConfiguration: webhookName}
	if !noElection {
		c.flags.Lease = cluster.Name{Namespace: r.name.Namespace, Name: election}
	}
	if c.flags.Service, err = settings.ParseName("publish-service", published); err != nil {
		return nil, fmt.Errorf("read the arguments of %s: %w", r, err)
	}
	return c, nil
}
