package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/customtemplates"
	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/controller/watch"
)

// seen are the controllers of the cluster with what their flags say. Those whose arguments cannot be read are noted.
func (k *kube) seen(ctx context.Context) ([]*controllerSeen, error) {
	all, err := k.controllers(ctx)
	if err != nil {
		return nil, err
	}
	var list []*controllerSeen
	for _, r := range all {
		c, err := read(r)
		if err != nil {
			k.note("%v", err)
			continue
		}
		list = append(list, c)
	}
	return list, nil
}

// patience is how long the API server may take to list everything.
const patience = time.Minute

// snapshot reads the objects that a controller reads. A user who may not list Ingresses of all namespaces sees those of one.
func (k *kube) snapshot(ctx context.Context, c *controllerSeen) (cluster.Snapshot, error) {
	options := settings.WatchOptions(c.translation, c.services)
	all := &options.Selection.WatchNamespace
	if *all == "" && !k.may(ctx, "list", "networking.k8s.io", "ingresses", "") {
		k.note("only Ingresses of namespace %s may be read: what others have to do with them is not seen", k.namespace)
		*all, options.Selection.Namespaces, options.Services = k.namespace, nil, nil
	}
	if err := k.canRead(ctx, options); err != nil {
		return cluster.Snapshot{}, err
	}
	source, err := watch.New(k.config, options)
	if err != nil {
		return cluster.Snapshot{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the API server did not answer in time"))
	defer cancel()
	running, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return source.Run(running) })
	select {
	case <-source.Synced():
	case <-ctx.Done():
		err = fmt.Errorf("read the objects of the cluster: %w; %w", context.Cause(ctx), source.Ready())
	}
	c.translation.Selection = source.Selection()
	snapshot := source.Snapshot()
	stop()
	return snapshot, errors.Join(err, group.Wait())
}

// canRead asks for what a source cannot do without: it would wait for that.
func (k *kube) canRead(ctx context.Context, o watch.Options) error {
	inCluster, byNamespace := watch.Permissions(o)
	byNamespace = maps.Clone(byNamespace)
	if byNamespace == nil {
		byNamespace = map[string][]rbacv1.PolicyRule{}
	}
	byNamespace[""] = inCluster
	var missing []error
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		for _, rule := range byNamespace[namespace] {
			for _, resource := range rule.Resources {
				optional := slices.Contains([]string{"secrets", "configmaps", "ingressclasses"}, resource)
				if !optional && !k.may(ctx, "list", rule.APIGroups[0], resource, namespace) {
					missing = append(missing, fmt.Errorf("you may not list %s in %s", resource, cmp.Or(namespace, "all namespaces")))
				}
			}
		}
	}
	return errors.Join(missing...)
}

// plan makes the plan that the controller makes, in compiled form: both routings serve alike, and in that one each path is named.
// What NGINX has refused, last good versions and custom templates are the running controller's, and not in it.
func (k *kube) plan(ctx context.Context, c *controllerSeen) (controller.Plan, error) {
	snapshot, err := k.snapshot(ctx, c)
	if err != nil {
		return controller.Plan{}, err
	}
	options, err := c.options()
	if err != nil {
		return controller.Plan{}, err
	}
	plan, err := options.Plan(snapshot)
	plan.Problems = k.believed(ctx, plan.Problems)
	return plan, err
}

// options are what plans are made by, in compiled form.
func (c *controllerSeen) options() (controller.Options, error) {
	set, err := customtemplates.Load("")
	return controller.Options{Translate: c.translation, Streams: c.services, Render: c.render, Templates: set}, err
}

// chosenPlan is the plan of the one controller that flags choose, and that controller.
func (k *kube) chosenPlan(ctx context.Context) (*controllerSeen, controller.Plan, error) {
	c, err := k.chosen(ctx)
	if err != nil {
		return nil, controller.Plan{}, err
	}
	plan, err := k.plan(ctx, c)
	return c, plan, err
}

// believed leaves out Problems that may only mean that the user may not look.
func (k *kube) believed(ctx context.Context, all translate.Problems) translate.Problems {
	hidden := map[string]bool{}
	var list translate.Problems
	for _, p := range all {
		resource := map[translate.Reason]string{translate.MissingSecret: "secrets", translate.MissingConfigMap: "configmaps"}[p.Reason]
		if resource != "" {
			key := resource + " of namespace " + p.Object.Namespace
			if _, asked := hidden[key]; !asked {
				if hidden[key] = !k.may(ctx, "list", "", resource, p.Object.Namespace); hidden[key] {
					k.note("%s may not be read, so it is not known which are missing", key)
				}
			}
			if hidden[key] {
				continue
			}
		}
		list = append(list, p)
	}
	return list
}
