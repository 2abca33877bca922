package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/persistent"
)

// Name is what an object is called within its kind. Namespace is empty for kinds that have none.
type Name struct{ Namespace, Name string }

func (n Name) String() string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "/" + n.Name
}

// Snapshot is the cluster at one moment. Objects in it are shared and must not be changed.
type Snapshot struct {
	Now time.Time

	// Ingresses holds every one, ours or not: the oldest first and, of the same age, the last by
	// "namespace/name" first. That is ingress-nginx's order, and it decides who owns a host.
	Ingresses []*networkingv1.Ingress
	Classes   persistent.Map[string, *networkingv1.IngressClass]

	Fallback   Fallback         // of the plan before
	Proven     Fallback         // of the plan that NGINX runs: Ingresses and ConfigMap
	Quarantine Quarantine       // what NGINX refused
	Notes      []Note           // what the source of the objects could not read
	Places     map[string]Place // where objects stand in manifests, by "Kind namespace/name"; see Objects.Places

	ingresses  persistent.Map[Name, *networkingv1.Ingress] // those of Ingresses
	services   persistent.Map[Name, *corev1.Service]
	slices     persistent.Map[Name, []*discoveryv1.EndpointSlice] // by Service
	secrets    persistent.Map[Name, *corev1.Secret]
	configMaps persistent.Map[Name, *corev1.ConfigMap]
	namespaces persistent.Map[string, *corev1.Namespace]
}

// Fallback holds the last version of an object that was good; it is used when the present one is not.
type Fallback struct {
	Ingresses persistent.Map[Name, *networkingv1.Ingress]
	Secrets   persistent.Map[Name, *corev1.Secret]
	ConfigMap *corev1.ConfigMap // the controller's; an empty one if it did not exist, nil if it is not known
}

// Lists are the objects of a Snapshot as a source has them: in any order, each at most once.
type Lists struct {
	Ingresses  []*networkingv1.Ingress
	Classes    []*networkingv1.IngressClass
	Services   []*corev1.Service
	Slices     []*discoveryv1.EndpointSlice
	Secrets    []*corev1.Secret
	ConfigMaps []*corev1.ConfigMap
	Namespaces []*corev1.Namespace
}

// New makes a Snapshot of lists. The order of the lists makes no difference, and they are not kept.
func New(lists Lists) Snapshot {
	return Snapshot{
		Ingresses:  oldestFirst(lists.Ingresses),
		ingresses:  byName(lists.Ingresses),
		Classes:    byBareName(lists.Classes),
		services:   byName(lists.Services),
		slices:     byService(lists.Slices),
		secrets:    byName(lists.Secrets),
		configMaps: byName(lists.ConfigMaps),
		namespaces: byBareName(lists.Namespaces),
	}
}

// Service finds a Service; nil when there is none. The same goes for the other lookups.
func (s Snapshot) Service(namespace, name string) *corev1.Service {
	return s.services.At(Name{namespace, name})
}

// Slices are the EndpointSlices of a Service, in the order of their names.
func (s Snapshot) Slices(namespace, service string) []*discoveryv1.EndpointSlice {
	return s.slices.At(Name{namespace, service})
}

func (s Snapshot) Secret(namespace, name string) *corev1.Secret {
	return s.secrets.At(Name{namespace, name})
}

func (s Snapshot) ConfigMap(namespace, name string) *corev1.ConfigMap {
	return s.configMaps.At(Name{namespace, name})
}

func (s Snapshot) Namespace(name string) *corev1.Namespace {
	return s.namespaces.At(name)
}

// namespaceLabels are the labels of a namespace. The API server gives each one with its name; manifests need not have
// it, nor the Namespace.
func (s Snapshot) namespaceLabels(name string) labels.Set {
	set := labels.Set{corev1.LabelMetadataName: name}
	if namespace := s.namespaces.At(name); namespace != nil {
		maps.Copy(set, namespace.Labels)
	}
	return set
}

// named is what we need of metav1.Object; the whole of it would cost no less and say no more.
type named interface {
	GetNamespace() string
	GetName() string
}

// NameOf is the name of an object.
func NameOf(o named) Name { return Name{o.GetNamespace(), o.GetName()} }

func oldestFirst(ingresses []*networkingv1.Ingress) []*networkingv1.Ingress {
	// Objects out of manifests are all equally old, so names decide nearly every comparison: make each
	// only once.
	type aged struct {
		ingress *networkingv1.Ingress
		name    string
	}
	all := make([]aged, len(ingresses))
	for i, ing := range ingresses {
		all[i] = aged{ing, ing.Namespace + "/" + ing.Name}
	}
	slices.SortFunc(all, func(a, b aged) int {
		return cmp.Or(
			a.ingress.CreationTimestamp.Compare(b.ingress.CreationTimestamp.Time),
			strings.Compare(b.name, a.name),
		)
	})
	sorted := make([]*networkingv1.Ingress, len(all))
	for i := range all {
		sorted[i] = all[i].ingress
	}
	return sorted
}

func byName[T named](objects []T) persistent.Map[Name, T] {
	index := make(map[Name]T, len(objects))
	for _, o := range objects {
		index[NameOf(o)] = o
	}
	return persistent.Of(index)
}

func byBareName[T named](objects []T) persistent.Map[string, T] {
	index := make(map[string]T, len(objects))
	for _, o := range objects {
		index[o.GetName()] = o
	}
	return persistent.Of(index)
}

// byService goes by the label alone: the name of a slice is made up by whoever wrote it.
func byService(all []*discoveryv1.EndpointSlice) persistent.Map[Name, []*discoveryv1.EndpointSlice] {
	index := make(map[Name][]*discoveryv1.EndpointSlice, len(all))
	for _, slice := range all {
		if service := slice.Labels[discoveryv1.LabelServiceName]; service != "" {
			name := Name{slice.Namespace, service}
			index[name] = append(index[name], slice)
		}
	}
	for _, found := range index {
		slices.SortFunc(found, func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	}
	return persistent.Of(index)
}

// Among is the snapshot with these Ingresses and no others, whether it has them or not.
func (s Snapshot) Among(ingresses ...*networkingv1.Ingress) Snapshot {
	s.Ingresses, s.ingresses = oldestFirst(ingresses), byName(ingresses)
	return s
}

// Only is the snapshot with one Ingress, whether it has that or not, and nothing in quarantine.
func (s Snapshot) Only(ingress *networkingv1.Ingress) Snapshot {
	s.Fallback, s.Proven, s.Quarantine = Fallback{}, Fallback{}, Quarantine{}
	return s.Among(ingress)
}
