package persistent

import "math/bits"

// differ calls f with the entries of keys that differ, nil for none, until it returns false. It returns whether it never did.
// Both nodes are of the same depth, and either may be nil.
func differ[K comparable, V any](old, new *node[K, V], f func(old, new *entry[K, V]) bool) bool {
	switch {
	case old == new:
		return true
	case old == nil || new == nil || old.taken == 0 || new.taken == 0:
		return differApart(old, new, f)
	}
	for both := old.taken | new.taken; both != 0; both &= both - 1 {
		b := uint32(1) << bits.TrailingZeros32(both)
		if !differSlots(old.slot(b), new.slot(b), f) {
			return false
		}
	}
	return true
}

// slot is the one with a bit; an empty one if there is none.
func (n *node[K, V]) slot(b uint32) slot[K, V] {
	if n.taken&b == 0 {
		return slot[K, V]{}
	}
	return n.slots[n.at(b)]
}

func differSlots[K comparable, V any](old, new slot[K, V], f func(old, new *entry[K, V]) bool) bool {
	switch {
	case old == new:
		return true
	case old.entry == nil && new.entry == nil:
		return differ(old.below, new.below, f)
	}
	return differApart(old.node(), new.node(), f)
}

// node is what is in a slot as a node: of an entry alone its only one.
func (s slot[K, V]) node() *node[K, V] {
	if s.entry == nil {
		return s.below
	}
	return &node[K, V]{slots: []slot[K, V]{s}}
}

// differApart is for nodes without slots to compare one by one. At least one of them has few entries.
func differApart[K comparable, V any](old, new *node[K, V], f func(old, new *entry[K, V]) bool) bool {
	fine := old.each(func(e *entry[K, V]) bool {
		other := new.search(e)
		return other == e || f(e, other)
	})
	return fine && new.each(func(e *entry[K, V]) bool { return old.search(e) != nil || f(nil, e) })
}

// search looks through all entries for the one with the key of another.
func (n *node[K, V]) search(of *entry[K, V]) (found *entry[K, V]) {
	n.each(func(e *entry[K, V]) bool {
		if e.hash == of.hash && e.key == of.key {
			found = e
		}
		return found == nil
	})
	return found
}
