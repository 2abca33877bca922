package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Refusal says that NGINX refused what a version of an object came to, although it had passed every check of ours.
type Refusal struct {
	Kind    string `json:"kind"` // Ingress or ConfigMap
	Name    Name   `json:"name"`
	Version string `json:"version"` // see VersionOf
	Field   string `json:"field,omitempty"`
	Message string `json:"message"` // NGINX's own, without names of files
	// LeftOut means that NGINX refused the paths of the Ingress even without any annotation.
	LeftOut bool `json:"left_out,omitempty"`
}

// Quarantine is what NGINX refused. It is an input of plans: what is in it is not used, however often it is read again, until
// its object changes. It survives restarts, since it goes by what objects say. The zero value is empty. A Quarantine is never
// changed: its methods return others.
type Quarantine struct {
	refusals map[kindAndName][]Refusal
	// Unexplained is what NGINX said of a configuration for which no object was found to be to blame; "" otherwise.
	Unexplained string
}

type kindAndName struct {
	kind string
	Name
}

// NewQuarantine makes a Quarantine of refusals.
func NewQuarantine(refusals ...Refusal) Quarantine {
	q := Quarantine{refusals: make(map[kindAndName][]Refusal, len(refusals))}
	for _, r := range refusals {
		q.add(r)
	}
	return q
}

// With has more refusals. One of a version that is in it already takes the place of the other.
func (q Quarantine) With(refusals ...Refusal) Quarantine {
	with := Quarantine{refusals: make(map[kindAndName][]Refusal, len(q.refusals)+len(refusals)), Unexplained: q.Unexplained}
	maps.Copy(with.refusals, q.refusals)
	for _, r := range refusals {
		with.add(r)
	}
	return with
}

// Without has one less.
func (q Quarantine) Without(r Refusal) Quarantine {
	without := Quarantine{refusals: maps.Clone(q.refusals), Unexplained: q.Unexplained}
	key := kindAndName{r.Kind, r.Name}
	others := slices.DeleteFunc(slices.Clone(q.refusals[key]), func(other Refusal) bool { return other.Version == r.Version })
	if without.refusals[key] = others; len(others) == 0 {
		delete(without.refusals, key)
	}
	return without
}

// IsOfPort tells whether NGINX could not listen on a port, which may become free.
func (r Refusal) IsOfPort() bool { return strings.Contains(r.Message, "bind() to ") }

// add never writes into a list that another Quarantine has.
func (q Quarantine) add(r Refusal) {
	key := kindAndName{r.Kind, r.Name}
	others := slices.DeleteFunc(slices.Clone(q.refusals[key]), func(other Refusal) bool { return other.Version == r.Version })
	q.refusals[key] = append(others, r)
}

// Of finds what is known of a version of an Ingress or ConfigMap.
func (q Quarantine) Of(object metav1.Object) (Refusal, bool) {
	list := q.refusals[kindAndName{quarantineKind(object), NameOf(object)}]
	if len(list) == 0 { // nearly always: a version costs a hash
		return Refusal{}, false
	}
	version := VersionOf(object)
	at := slices.IndexFunc(list, func(r Refusal) bool { return r.Version == version })
	if at < 0 {
		return Refusal{}, false
	}
	return list[at], true
}

// Differs are the names of objects of which more, fewer or other refusals are known than in another Quarantine.
func (q Quarantine) Differs(other Quarantine) map[Name]bool {
	names := map[Name]bool{}
	for key, list := range q.refusals {
		if !slices.Equal(list, other.refusals[key]) {
			names[key.Name] = true
		}
	}
	for key := range other.refusals {
		if q.refusals[key] == nil {
			names[key.Name] = true
		}
	}
	return names
}

// Refusals are all, in order.
func (q Quarantine) Refusals() []Refusal {
	var all []Refusal
	for _, list := range q.refusals {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name.Namespace, b.Name.Namespace), cmp.Compare(a.Name.Name, b.Name.Name),
			cmp.Compare(a.Version, b.Version),
		)
	})
	return all
}

// Present has only what the objects of a snapshot say. Refusals of older versions of an object stay for as long as its present
// one is refused too: they tell which of its last good versions were not.
func (q Quarantine) Present(s Snapshot) Quarantine {
	present := Quarantine{Unexplained: q.Unexplained}
	keep := func(object metav1.Object) {
		if _, refused := q.Of(object); refused {
			if present.refusals == nil {
				present.refusals = map[kindAndName][]Refusal{}
			}
			key := kindAndName{quarantineKind(object), NameOf(object)}
			present.refusals[key] = q.refusals[key]
		}
	}
	if len(q.refusals) == 0 {
		return present
	}
	for _, ingress := range s.Ingresses {
		keep(ingress)
	}
	for key := range q.refusals {
		if object := s.ConfigMap(key.Namespace, key.Name.Name); key.kind == kindConfigMap && object != nil {
			keep(object)
			for entry := range object.Data {
				keep(Entry(object, entry))
			}
		}
	}
	return present
}

// Entry is a ConfigMap with one of its entries alone. Where entries have nothing to do with each other, that is what a Refusal is of.
func Entry(of *corev1.ConfigMap, key string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: of.Namespace, Name: of.Name, UID: of.UID}, Data: map[string]string{key: of.Data[key]},
	}
}

const kindIngress, kindConfigMap = "Ingress", "ConfigMap"

func quarantineKind(object metav1.Object) string {
	if _, is := object.(*corev1.ConfigMap); is {
		return kindConfigMap
	}
	return kindIngress
}

// RefusalOf is a Refusal of an Ingress or ConfigMap.
func RefusalOf(object metav1.Object, field, message string) Refusal {
	return Refusal{Kind: quarantineKind(object), Name: NameOf(object), Version: VersionOf(object), Field: field, Message: message}
}

// VersionOf is the same for as long as nothing changes that an Ingress or ConfigMap says: it is a hash of its UID, and of
// its annotations and spec, or its data. Unlike the resource version, it does not change with the status, and manifests have it
// too.
func VersionOf(object metav1.Object) string {
	var says struct {
		UID         types.UID
		Annotations map[string]string
		Content     any
	}
	says.UID = object.GetUID()
	switch o := object.(type) {
	case *networkingv1.Ingress:
		says.Annotations, says.Content = o.Annotations, o.Spec
	case *corev1.ConfigMap:
		says.Content = o.Data
	}
	text, err := json.Marshal(says)
	if err != nil {
		panic(err) // texts and numbers only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
