package compare

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Applied is a snapshot with the objects of manifests applied at a time. Ingresses that it has are as old as they were: age decides
// who has a host or a path. New ones are the youngest.
func Applied(live cluster.Snapshot, objects cluster.Objects, at time.Time) cluster.Snapshot {
	ages := map[cluster.Name]metav1.Time{}
	for _, ing := range live.Ingresses {
		ages[cluster.NameOf(ing)] = ing.CreationTimestamp
	}
	lists := objects.Lists()
	for n, ing := range lists.Ingresses {
		aged := *ing
		aged.CreationTimestamp = metav1.NewTime(at)
		if age, is := ages[cluster.NameOf(ing)]; is {
			aged.CreationTimestamp = age
		}
		lists.Ingresses[n] = &aged
	}
	now := live.Applied(lists)
	now.Places = objects.Places()
	return now
}
