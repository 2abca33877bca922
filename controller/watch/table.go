package watch

import (
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

type object interface {
	comparable
	metav1.Object
	runtime.Object
}

// table holds the objects of a kind as the API server last told of them, referred to or not. An object that comes
// again with nothing new in the fields we keep is not taken in, so that its pointer stays.
type table[T object] struct {
	objects map[cluster.Name]T
	// admit takes off an object what is not part of it here; may be nil.
	admit func(T)
	// changed is told of every change; before or after is nil if the object was or is not there.
	changed func(name cluster.Name, before, after T)
}

func (t *table[T]) put(o T) {
	if t.admit != nil {
		t.admit(o)
	}
	name := cluster.NameOf(o)
	before, known := t.objects[name]
	if known && same(before, o) {
		return
	}
	t.objects[name] = o
	t.changed(name, before, o)
}

func (t *table[T]) remove(name cluster.Name) {
	before, known := t.objects[name]
	if !known {
		return
	}
	delete(t.objects, name)
	var none T
	t.changed(name, before, none)
}

// replace takes a list of all objects in a namespace, or of all, if namespace is empty.
func (t *table[T]) replace(all []T, namespace string) {
	present := make(map[cluster.Name]bool, len(all))
	for _, o := range all {
		present[cluster.NameOf(o)] = true
		t.put(o)
	}
	for name := range t.objects {
		if (namespace == "" || name.Namespace == namespace) && !present[name] {
			t.remove(name)
		}
	}
}

// same compares but for the version, which grows with every change of fields that we do not keep. It borrows b,
// which must not be known to anyone yet.
func same[T object](a, b T) bool {
	version := b.GetResourceVersion()
	b.SetResourceVersion(a.GetResourceVersion())
	equal := equality.Semantic.DeepEqual(a, b)
	b.SetResourceVersion(version)
	return equal
}

// put sets an entry of a map that may not be there yet.
func put[K comparable, V any](m *map[K]V, key K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = v
}
