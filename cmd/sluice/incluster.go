package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/events"
	"github.com/sluice-ingress/sluice/controller/leader"
	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/controller/status"
	"github.com/sluice-ingress/sluice/controller/watch"
)

// followCluster makes the daemon serve the Ingresses of a cluster, and tell the cluster about it.
func (d *daemon) followCluster(ctx context.Context, f controllerFlags) error {
	config, err := f.config()
	if err != nil {
		return err
	}
	watched, published, err := f.watchOptions()
	if err != nil {
		return err
	}
	watched.Log, watched.Observer = d.log, d.metrics.APIServer()
	source, err := watch.New(config, watched)
	if err != nil {
		return err
	}
	var here place
	if f.topology {
		if here, err = findPlace(ctx, config, f.pod); err != nil {
			return err
		}
	}
	d.loop.Source, d.synced = source, source.Ready
	options := d.loop.Options
	d.loop.Options = func() controller.Options {
		o := options()
		o.Translate.Selection = source.Selection()
		o.Translate.Zone, o.Translate.Node = here.zone, here.node
		return o
	}
	d.parts = append(d.parts, source.Run, func(ctx context.Context) error {
		select {
		case <-source.Synced(): // what is missing before may exist
			return d.follow(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	if published != (cluster.Name{}) {
		own := ownAddresses()
		d.depart = func(ctx context.Context) {
			departFrom(ctx, d.log, func() bool { return isListed(source.Snapshot(), published, own) })
		}
	}
	if err := d.tellCluster(config, source, published, f); err != nil {
		return err
	}
	return d.answerCluster(config, source, f)
}

// tellCluster adds what the daemon writes into the cluster: Events, and, as the leader, the status of Ingresses.
func (d *daemon) tellCluster(config *rest.Config, source *watch.Source, published cluster.Name, f controllerFlags) error {
	configMap, err := settings.ParseName("configmap", f.ConfigMap)
	if err != nil {
		return err
	}
	recorder, err := events.New(config, events.Options{Pod: f.pod, ConfigMaps: []cluster.Name{configMap}, NoSync: f.noSyncEvents, Log: d.log})
	if err != nil {
		return err
	}
	d.recorder = recorder
	d.metrics.CountDroppedEvents(recorder.Dropped)
	d.loop.Observer = d.observing(recorder, judge{source})
	d.parts = append(d.parts, recorder.Run)
	if f.noElection {
		d.leads = func() bool { return true }
		recorder.Lead(true)
		return nil
	}
	writer, err := status.New(config, source, status.Options{
		Addresses: f.publishedAddresses(), Service: published, NodeInternalIP: f.internalAddress, Pod: f.pod,
		Interval: seconds(f.statusInterval), Log: d.log,
	})
	if err != nil {
		return err
	}
	election, err := leader.New(config, leader.Options{
		Namespace: f.pod.Namespace, Name: f.electionID, Identity: f.pod.Name, TTL: f.electionTTL, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.leads = election.IsLeading
	d.metrics.Leads(f.electionID, false)
	d.parts = append(d.parts, func(ctx context.Context) error {
		return election.Run(ctx, func(term context.Context) {
			d.metrics.Leads(f.electionID, true)
			defer d.metrics.Leads(f.electionID, false)
			recorder.Lead(true)
			defer recorder.Lead(false)
			if !f.updateStatus {
				<-term.Done()
				return
			}
			writer.Run(term)
			if f.clearStatus && ctx.Err() != nil { // not if the term has ended, but we go on
				writer.Clear(context.WithoutCancel(ctx))
			}
		})
	})
	return nil
}

// place is where our pod runs.
type place struct{ node, zone string }

// findPlace asks for the node of our pod, and for its zone. Nodes hardly ever change their zone.
func findPlace(ctx context.Context, config *rest.Config, name cluster.Name) (place, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return place{}, fmt.Errorf("connect to the API server: %w", err)
	}
	pod, err := client.CoreV1().Pods(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	if err != nil {
		return place{}, fmt.Errorf("find the node of our pod, for topology-aware routing: %w", err)
	}
	node, err := client.CoreV1().Nodes().Get(ctx, pod.Spec.NodeName, metav1.GetOptions{})
	if err != nil {
		return place{}, fmt.Errorf("find the zone of our node, for topology-aware routing: %w", err)
	}
	return place{node.Name, node.Labels[corev1.LabelTopologyZone]}, nil
}

// judge tells the source which versions of Ingresses serve.
type judge struct{ source *watch.Source }

// Planned implements controller.Observer.
func (j judge) Planned(p controller.Plan, _ time.Duration) { j.source.Judged(p.Good.Ingresses) }

// Reloading implements controller.Observer.
func (judge) Reloading([]controller.Cause) {}

// Failed implements controller.Observer.
func (judge) Failed(string) {}

// watchOptions are what flags say about watching, and the Service of --publish-service.
func (f *controllerFlags) watchOptions() (watch.Options, cluster.Name, error) {
	published, err := settings.ParseName("publish-service", f.publishService)
	if err != nil {
		return watch.Options{}, published, err
	}
	translation, err := f.Selection.Options(false)
	if err != nil {
		return watch.Options{}, published, err
	}
	services, err := f.Streams(nil)
	if err != nil {
		return watch.Options{}, published, err
	}
	o := settings.WatchOptions(translation, services)
	if published != (cluster.Name{}) {
		o.Services = append(o.Services, published)
	}
	return o, published, nil
}

const (
	// longestDeparture is for a Service that lists us although we are not ready, and for an API server that is away.
	longestDeparture = 30 * time.Second
	// spreading is how long the nodes and load balancers of a cluster take to notice what EndpointSlices say.
	spreading = 5 * time.Second
)

// departFrom waits until we are no longer listed, and until everybody knows.
func departFrom(ctx context.Context, log *slog.Logger, listed func() bool) {
	log.Info("serving on until our Service no longer lists us")
	within, cancel := context.WithTimeout(ctx, longestDeparture)
	defer cancel()
	for listed() {
		if !pause(within, 100*time.Millisecond) {
			log.Warn("our Service still lists us; stopping nevertheless", "after", longestDeparture)
			return
		}
	}
	pause(within, spreading)
}

// isListed says whether the EndpointSlices of a Service send requests to one of our addresses.
func isListed(s cluster.Snapshot, service cluster.Name, own []net.IP) bool {
	for _, slice := range s.Slices(service.Namespace, service.Name) {
		for _, endpoint := range slice.Endpoints {
			if ready := endpoint.Conditions.Ready; ready != nil && !*ready {
				continue
			}
			for _, address := range endpoint.Addresses {
				for _, ip := range own {
					if ip.Equal(net.ParseIP(address)) {
						return true
					}
				}
			}
		}
	}
	return false
}
