package watch

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

const (
	// mostAsked is how many objects are asked for because of one Ingress; what it names beyond counts as missing. Whoever
	// can reach the webhook can make us ask.
	mostAsked = 200
	// atOnce is how many requests are under way because of it.
	atOnce = 10
)

// SnapshotFor returns the objects as they are now, and besides them those that an Ingress refers to that is not among
// them yet, if it will be ours. Secrets and ConfigMaps to which nobody refers yet are asked for; nothing is kept of them. One that we may not
// read counts as missing, as in other Snapshots. An error means that the API server could not be asked in time.
func (s *Source) SnapshotFor(ctx context.Context, ing *networkingv1.Ingress) (cluster.Snapshot, error) {
	snapshot := s.Snapshot()
	missing, found := s.unused(ing)
	missing = missing[:min(len(missing), mostAsked)]
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	secrets, configMaps := make([]*corev1.Secret, len(missing)), make([]*corev1.ConfigMap, len(missing))
	for i, ref := range missing {
		group.Go(func() (err error) {
			if ref.kind == secret {
				secrets[i], err = s.secrets.find(ctx, ref.name)
			} else {
				configMaps[i], err = s.configMaps.find(ctx, ref.name)
			}
			if apierrors.IsForbidden(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("look for %s %s: %w", ref.kind, ref.name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return cluster.Snapshot{}, err
	}
	for i, ref := range missing {
		if secrets[i] != nil {
			put(&found.Secrets, ref.name, secrets[i])
		}
		if configMaps[i] != nil {
			put(&found.ConfigMaps, ref.name, configMaps[i])
		}
	}
	return snapshot.With(found), nil
}

// unused are Secrets and ConfigMaps that an Ingress of ours refers to and that have not been looked up, and the Services, with
// their endpoints, that no Snapshot has because nobody refers to them.
func (s *Source) unused(ing *networkingv1.Ingress) (missing []reference, known cluster.Changes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isSelected(ing.Namespace) || !s.isClaimed(ing) {
		return nil, known // what others refer to is none of our business, and may be out of our reach
	}
	for _, ref := range s.references(ing) {
		switch {
		case !s.isAnswered(ref):
			missing = append(missing, ref)
		case ref.kind == service && !s.isUsed(ref) && s.services.objects[ref.name] != nil:
			put(&known.Services, ref.name, s.services.objects[ref.name])
			put(&known.Slices, ref.name, s.slicesOf[ref.name])
		}
	}
	return missing, known
}
