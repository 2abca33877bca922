package translate

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
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
	name string // unique: namespaces and Services have no underscore in their names
	reference
	users   []*use                // by groups, the oldest Ingress first
	by      *networkingv1.Ingress // who decided how data was found
	data    dynamic.Backend       // without alternatives
	spoken  spoken
	problem *backendProblem
}

// reference is how Ingresses refer to a backend.
type reference struct {
	service cluster.Name
	port    networkingv1.ServiceBackendPort
	isFirst bool // the Service's first port is meant, whatever that is
}

// text is the port as the Ingress has it.
func (r reference) text() string {
	if r.isFirst {
		return "(the first)"
	}
	if r.port.Name != "" {
		return r.port.Name
	}
	return strconv.Itoa(int(r.port.Number))
}

// backendProblem is why a backend has no endpoint. Every Ingress that refers to it is told.
type backendProblem struct {
	field    string // below the reference to the Service
	reason   Reason
	severity cluster.Severity
	message  string // without what is served instead
}

// backendName is the name of the backend that an Ingress in a namespace refers to.
func backendName(namespace string, ref *networkingv1.IngressServiceBackend) string {
	return namespace + "_" + ref.Name + "_" + reference{port: ref.Port}.text()
}

// backend finds or makes the backend that a field of an Ingress refers to.
func (t *translator) backend(i *ingress, ref *networkingv1.IngressServiceBackend, field string) *backend {
	return t.backendNamed(backendName(i.Namespace, ref), i, ref, field, "")
}

// backendNamed does so where the name is known.
func (t *translator) backendNamed(name string, i *ingress, ref *networkingv1.IngressServiceBackend, field, below string) *backend {
	b := t.backendOf(i, name, reference{service: cluster.Name{Namespace: i.Namespace, Name: ref.Name}, port: ref.Port})
	t.report(i, i.useFindings)
	t.reportUnknownProtocol(b, i, field+below)
	if b.problem != nil {
		consequence := "; the path answers 503"
		switch {
		case i.isCanary:
			consequence = "; the canary takes no requests"
		case fallbackName(i) != "":
			consequence = "; the path answers 503, unless the Service of default-backend takes its requests"
		}
		t.problem(Problem{
			Object: i.object(), Field: field + below + ".service" + b.problem.field, Severity: b.problem.severity,
			Reason: b.problem.reason, Message: b.problem.message + consequence,
		})
	}
	return b
}

// backendOf is the backend of that name, made if need be, and notes that the Ingress uses it.
func (t *translator) backendOf(i *ingress, name string, r reference) *backend {
	b := t.backends[name]
	if b == nil {
		b = &backend{name: name, reference: r, by: i.Ingress}
		t.fill(b, i.use)
		t.addBackend(b)
	}
	t.note(b, i)
	return b
}

// note says that the group uses a backend. Its Ingresses come by age.
func (t *translator) note(b *backend, by *ingress) {
	u := t.group.backends[b.name]
	if u == nil {
		u = &use{group: t.group, backend: b, by: by}
		put(&t.group.backends, b.name, u)
	}
	u.noteAffinity(by)
}

// makeDefaultBackend makes that of the Service that the controller's flags name.
func (w *world) makeDefaultBackend() {
	name := w.options.DefaultBackend
	if name == (cluster.Name{}) {
		return
	}
	service := w.snapshot.Service(name.Namespace, name.Name)
	if service == nil || len(service.Spec.Ports) == 0 {
		w.problem(Problem{
			Object: Object{"Service", name.Namespace, name.Name}, Severity: cluster.Error, Reason: MissingService,
			Message: "the default backend does not exist or has no port; what no rule takes answers 404",
		})
		return
	}
	b := &backend{name: nginx.DefaultBackend, reference: reference{service: name, port: networkingv1.ServiceBackendPort{Number: service.Spec.Ports[0].Port}}}
	w.fill(b, annotations.Backend{})
	w.addBackend(b)
}

// defaultBackend is the Service that the controller's flags name, or nil.
func (t *translator) defaultBackend() *backend {
	b := t.backends[nginx.DefaultBackend]
	if b != nil {
		t.note(b, nil)
	}
	return b
}

// checkDefaultBackend reports what is wrong with the default backend, which may have to answer in place of errors.
func (t *translator) checkDefaultBackend() {
	b := t.defaultBackend()
	if b == nil {
		return
	}
	t.group.backends[b.name].isAlternative = true
	if b.problem != nil {
		t.problem(Problem{
			Object: Object{"Service", b.service.Namespace, b.service.Name}, Severity: b.problem.severity, Reason: b.problem.reason,
			Message: b.problem.message + "; the path answers 503",
		})
	}
}

func (w *world) addBackend(b *backend) {
	w.backends[b.name] = b
	if w.served[b.service] == nil {
		w.served[b.service] = map[*backend]bool{}
	}
	w.served[b.service][b] = true
}

// backendsOf are the backends whose endpoints may be others after the changes.
func (w *world) backendsOf(c cluster.Changes) map[*backend]bool {
	all := map[*backend]bool{}
	for name := range c.Services {
		maps.Copy(all, w.served[name])
	}
	for name := range c.Slices {
		maps.Copy(all, w.served[name])
	}
	return all
}

