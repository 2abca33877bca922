package watch

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// fleet is a Source that knows a cluster without asking anybody: n Ingresses of ours with a Service each, and other
// Services to which nothing refers.
type fleet struct {
	*Source
	ingresses *feed[*networkingv1.Ingress]
	services  *feed[*corev1.Service]
	slices    *feed[*discoveryv1.EndpointSlice]
}

func fleetOf(t testing.TB, n, others int) *fleet {
	f := &fleet{Source: idle(t, Options{})}
	f.prepareFeeds(kubernetes.NewForConfigOrDie(&rest.Config{})) // never asked
	var ingresses, classes, services, slices []any
	classes = append(classes, nginxClass())
	for i := range n + others {
		namespace, name := fmt.Sprintf("team-%d", i%100), fmt.Sprintf("app-%d", i)
		if i < n {
			ingresses = append(ingresses, ingress(namespace, name))
		}
		services = append(services, aService(namespace, name))
		slices = append(slices, aSlice(namespace, name+"-x7c2p", name, "10.0.0.1", "10.0.0.2", "10.0.0.3"))
	}
	for _, follower := range f.feeds {
		var err error
		switch feed := follower.(type) {
		case *feed[*networkingv1.Ingress]:
			f.ingresses, err = feed, feed.Replace(ingresses, "")
		case *feed[*networkingv1.IngressClass]:
			err = feed.Replace(classes, "")
		case *feed[*corev1.Service]:
			f.services, err = feed, feed.Replace(services, "")
		case *feed[*discoveryv1.EndpointSlice]:
			f.slices, err = feed, feed.Replace(slices, "")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-f.Synced():
		<-f.Changes()
	default:
		t.Fatalf("not synced: %v", f.Ready())
	}
	return f
}

// endpoints changes the endpoints of a Service.
func (f *fleet) endpoints(i, version int) {
	name := fmt.Sprintf("app-%d", i)
	_ = f.slices.Update(aSlice(fmt.Sprintf("team-%d", i%100), name+"-x7c2p", name, fmt.Sprintf("10.0.%d.%d", version/250%250, version%250)))
}

// 10,000 Services that nothing refers to make no news, and no Snapshot larger. BenchmarkSnapshot has the times; what
// is allocated does not depend on the machine.
func TestServicesNobodyRefersToCostNothing(t *testing.T) {
	const n, others = 1000, 10_000
	bytes := func(f *fleet) int64 {
		return testing.Benchmark(func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				f.endpoints(i%n, i+1)
				f.Snapshot()
			}
		}).AllocedBytesPerOp()
	}
	alone, crowded := fleetOf(t, n, 0), fleetOf(t, n, others)
	crowded.Snapshot()
	for i := range others {
		crowded.endpoints(n+i, 7)
		_ = crowded.services.Delete(aService(fmt.Sprintf("team-%d", (n+i)%100), fmt.Sprintf("app-%d", n+i)))
		_ = crowded.services.Add(aService(fmt.Sprintf("team-%d", (n+i)%100), fmt.Sprintf("app-%d", n+i)))
	}
	select {
	case <-crowded.Changes():
		t.Error("Services to which nothing refers made news")
	default:
	}
	if !noChanges(crowded.pending) {
		t.Error("Services to which nothing refers change the Snapshot")
	}
	if without, with := bytes(alone), bytes(crowded); float64(with) > 1.01*float64(without) {
		t.Errorf("a Snapshot allocates %d bytes beside 10,000 other Services and %d without", with, without)
	}
}

func noChanges(c cluster.Changes) bool {
	return len(c.Ingresses)+len(c.Classes)+len(c.Services)+len(c.Slices)+len(c.Secrets)+len(c.ConfigMaps)+len(c.Namespaces) == 0
}

func BenchmarkSnapshot(b *testing.B) {
	for _, size := range []struct{ n, others int }{{1000, 0}, {1000, 10_000}, {10_000, 0}, {10_000, 10_000}} {
		f := fleetOf(b, size.n, size.others)
		f.Snapshot()
		name := fmt.Sprintf("%d Ingresses, %d other Services, ", size.n, size.others)
		b.Run(name+"endpoints change", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.endpoints(i%size.n, i)
				f.Snapshot()
			}
		})
		b.Run(name+"an Ingress changes", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := i % size.n
				_ = f.ingresses.Update(ingress(fmt.Sprintf("team-%d", at%100), fmt.Sprintf("app-%d", at), annotated("limit-rps", fmt.Sprint(i))))
				f.Snapshot()
			}
		})
		if size.others > 0 {
			b.Run(name+"endpoints of others change", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					f.endpoints(size.n+i%size.others, i)
				}
			})
		}
	}
}

// BenchmarkFirstList is what a start costs beyond decoding.
func BenchmarkFirstList(b *testing.B) {
	for b.Loop() {
		fleetOf(b, 10_000, 10_000).Snapshot()
	}
}
