package main

import (
	"context"
	"fmt"
	"net"

	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller/authority"
	"github.com/sluice-ingress/sluice/controller/watch"
	"github.com/sluice-ingress/sluice/controller/webhook"
)

// answerCluster adds the admission webhook, if there is to be one.
func (d *daemon) answerCluster(config *rest.Config, source *watch.Source, f controllerFlags) error {
	if f.webhookFlags.address == "" {
		return nil
	}
	o := webhook.Options{Source: source, Plan: d.loop.Options, Good: d.loop.Good, Observer: d.metrics.Admission(), Log: d.log}
	if f.webhookFlags.isOwn() {
		own, err := authority.New(config, authority.Options{
			Namespace: f.pod.Namespace, Secret: f.webhookFlags.secret, Configuration: f.webhookFlags.configuration, Leads: d.leads, Log: d.log,
		})
		if err != nil {
			return err
		}
		o.Certificate = own.Certificate
		d.parts = append(d.parts, own.Run)
	} else {
		files := &webhook.Files{Certificate: f.webhookFlags.certificate, Key: f.webhookFlags.key, Log: d.log}
		o.Certificate = files.Get
	}
	listener, err := net.Listen("tcp", f.webhookFlags.address)
	if err != nil {
		return fmt.Errorf("listen for the admission webhook: %w", err)
	}
	d.parts = append(d.parts, func(ctx context.Context) error { return webhook.New(o).Run(ctx, listener) })
	return nil
}
