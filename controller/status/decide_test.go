package status

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

var (
	epoch  = time.Unix(1_780_000_000, 0)
	before = []address{ip("203.0.113.1")}
	after  = []address{ip("203.0.113.2"), host("lb.example.com")}
	others = []address{ip("198.51.100.1")}
)

// world is what decide is told.
type world struct {
	*term
	now       time.Time
	ours      []string // the oldest first
	uids      map[string]types.UID
	published map[string][]address
	addresses []address
}

func newWorld(ours ...string) *world {
	return &world{term: newTerm(), now: epoch, ours: ours, uids: map[string]types.UID{}, published: map[string][]address{}, addresses: before}
}

// step decides, does what was decided, and tells what that was, with a mark for what is disputed, and when to look again.
func (w *world) step() (written []string, in time.Duration) {
	var list []*networkingv1.Ingress
	for _, name := range w.ours {
		list = append(list, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: name, UID: w.uids[name]}})
	}
	published := func(name cluster.Name) []address { return w.published[name.Name] }
	tasks, next := w.decide(w.now, list, published, w.addresses)
	for _, t := range tasks {
		text := fmt.Sprint(t.name.Name, texts(t.want))
		if t.disputed {
			text += "!"
		}
		written = append(written, text)
		w.published[t.name.Name] = t.want
		w.did(t)
	}
	return written, next.Sub(w.now)
}

// wants compares a step with what it should be. Of what comes later than the usual, nothing is said.
func (w *world) wants(t *testing.T, what string, in time.Duration, written ...string) {
	t.Helper()
	got, next := w.step()
	if diff := cmp.Diff(written, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
	if in != next && (in > 0 || next < time.Minute) {
		t.Errorf("%s: looks again in %v, want %v", what, next, in)
	}
}

const unknown = 0 // nothing is due

func TestOursAreWrittenAtOnceTheYoungestFirst(t *testing.T) {
	w := newWorld("a", "b", "c")
	w.published["b"] = before
	w.published["other"] = others
	w.wants(t, "first", again, "c[203.0.113.1]", "a[203.0.113.1]")
	w.wants(t, "nothing to do", unknown)
	w.ours = append(w.ours, "d")
	w.wants(t, "one more", again, "d[203.0.113.1]")
	w.addresses = after
	w.wants(t, "addresses change", again, "d[203.0.113.2 lb.example.com]", "c[203.0.113.2 lb.example.com]", "b[203.0.113.2 lb.example.com]", "a[203.0.113.2 lb.example.com]")
}

func TestWhoWritesOverOursFindsUsSlow(t *testing.T) {
	w := newWorld("a")
	w.wants(t, "first", again, "a[203.0.113.1]")
	w.published["a"] = others
	w.now = w.now.Add(again - time.Second)
	w.wants(t, "too soon", time.Second)
	w.now = w.now.Add(time.Second)
	w.wants(t, "later", again, "a[203.0.113.1]!")
	w.now = w.now.Add(time.Hour)
	w.published["a"] = nil
	w.wants(t, "after a long peace", again, "a[203.0.113.1]!")
	w.published["a"], w.addresses = nil, after
	w.wants(t, "our addresses change", again, "a[203.0.113.2 lb.example.com]")
	w.published["a"], w.uids["a"] = nil, "another"
	w.wants(t, "it is another Ingress", again, "a[203.0.113.2 lb.example.com]")
}

func TestWhatCeasesToBeOursIsClearedOnce(t *testing.T) {
	w := newWorld("a")
	w.wants(t, "first", again, "a[203.0.113.1]")
	w.ours = nil
	w.now = w.now.Add(time.Minute)
	w.wants(t, "its next controller has some time", handover)
	w.now = w.now.Add(handover)
	w.wants(t, "nobody wrote", again, "a[]")
	w.published["a"] = before
	w.now = w.now.Add(time.Hour)
	w.wants(t, "somebody wrote the same", unknown)
	w.ours = []string{"a"}
	w.published["a"] = nil
	w.wants(t, "it is ours again", again, "a[203.0.113.1]")
}

func TestWhatOthersHaveWrittenStays(t *testing.T) {
	w := newWorld("moved", "early", "deleted", "back", "renewed")
	if written, _ := w.step(); len(written) != 5 {
		t.Fatal(written)
	}
	w.now = w.now.Add(time.Minute)
	w.published["early"] = others
	w.ours = nil
	delete(w.published, "deleted")
	w.wants(t, "handover", handover)
	w.published["moved"] = others
	w.ours, w.uids["renewed"] = []string{"back", "renewed"}, "another"
	w.now = w.now.Add(handover)
	w.wants(t, "two are ours again", unknown)
	w.published["moved"], w.published["early"], w.published["deleted"] = before, before, before
	w.now = w.now.Add(handover)
	w.wants(t, "our addresses, and not by us", unknown)
}

func TestWithoutAddressesOnlyOursAreRemoved(t *testing.T) {
	w := newWorld("a", "b")
	w.addresses = nil
	w.published["a"], w.published["b"] = others, before
	w.wants(t, "at first, all might be somebody's", unknown)
	w.addresses = before
	w.wants(t, "an address arrives", again, "a[203.0.113.1]")
	w.addresses, w.published["b"] = nil, others
	w.wants(t, "it is gone", again, "a[]")
	w.wants(t, "nothing is left to do", unknown)
	w.addresses = before
	w.wants(t, "it is back", again, "b[203.0.113.1]", "a[203.0.113.1]")
}

func TestManyAreWrittenInParts(t *testing.T) {
	w := newWorld()
	for i := range 2*batch + 1 {
		w.ours = append(w.ours, fmt.Sprint(i))
	}
	for _, want := range []int{batch, batch, 1} {
		written, next := w.step()
		if len(written) != want || (next == 0) != (want == batch) {
			t.Errorf("%d at once, next in %v; want %d", len(written), next, want)
		}
	}
}

// Whatever happens, what was never ours is never written, what is ours is right in the end, and nothing is written more
// often than it may be.
func TestWhateverHappens(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := newWorld()
		names := []string{"a", "b", "c", "d"}
		everOurs, last := map[string]bool{}, map[string]time.Time{}
		for range 60 {
			w.now = w.now.Add(time.Duration(random.IntN(4)) * time.Second)
			w.ours = nil
			for _, name := range names[:3] {
				if random.IntN(3) > 0 {
					w.ours = append(w.ours, name)
					everOurs[name] = true
				}
			}
			if name := names[random.IntN(4)]; random.IntN(4) == 0 {
				w.published[name] = [][]address{nil, before, others}[random.IntN(3)]
			}
			written, _ := w.step()
			for _, text := range written {
				name := text[:1]
				if !everOurs[name] {
					t.Fatalf("seed %d: wrote %s, which was never ours", seed, text)
				}
				if w.now.Sub(last[name]) < again && text == name+"[]" {
					t.Fatalf("seed %d: cleared %s %v after it was written", seed, text, w.now.Sub(last[name]))
				}
				last[name] = w.now
			}
		}
		w.ours = names[:3]
		w.now = w.now.Add(again)
		w.step()
		for _, name := range w.ours {
			if !same(w.published[name], before) {
				t.Fatalf("seed %d: the status of %s is %v in the end", seed, name, w.published[name])
			}
		}
	}
}
