package translate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// backend is a port of a Service as Ingresses refer to it.
type backend struct {
	name          string // unique: namespaces and Services have no underscore in their names
	service       string
	port          string // as the Ingress has it, number or name
	data          dynamic.Backend
	used          [nginx.Protocols]bool // what locations speak to it
	isAlternative bool                  // to the backend of a location
	problem       *backendProblem
}

// backendProblem is why a backend has no endpoint. Every Ingress that refers to it is told.
type backendProblem struct {
	field    string // below the reference to the Service
	reason   Reason
	severity cluster.Severity
	message  string // without what is served instead
}

// backendName is the name of the backend that an Ingress in a namespace refers to, and the port as it is written.
func backendName(namespace string, ref *networkingv1.IngressServiceBackend) (name, port string) {
	port = ref.Port.Name
	if port == "" {
		port = strconv.Itoa(int(ref.Port.Number))
	}
	return namespace + "_" + ref.Name + "_" + port, port
}

// backend finds or makes the backend that a field of an Ingress refers to.
func (t *translator) backend(i *ingress, ref *networkingv1.IngressServiceBackend, field string) *backend {
	name, port := backendName(i.Namespace, ref)
	return t.backendNamed(name, port, i, ref, field, "")
}

// backendNamed does so where the name is known. The oldest Ingress that refers to a Service decides how it is used.
func (t *translator) backendNamed(name, port string, i *ingress, ref *networkingv1.IngressServiceBackend, field, below string) *backend {
	b := t.backends[name]
	if b == nil {
		b = &backend{name: name, service: ref.Name, port: port}
		t.report(i, i.useFindings)
		t.fillOnce(b, i.Namespace, ref.Port, i.use)
		t.backends[name] = b
	}
	if b.problem != nil {
		consequence := "; the path answers 503"
		if i.isCanary {
			consequence = "; the canary takes no requests"
		}
		t.problem(Problem{
			Object: i.object(), Field: field + below + ".service" + b.problem.field, Severity: b.problem.severity,
			Reason: b.problem.reason, Message: b.problem.message + consequence,
		})
	}
	return b
}

const defaultBackendName = "upstream-default-backend"

// defaultBackend is the Service that the controller's flags name, or nil.
func (t *translator) defaultBackend() *backend {
	name := t.options.DefaultBackend
	if name == (cluster.Name{}) {
		return nil
	}
	if b := t.backends[defaultBackendName]; b != nil {
		return b
	}
	object := Object{"Service", name.Namespace, name.Name}
	service := t.snapshot.Service(name.Namespace, name.Name)
	if service == nil || len(service.Spec.Ports) == 0 {
		t.problem(Problem{
			Object: object, Severity: cluster.Error, Reason: MissingService,
			Message: "the default backend does not exist or has no port; what no rule takes answers 404",
		})
		return nil
	}
	b := &backend{name: defaultBackendName, service: name.Name}
	t.backends[defaultBackendName] = b
	b.port = strconv.Itoa(int(service.Spec.Ports[0].Port))
	t.fill(b, name.Namespace, networkingv1.ServiceBackendPort{Number: service.Spec.Ports[0].Port}, annotations.Backend{})
	if b.problem != nil {
		t.problem(Problem{Object: object, Severity: b.problem.severity, Reason: b.problem.reason, Message: b.problem.message + "; the path answers 503"})
	}
	return b
}

// fillOnce is fill, or takes what it found for the same objects before.
func (t *translator) fillOnce(b *backend, namespace string, port networkingv1.ServiceBackendPort, use annotations.Backend) {
	now := rememberedBackend{
		service: t.snapshot.Service(namespace, b.service), slices: t.snapshot.Slices(namespace, b.service), isClusterIP: use.ClusterIP,
	}
	if before, ok := t.options.Memory.backends.get(b.name); ok && before.madeOfTheSameAs(now) {
		b.data, b.problem = before.data, before.problem
		return
	}
	t.fill(b, namespace, port, use)
	now.data, now.problem = b.data, b.problem
	t.options.Memory.backends.set(b.name, now)
}

// fill finds the backend's endpoints, or says why there are none.
func (t *translator) fill(b *backend, namespace string, port networkingv1.ServiceBackendPort, use annotations.Backend) {
	service := t.snapshot.Service(namespace, b.service)
	if service == nil {
		b.problem = &backendProblem{".name", MissingService, cluster.Error, fmt.Sprintf("Service %s/%s does not exist", namespace, b.service)}
		return
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		t.external(b, service, port)
		return
	}
	servicePort := findPort(service, port)
	if servicePort == nil {
		b.problem = &backendProblem{".port", MissingPort, cluster.Error, fmt.Sprintf("Service %s/%s has no port %s", namespace, b.service, b.port)}
		return
	}
	if ip := service.Spec.ClusterIP; use.ClusterIP && ip != "" && ip != corev1.ClusterIPNone {
		b.data.Endpoints = []dynamic.Endpoint{{Address: ip, Port: int(servicePort.Port)}}
		return
	}
	b.data = t.endpoints(service, servicePort.Name)
	if isEmpty(b.data) {
		b.problem = &backendProblem{".name", NoEndpoints, cluster.Warning, fmt.Sprintf("Service %s/%s has no ready endpoint for port %s", namespace, b.service, b.port)}
	}
}