// refill finds the endpoints of backends again and brings them into the result. Groups of backends that have another
// Problem than before, or another protocol, become stale.
func (w *world) refill(backends map[*backend]bool, stale map[*group]bool) {
	for b := range withCanaries(backends) {
		if len(b.users) == 0 && b.name != nginx.DefaultBackend {
			delete(w.backends, b.name)
			if delete(w.served[b.service], b); len(w.served[b.service]) == 0 {
				delete(w.served, b.service)
			}
			w.sum.dropBackend(b)
			continue
		}
		before := *b
		b.data, b.problem, b.by = dynamic.Backend{}, nil, nil
		var how annotations.Backend
		if len(b.users) > 0 && b.users[0].by != nil {
			how, b.by = b.users[0].by.use, b.users[0].by.Ingress
		}
		w.fill(b, how)
		w.spread(b, how)
		if !reflect.DeepEqual(before.problem, b.problem) || before.spoken != b.spoken {
			for _, u := range b.users {
				stale[u.group] = true
			}
		}
		if reflect.DeepEqual(before.data, b.data) {
			b.data = before.data // who compares with what was before need not look into it
		}
		w.sum.setBackend(b)
	}
}

func (b *backend) add(u *use) {
	at, _ := slices.BinarySearchFunc(b.users, u, (*use).compare)
	b.users = slices.Insert(b.users, at, u)
}

func (b *backend) remove(u *use) {
	at, _ := slices.BinarySearchFunc(b.users, u, (*use).compare)
	for b.users[at] != u {
		at++
	}
	b.users = slices.Delete(b.users, at, at+1)
}

// compare puts the use by the oldest Ingress first. What is nobody's comes last.
func (u *use) compare(other *use) int {
	switch {
	case u.by == nil && other.by == nil:
		return 0
	case u.by == nil:
		return 1
	case other.by == nil:
		return -1
	}
	return cluster.CompareAge(u.by.Ingress, other.by.Ingress)
}

// withAlternatives is the backend's data with those that groups have for it.
func (b *backend) withAlternatives() dynamic.Backend {
	data := b.data
	for _, u := range b.users {
		for server, paths := range u.alternatives {
			put(&data.Routes, server, paths) // servers are of one group each
		}
	}
	return data
}

// protocols are those that locations speak to the backend.
func (b *backend) protocols() (all [nginx.Protocols]bool) {
	for _, u := range b.users {
		for n, is := range u.protocols {
			all[n] = all[n] || is
		}
	}
	return all
}

// through notes that a location uses the backend.
func (u *use) through(l *nginx.Location) {
	if l.Apart == "" {
		u.protocols[l.Protocol] = true
	} else {
		put(&u.apart, l.Block(), l.Protocol)
	}
}

// isUsed tells whether any location, or any backend as an alternative, uses the backend.
func (b *backend) isUsed() bool {
	return slices.ContainsFunc(b.users, func(u *use) bool { return u.isAlternative || slices.Contains(u.protocols[:], true) || len(u.apart) > 0 })
}

// fill finds the backend's endpoints, or says why there are none.
func (w *world) fill(b *backend, use annotations.Backend) {
	b.spoken = spoken{}
	service := w.snapshot.Service(b.service.Namespace, b.service.Name)
	if service == nil {
		b.problem = &backendProblem{".name", MissingService, cluster.Error, fmt.Sprintf("Service %s does not exist", b.service)}
		return
	}
	servicePort := b.findPort(service)
	b.spoken = spokenAt(servicePort)
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		w.external(b, service)
		return
	}
	if servicePort == nil {
		b.problem = &backendProblem{".port", MissingPort, cluster.Error, fmt.Sprintf("Service %s has no port %s", b.service, b.text())}
		return
	}
	if ip := service.Spec.ClusterIP; use.ClusterIP && ip != "" && ip != corev1.ClusterIPNone {
		b.data.Endpoints = []dynamic.Endpoint{{Address: ip, Port: int(servicePort.Port)}}
		return
	}
	b.data = w.endpoints(service, portOf(servicePort))
	if isEmpty(b.data) {
		b.problem = &backendProblem{".name", NoEndpoints, cluster.Warning, fmt.Sprintf("Service %s has no ready endpoint for port %s", b.service, b.text())}
	}
}

func (r reference) findPort(s *corev1.Service) *corev1.ServicePort {
	if !r.isFirst {
		return findPort(s, r.port)
	}
	if len(s.Spec.Ports) == 0 {
		return nil
	}
	return &s.Spec.Ports[0]
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

// servedPort is a port of a Service as EndpointSlices have it.
type servedPort struct {
	name     string
	protocol corev1.Protocol
}

func portOf(p *corev1.ServicePort) servedPort {
	return servedPort{p.Name, cmp.Or(p.Protocol, corev1.ProtocolTCP)}
}

// endpoints merges the slices of a Service for one of its ports. Ready endpoints are used,
// those in the best place that has enough; if none is ready, those that terminate but still serve.
func (w *world) endpoints(s *corev1.Service, port servedPort) dynamic.Backend {
	all := w.snapshot.Slices(s.Namespace, s.Name)
	places := w.places(s)
	for worse := range len(places) + 1 {
		ready := w.collect(all, port, isReady, places[worse:])
		if !isEmpty(ready) && areEnough(len(ready.Endpoints)+len(ready.Names), all, port, places[worse:]) {
			return ready
		}
	}
	return w.collect(all, port, isEnding, nil)
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
func (w *world) collect(all []*discoveryv1.EndpointSlice, port servedPort, wanted condition, places []place) dynamic.Backend {
	var b dynamic.Backend
	for _, slice := range all {
		number := slicePort(slice, port)
		outside := slice.AddressType == discoveryv1.AddressTypeFQDN
		if number == 0 || outside && w.options.DisableExternalName {
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
					w.addOutside(&b, address, number)
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
func slicePort(slice *discoveryv1.EndpointSlice, port servedPort) int {
	name := port.name
	for _, p := range slice.Ports {
		is := p.Protocol == nil && port.protocol == corev1.ProtocolTCP || p.Protocol != nil && *p.Protocol == port.protocol
		if is && p.Port != nil && *p.Port > 0 && *p.Port < 1<<16 && (p.Name == nil && name == "" || p.Name != nil && *p.Name == name) {
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
