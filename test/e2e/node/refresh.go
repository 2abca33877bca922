package node

import (
	"context"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// source is a ConfigMap or a Secret of the pod's namespace.
type source struct{ resource, name string }

// rootCertificates are in every pod, and never change.
const rootCertificates = "kube-root-ca.crt"

// sources are the objects whose data is in the pod's volumes.
func (p *pod) sources() map[source]bool {
	all := map[source]bool{}
	add := func(resource, name string) { all[source{resource, name}] = name != rootCertificates }
	for _, v := range p.object.Spec.Volumes {
		if v.ConfigMap != nil {
			add("configmaps", v.ConfigMap.Name)
		}
		if v.Secret != nil {
			add("secrets", v.Secret.SecretName)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				add("configmaps", s.ConfigMap.Name)
			}
			if s.Secret != nil {
				add("secrets", s.Secret.Name)
			}
		}
	}
	maps.DeleteFunc(all, func(_ source, watched bool) bool { return !watched })
	return all
}

// keepFresh writes the volumes anew whenever the objects that they show change, until the context ends. It asks for each
// object by name, which is all that a node may see.
func (p *pod) keepFresh(ctx context.Context) {
	objects := map[string]runtime.Object{"configmaps": &corev1.ConfigMap{}, "secrets": &corev1.Secret{}}
	stale := func(any) { p.setStale() }
	for of := range p.sources() {
		only := fields.OneTermEqualSelector("metadata.name", of.name)
		_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
			ListerWatcher: cache.NewListWatchFromClient(p.agent.Client.CoreV1().RESTClient(), of.resource, p.object.Namespace, only),
			ObjectType:    objects[of.resource],
			Handler: cache.ResourceEventHandlerFuncs{
				AddFunc: stale, DeleteFunc: stale, UpdateFunc: func(any, any) { p.setStale() },
			},
		})
		go informer.RunWithContext(ctx)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.stale:
		}
		if err := p.refresh(ctx); err != nil && ctx.Err() == nil {
			p.log.Info("cannot refresh volumes", "error", err)
			time.AfterFunc(time.Second, p.setStale)
		}
	}
}

// setStale says that volumes may be out of date.
func (p *pod) setStale() {
	select {
	case p.stale <- struct{}{}:
	default: // it is known
	}
}

func (p *pod) refresh(ctx context.Context) error {
	for i := range p.object.Spec.Volumes {
		v := &p.object.Spec.Volumes[i]
		if v.HostPath != nil || v.EmptyDir != nil {
			continue
		}
		if err := p.writeVolume(ctx, v); err != nil {
			return err
		}
	}
	return nil
}