// findPort finds the port of a Service by name or number; either may also be that of a target port, as in
// ingress-nginx. NGINX proxies HTTP over TCP only.
func findPort(s *corev1.Service, want networkingv1.ServiceBackendPort) *corev1.ServicePort {
	match := func(f func(p *corev1.ServicePort) bool) *corev1.ServicePort {
		for i := range s.Spec.Ports {
			if p := &s.Spec.Ports[i]; (p.Protocol == "" || p.Protocol == corev1.ProtocolTCP) && f(p) {
				return p
			}
		}
		return nil
	}
	if want.Name != "" {
		if p := match(func(p *corev1.ServicePort) bool { return p.Name == want.Name }); p != nil {
			return p
		}
		return match(func(p *corev1.ServicePort) bool { return p.TargetPort == intstr.FromString(want.Name) })
	}
	if p := match(func(p *corev1.ServicePort) bool { return p.Port == want.Number }); p != nil {
		return p
	}
	return match(func(p *corev1.ServicePort) bool { return p.TargetPort == intstr.FromInt32(want.Number) })
}

// endpoints merges the slices of a Service for one of its ports, named as in the Service. Ready endpoints are used,
// those in the best place that has any; if none is ready, those that terminate but still serve.
func (t *translator) endpoints(s *corev1.Service, port string) dynamic.Backend {
	all := t.snapshot.Slices(s.Namespace, s.Name)
	places := t.places(s)
	for worse := range len(places) + 1 {
		if ready := t.collect(all, port, isReady, places[worse:]); !isEmpty(ready) {
			return ready
		}
	}
	return t.collect(all, port, isEnding, nil)
}

func isEmpty(b dynamic.Backend) bool { return len(b.Endpoints)+len(b.Names) == 0 }

type condition func(discoveryv1.EndpointConditions) bool

// Conditions that are not known count as the API says: as ready unless terminating, and as serving.

func isReady(c discoveryv1.EndpointConditions) bool {
	if c.Ready == nil {
		return !isTrue(c.Terminating)
	}
	return *c.Ready
}

func isEnding(c discoveryv1.EndpointConditions) bool {
	return isTrue(c.Terminating) && (c.Serving == nil || *c.Serving)
}

func isTrue(b *bool) bool { return b != nil && *b }

// collect lists the endpoints of slices that are in a wanted condition and, by the hints of their slice, near.
func (t *translator) collect(all []*discoveryv1.EndpointSlice, port string, wanted condition, places []place) dynamic.Backend {
	var b dynamic.Backend
	for _, slice := range all {
		number := slicePort(slice, port)
		outside := slice.AddressType == discoveryv1.AddressTypeFQDN
		if number == 0 || outside && t.options.DisableExternalName {
			continue
		}
		isNear := near(slice, places, wanted)
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if !wanted(e.Conditions) || !isNear(e) {
				continue
			}
			for _, address := range e.Addresses {
				if outside {
					t.addOutside(&b, address, number)
				} else if ip, err := netip.ParseAddr(address); err == nil && ip.Zone() == "" {
					b.Endpoints = append(b.Endpoints, dynamic.Endpoint{Address: ip.String(), Port: number})
				}
			}
		}
	}
	b.Endpoints = sortedEndpoints(b.Endpoints)
	b.Names = sortedEndpoints(b.Names)
	return b
}

// slicePort is the number of a port in a slice, 0 if the slice has no such port. It may differ between
// slices of one Service when the target port is a name.
func slicePort(slice *discoveryv1.EndpointSlice, name string) int {
	for _, p := range slice.Ports {
		tcp := p.Protocol == nil || *p.Protocol == corev1.ProtocolTCP
		if tcp && p.Port != nil && *p.Port > 0 && *p.Port < 1<<16 && (p.Name == nil && name == "" || p.Name != nil && *p.Name == name) {
			return int(*p.Port)
		}
	}
	return 0
}

func sortedEndpoints(list []dynamic.Endpoint) []dynamic.Endpoint {
	slices.SortFunc(list, func(a, b dynamic.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port))
	})
	return slices.Compact(list)
}
