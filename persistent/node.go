package persistent

import (
	"math/bits"
	"slices"
)

// entry is a key with its value. It is shared by all versions in which the key has not been set again.
type entry[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
}

// node holds the entries whose hashes begin alike. At each depth, the next five bits of the hash choose one of its slots.
// Below the last bits there are none to choose by: slots are then those of all entries with this hash, and taken is 0.
//
// A node below the root has at least two entries, which is what makes the shape canonical.
type node[K comparable, V any] struct {
	taken uint32 // by bit, which slots there are
	slots []slot[K, V]
}

// slot holds an entry, or a node of at least two.
type slot[K comparable, V any] struct {
	entry *entry[K, V]
	below *node[K, V]
}

const (
	chunk   = 5
	deepest = (64 + chunk - 1) / chunk // where a hash has no more bits
)

// bit is the one that stands for a hash at a depth.
func bit(hash uint64, depth int) uint32 {
	return 1 << (hash << (chunk * depth) >> (64 - chunk))
}

// at is the index of the slot with a bit, or where it belongs.
func (n *node[K, V]) at(bit uint32) int { return bits.OnesCount32(n.taken & (bit - 1)) }

func (n *node[K, V]) find(hash uint64, key K) *entry[K, V] {
	for depth := 0; n != nil && depth < deepest; depth++ {
		b := bit(hash, depth)
		if n.taken&b == 0 {
			return nil
		}
		s := n.slots[n.at(b)]
		if s.entry != nil {
			if s.entry.hash == hash && s.entry.key == key {
				return s.entry
			}
			return nil
		}
		n = s.below
	}
	if i := n.index(key); i >= 0 {
		return n.slots[i].entry
	}
	return nil
}

// index is where a key is in a deepest node, -1 for nowhere.
func (n *node[K, V]) index(key K) int {
	if n == nil {
		return -1
	}
	return slices.IndexFunc(n.slots, func(s slot[K, V]) bool { return s.entry.key == key })
}

func (n *node[K, V]) with(e *entry[K, V], depth int) *node[K, V] {
	switch b := bit(e.hash, depth); {
	case n == nil:
		return &node[K, V]{b, []slot[K, V]{{entry: e}}}
	case depth == deepest:
		if i := n.index(e.key); i >= 0 {
			return n.replaced(i, slot[K, V]{entry: e})
		}
		return &node[K, V]{slots: append(slices.Clip(n.slots), slot[K, V]{entry: e})}
	case n.taken&b == 0:
		return n.inserted(b, slot[K, V]{entry: e})
	default:
		i := n.at(b)
		switch s := n.slots[i]; {
		case s.below != nil:
			return n.replaced(i, slot[K, V]{below: s.below.with(e, depth+1)})
		case s.entry.hash == e.hash && s.entry.key == e.key:
			return n.replaced(i, slot[K, V]{entry: e})
		default:
			return n.replaced(i, slot[K, V]{below: pair(s.entry, e, depth+1)})
		}
	}
}

// pair is the node of two entries with different keys.
func pair[K comparable, V any](a, b *entry[K, V], depth int) *node[K, V] {
	if a.hash > b.hash {
		a, b = b, a
	}
	return build([]*entry[K, V]{a, b}, depth)
}

// without is for a key that is there.
func (n *node[K, V]) without(hash uint64, key K, depth int) *node[K, V] {
	if depth == deepest {
		return n.removed(0, n.index(key))
	}
	b := bit(hash, depth)
	i := n.at(b)
	s := n.slots[i]
	if s.entry != nil {
		return n.removed(b, i)
	}
	below := s.below.without(hash, key, depth+1)
	if len(below.slots) == 1 && below.slots[0].entry != nil {
		return n.replaced(i, below.slots[0]) // an entry that is alone goes up
	}
	return n.replaced(i, slot[K, V]{below: below})
}

func (n *node[K, V]) replaced(i int, s slot[K, V]) *node[K, V] {
	slots := slices.Clone(n.slots)
	slots[i] = s
	return &node[K, V]{n.taken, slots}
}

func (n *node[K, V]) inserted(b uint32, s slot[K, V]) *node[K, V] {
	i := n.at(b)
	slots := make([]slot[K, V], len(n.slots)+1)
	copy(slots, n.slots[:i])
	slots[i] = s
	copy(slots[i+1:], n.slots[i:])
	return &node[K, V]{n.taken | b, slots}
}

// removed is nil if nothing is left.
func (n *node[K, V]) removed(b uint32, i int) *node[K, V] {
	if len(n.slots) == 1 {
		return nil
	}
	slots := make([]slot[K, V], len(n.slots)-1)
	copy(slots, n.slots[:i])
	copy(slots[i:], n.slots[i+1:])
	return &node[K, V]{n.taken &^ b, slots}
}

// build makes a node of entries that are sorted by hash, and whose keys differ.
func build[K comparable, V any](entries []*entry[K, V], depth int) *node[K, V] {
	n := &node[K, V]{slots: make([]slot[K, V], 0, min(len(entries), 1<<chunk))}
	for len(entries) > 0 {
		b, count := uint32(0), 1
		if depth < deepest {
			b = bit(entries[0].hash, depth)
			for count < len(entries) && bit(entries[count].hash, depth) == b {
				count++
			}
		}
		s := slot[K, V]{entry: entries[0]}
		if count > 1 {
			s = slot[K, V]{below: build(entries[:count], depth+1)}
		}
		n.taken, n.slots, entries = n.taken|b, append(n.slots, s), entries[count:]
	}
	return n
}

// each calls f for the entries until it returns false, and returns whether it never did.
func (n *node[K, V]) each(f func(*entry[K, V]) bool) bool {
	if n == nil {
		return true
	}
	for _, s := range n.slots {
		if s.entry != nil && !f(s.entry) || s.below != nil && !s.below.each(f) {
			return false
		}
	}
	return true
}
