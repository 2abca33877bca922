// Package services turns Service objects into addresses that answer. It stands for three parts of a cluster: for
// kube-proxy, by listening on the addresses of Services and passing each connection on to a random ready endpoint; for a
// cloud's controller, by giving addresses to Services of type LoadBalancer; and for the cluster's name server. It works in
// one network namespace in which those addresses are local. It never tries a second endpoint, and knows no affinity.
package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// Server is all three. Its fields are set before Run.
type Server struct {
	Client        kubernetes.Interface
	Log           *slog.Logger
	Forward       bool         // listen on the addresses of Services
	LoadBalancers netip.Prefix // where addresses of load balancers come from; none are given when invalid
	Names         netip.Addr   // where the name server listens, on port 53; there is none when invalid

	services corelisters.ServiceLister
	nodes    corelisters.NodeLister
	slices   cache.Indexer // by the Service that they belong to
	forwards *forwards
}

// byService is an index of EndpointSlices by NAMESPACE/NAME of their Service.
const byService = "service"

// Run serves until the context ends.
func (s *Server) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(s.Client, 0)
	services, nodes, slices := factory.Core().V1().Services(), factory.Core().V1().Nodes(), factory.Discovery().V1().EndpointSlices()
	s.services, s.nodes, s.slices = services.Lister(), nodes.Lister(), slices.Informer().GetIndexer()
	err := slices.Informer().AddIndexers(cache.Indexers{byService: func(o any) ([]string, error) {
		slice := o.(*discoveryv1.EndpointSlice)
		return []string{slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]}, nil
	}})
	if err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	tell := func(any) {
		select {
		case changed <- struct{}{}:
		default: // it is known
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, o any) { tell(o) }, DeleteFunc: tell}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), nodes.Informer(), slices.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("list %v: %w", kind, context.Cause(ctx))
		}
	}
	if s.Names.IsValid() {
		end, err := s.serveNames()
		if err != nil {
			return err
		}
		defer end()
	}
	s.follow(ctx, changed)
	return nil
}

// follow does what the objects say, again whenever they change, and again soon when something did not work.
func (s *Server) follow(ctx context.Context, changed <-chan struct{}) {
	s.forwards = newForwards()
	defer s.forwards.closeAll()
	const pause = time.Second
	var last string
	for {
		var again <-chan time.Time
		err := s.sync(ctx)
		if err != nil {
			again = time.After(pause)
			if text := err.Error(); text != last {
				s.Log.Info("not all Services are served", "error", err)
			}
		}
		last = fmt.Sprint(err)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

func (s *Server) sync(ctx context.Context) error {
	var errs []error
	if s.LoadBalancers.IsValid() {
		errs = append(errs, s.giveAddresses(ctx))
	}
	if s.Forward {
		wanted, err := s.ports()
		errs = append(errs, err, s.forwards.set(wanted))
	}
	return errors.Join(errs...)
}
