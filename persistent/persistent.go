// Package persistent has a map that never changes: setting an entry makes another map, which shares with the first one all
// but a path of small nodes. So keeping an older version costs nothing, a change costs O(log n), and what differs between two
// versions is found in proportion to the difference, whatever else they hold.
//
// It is a hash array mapped trie (Bagwell, "Ideal Hash Trees", 2001), whose shape depends on nothing but its entries: maps of
// equal entries are equal to reflect.DeepEqual. It is our own because the libraries of the field that share structure
// (benbjohnson/immutable, hashicorp/go-immutable-radix, the copies of google/btree) do not say what differs between two versions.
package persistent

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
)

// Map is an immutable map from K to V. The zero value is empty. It may be used by several goroutines at once. Two maps are
// the same version if they are equal by ==; of different versions that says nothing.
type Map[K comparable, V any] struct {
	root *node[K, V] // nil if there are no entries
	size int
}

// Of returns the map with the entries of m.
func Of[K comparable, V any](m map[K]V) Map[K, V] {
	entries := make([]*entry[K, V], 0, len(m))
	for key, value := range m {
		entries = append(entries, &entry[K, V]{hashOf(key), key, value})
	}
	return of(entries)
}

// Len is the number of entries.
func (m Map[K, V]) Len() int { return m.size }

// Get returns the value of a key, and whether there is one.
func (m Map[K, V]) Get(key K) (V, bool) {
	if e := m.root.find(hashOf(key), key); e != nil {
		return e.value, true
	}
	var none V
	return none, false
}

// At is the value of a key, the zero value if there is none.
func (m Map[K, V]) At(key K) V {
	value, _ := m.Get(key)
	return value
}

// Has tells whether there is such a key.
func (m Map[K, V]) Has(key K) bool {
	return m.root.find(hashOf(key), key) != nil
}

// With returns the map with another value for a key.
func (m Map[K, V]) With(key K, value V) Map[K, V] {
	return m.with(&entry[K, V]{hashOf(key), key, value})
}

// Without returns the map without a key; m itself if it does not have it.
func (m Map[K, V]) Without(key K) Map[K, V] {
	return m.without(hashOf(key), key)
}

// All are the entries, in no particular order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.root.each(func(e *entry[K, V]) bool { return yield(e.key, e.value) })
	}
}

// Keys are the keys, in no particular order.
func (m Map[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.root.each(func(e *entry[K, V]) bool { return yield(e.key) })
	}
}

// String writes the map as package fmt writes Go's: sorted by key.
func (m Map[K, V]) String() string { return fmt.Sprint(maps.Collect(m.All())) }

// Difference is a key whose entry is not the same in two maps.
type Difference[K comparable, V any] struct {
	Key      K
	Old, New V // the zero value where there is none
	Was, Is  bool
}

// Differences are what makes old into new, in no particular order. An entry that has been set again counts, be the value equal
// or not. If one map comes from the other by k changes, finding them takes O(k log n).
func Differences[K comparable, V any](old, new Map[K, V]) iter.Seq[Difference[K, V]] {
	return func(yield func(Difference[K, V]) bool) {
		differ(old.root, new.root, func(old, new *entry[K, V]) bool {
			var d Difference[K, V]
			if old != nil {
				d.Key, d.Old, d.Was = old.key, old.value, true
			}
			if new != nil {
				d.Key, d.New, d.Is = new.key, new.value, true
			}
			return yield(d)
		})
	}
}

// seed is one for all maps, so that they have the same shape.
var seed = maphash.MakeSeed()

func hashOf[K comparable](key K) uint64 { return maphash.Comparable(seed, key) }

func of[K comparable, V any](entries []*entry[K, V]) Map[K, V] {
	slices.SortFunc(entries, func(a, b *entry[K, V]) int { return cmp.Compare(a.hash, b.hash) })
	if len(entries) == 0 {
		return Map[K, V]{}
	}
	return Map[K, V]{build(entries, 0), len(entries)}
}

func (m Map[K, V]) with(e *entry[K, V]) Map[K, V] {
	if m.root.find(e.hash, e.key) == nil {
		m.size++
	}
	m.root = m.root.with(e, 0)
	return m
}

func (m Map[K, V]) without(hash uint64, key K) Map[K, V] {
	if m.root.find(hash, key) == nil {
		return m
	}
	return Map[K, V]{m.root.without(hash, key, 0), m.size - 1}
}
