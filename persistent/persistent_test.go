package persistent

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hashes are ways to hash keys: some make keys meet at all depths, and at the end.
var hashes = map[string]func(key int) uint64{
	"as always":       hashOf[int],
	"one for all":     func(int) uint64 { return 1 << 63 },
	"few":             func(key int) uint64 { return uint64(key % 7) },
	"differ at last":  func(key int) uint64 { return uint64(key) },
	"differ at first": func(key int) uint64 { return uint64(key) << 55 },
}

// version is a map with what it should hold.
type version struct {
	m    Map[int, int]
	want map[int]int
}

// A Map does what Go's map does, whatever the hashes; older versions stay, and what differs is found between any two.
func TestMapIsAMap(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			versions := []version{{Map[int, int]{}, map[int]int{}}}
			for step := range 300 {
				from := versions[len(versions)-1-random.IntN(min(len(versions), 3))]
				next := version{from.m, maps.Clone(from.want)}
				for range random.IntN(4) {
					next = next.change(random.IntN(60), step, hash)
				}
				check(t, next, hash)
				before := versions[random.IntN(len(versions))]
				check(t, before, hash)
				checkDifferences(t, before, next)
				checkDifferences(t, next, before)
				if t.Failed() {
					t.Fatal("step ", step)
				}
				versions = append(versions, next)
			}
		})
	}
}

// change removes a key that is there, at times, and sets it otherwise.
func (v version) change(key, value int, hash func(int) uint64) version {
	if _, is := v.want[key]; is && value%3 > 0 {
		delete(v.want, key)
		return version{v.m.without(hash(key), key), v.want}
	}
	v.want[key] = value
	return version{v.m.with(&entry[int, int]{hash(key), key, value}), v.want}
}

func check(t *testing.T, v version, hash func(int) uint64) {
	t.Helper()
	if diff := cmp.Diff(v.want, maps.Collect(v.m.All())); diff != "" {
		t.Errorf("all entries: -want +got\n%s", diff)
	}
	if v.m.Len() != len(v.want) {
		t.Errorf("the length is %d, not %d", v.m.Len(), len(v.want))
	}
	for key := range 60 {
		want, is := v.want[key]
		if e := v.m.root.find(hash(key), key); (e != nil) != is || is && e.value != want {
			t.Errorf("%d leads to %v, want %d, %v", key, e, want, is)
		}
	}
	entries := make([]*entry[int, int], 0, len(v.want))
	for key, value := range v.want {
		entries = append(entries, &entry[int, int]{hash(key), key, value})
	}
	// Entries with the same hash are in the order in which they came.
	if built := of(entries); !reflect.DeepEqual(built.shape(), v.m.shape()) {
		t.Errorf("the shape depends on more than the entries:\n%v\n%v", built.shape(), v.m.shape())
	}
}

// shape lists nodes with the hashes of their entries, in order.
func (m Map[K, V]) shape() []string {
	var list []string
	var add func(n *node[K, V], depth int)
	add = func(n *node[K, V], depth int) {
		list = append(list, fmt.Sprintf("%d: %b", depth, n.taken))
		for _, s := range n.slots {
			if s.entry != nil {
				list = append(list, fmt.Sprint(s.entry.hash))
			} else {
				add(s.below, depth+1)
			}
		}
	}
	if m.root != nil {
		add(m.root, 0)
	}
	return list
}

// checkDifferences checks that no key is told of twice, none that is the same, and that all together lead from one map to the other.
func checkDifferences(t *testing.T, old, new version) {
	t.Helper()
	got, seen := maps.Clone(old.want), map[int]bool{}
	for d := range Differences(old.m, new.m) {
		was, wasThere := old.want[d.Key]
		is, isThere := new.want[d.Key]
		if want := (Difference[int, int]{d.Key, was, is, wasThere, isThere}); d != want || seen[d.Key] {
			t.Errorf("%v differs, want %v; told before: %v", d, want, seen[d.Key])
		}
		if seen[d.Key] = true; d.Is {
			got[d.Key] = d.New
		} else {
			delete(got, d.Key)
		}
	}
	if diff := cmp.Diff(new.want, got); diff != "" {
		t.Errorf("what differs does not lead from one to the other: -want +got\n%s", diff)
	}
}

func many(n int) Map[string, int] {
	m := map[string]int{}
	for i := range n {
		m[fmt.Sprint("key-", i)] = i
	}
	return Of(m)
}

func TestPublicMethods(t *testing.T) {
	m := many(1000)
	more := m.With("other", 1).Without("key-7").With("key-8", 9)
	if v, is := more.Get("key-8"); !is || v != 9 || more.At("key-7") != 0 || more.Has("key-7") || !more.Has("other") || m.At("key-8") != 8 || !m.Has("key-7") {
		t.Error("an entry is not what it should be")
	}
	if keys := slices.Collect(more.Keys()); len(keys) != 1000 || slices.Contains(keys, "key-7") {
		t.Errorf("there are %d keys", len(keys))
	}
	if m.Without("none") != m || m.With("x", 1).Without("x") == m {
		t.Error("== does not tell versions apart")
	}
	if back := more.Without("other").With("key-7", 7).With("key-8", 8); !reflect.DeepEqual(back, m) || reflect.DeepEqual(more, m) {
		t.Error("DeepEqual does not tell whether maps have equal entries")
	}
	for key := range m.Keys() {
		m = m.Without(key)
	}
	if m != (Map[string, int]{}) || Of(map[string]int(nil)) != m {
		t.Error("an empty map is not the zero value")
	}
}

// Walks end where their caller ends them.
func TestWalksCanEnd(t *testing.T) {
	m, turns := many(1000), 0
	for range m.All() {
		turns++
		break
	}
	for range m.Keys() {
		turns++
		break
	}
	for range Differences(m, Map[string, int]{}) {
		turns++
		break
	}
	if turns != 3 {
		t.Errorf("%d turns", turns)
	}
}

// What two versions share is not looked at when they are compared: here that would panic.
func TestDifferencesSkipWhatIsShared(t *testing.T) {
	m := many(100_000)
	next := m.With("key-1", 0).Without("key-2").With("more", 1)
	spoiled := 0
	var spoil func(old, new *node[string, int])
	spoil = func(old, new *node[string, int]) {
		for i, s := range old.slots {
			switch other := new.slot(1 << i); { // the upper nodes of so many entries have all slots
			case s.below == nil || other.below == nil:
			case s.below == other.below:
				s.below.taken, s.below.slots = ^uint32(0), nil
				spoiled++
			case len(s.below.slots) == 1<<chunk:
				spoil(s.below, other.below)
			}
		}
	}
	spoil(m.root, next.root)
	count := 0
	for range Differences(m, next) {
		count++
	}
	if count != 3 || spoiled < 50 {
		t.Errorf("%d differences were found beside %d shared nodes", count, spoiled)
	}
}

func BenchmarkMap(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		m, plain := many(n), maps.Collect(many(n).All())
		for name, f := range map[string]func(){
			"Of":   func() { Of(plain) },
			"Get":  func() { m.At("key-500") },
			"With": func() { m.With("key-500", 1) },
			"Differences": func() {
				next := m.With("key-500", 1)
				for range Differences(m, next) {
				}
			},
			"clone of Go's": func() { _ = maps.Clone(plain) },
			"Get from Go's": func() { _ = plain["key-500"] },
		} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
	}
}
