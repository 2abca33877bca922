//go:build integration

package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// upTo are the pods 1 … n, without some.
func upTo(n int, without ...int) []int {
	var list []int
	for i := 1; i <= n; i++ {
		if !slices.Contains(without, i) {
			list = append(list, i)
		}
	}
	return list
}

// scale says which pods there are, and waits until NGINX knows.
func (d *daemon) scale(pods []int) {
	d.log.Clear()
	d.write("pods.yaml", shopPods(pods...))
	d.eventually(10*time.Second, "the pods are known", d.logs("endpoints changed, no reload", "backend=shop_web_80", fmt.Sprintf("endpoints=%d", len(pods))))
}

// owners are the pods that answer for each key, in order, as far as so many tries show them.
func (d *daemon) owners(t *testing.T, keys, tries int) [][]string {
	t.Helper()
	list := make([][]string, keys)
	failed := clients(keys, func(key int) error {
		for range tries {
			pod, _, err := d.visit(fmt.Sprintf("/?key=k%d", key), "")
			if err != nil {
				return err
			}
			if !slices.Contains(list[key], pod) {
				list[key] = append(list[key], pod)
			}
		}
		slices.Sort(list[key])
		return nil
	})
	if len(failed) > 0 {
		t.Fatal(failed[0])
	}
	return list
}

// When one of n pods goes, only the keys that it had move, and that is its share; when it is back, so are they. Keys and pods
// are always the same here, so nothing depends on chance.
func TestHashingMovesLittle(t *testing.T) {
	for name := range modes {
		t.Run(name, func(t *testing.T) {
			startPods(t, upTo(5)...)
			movesLittle(t, hashing{mode: name, annotations: `upstream-hash-by: $arg_key`, pods: 5, keys: 1000, subset: 1, tries: 1})
		})
	}
}

// The same for subsets: a key has two pods, and another in the place of one that goes. Which of both a request comes to is
// chance. That one of both does not show in 36 tries happens to a key in 2 to the power of 35; there are 100 keys, asked about
// three times in each mode, so to a run in 50 million.
func TestSubsetsMoveLittle(t *testing.T) {
	for name := range modes {
		t.Run(name, func(t *testing.T) {
			startPods(t, upTo(5)...)
			movesLittle(t, hashing{
				mode: name, pods: 5, keys: 100, subset: 2, tries: 36, gone: []int{3},
				annotations: `upstream-hash-by: $arg_key, upstream-hash-by-subset: "true", upstream-hash-by-subset-size: "2"`,
			})
		})
	}
}

type hashing struct {
	mode, annotations string
	pods, keys        int
	subset            int // how many pods a key has
	tries             int // after which they have all been seen
	gone              []int
}

func movesLittle(t *testing.T, h hashing) {
	manifests := shop("shop.test", upTo(h.pods)...)
	manifests["ingress.yaml"] = annotated(h.annotations)
	d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+h.mode)
	reloads := d.reloads()
	all := d.owners(t, h.keys, h.tries)
	for key, owners := range all {
		if len(owners) != h.subset {
			t.Fatalf("key %d comes to %v, want %d pods", key, owners, h.subset)
		}
	}
	gone := h.gone
	if gone == nil {
		gone = upTo(h.pods)
	}
	for _, pod := range gone {
		d.scale(upTo(h.pods, pod))
		h.checkMoved(t, pod, all, d.owners(t, h.keys, h.tries))
		d.scale(upTo(h.pods))
	}
	for key, owners := range d.owners(t, h.keys, h.tries) {
		if !slices.Equal(owners, all[key]) {
			t.Errorf("key %d came to %v, and to %v when all pods are back", key, all[key], owners)
		}
	}
	if now := d.reloads(); now != reloads {
		t.Errorf("%v reloads", now-reloads)
	}
}

// checkMoved compares the pods of all keys before and after a pod went.
func (h hashing) checkMoved(t *testing.T, pod int, before, after [][]string) {
	t.Helper()
	moved := 0
	for key := range before {
		stay := slices.DeleteFunc(slices.Clone(before[key]), func(owner string) bool { return owner == podAddress(pod) })
		if len(stay) < h.subset {
			moved++
		}
		isIn := func(owner string) bool { return slices.Contains(after[key], owner) }
		if len(after[key]) != h.subset || slices.Contains(after[key], podAddress(pod)) || slices.ContainsFunc(stay, func(o string) bool { return !isIn(o) }) {
			t.Fatalf("without pod %d key %d moves from %v to %v", pod, key, before[key], after[key])
		}
	}
	share := float64(moved) / float64(h.keys*h.subset)
	t.Logf("without pod %d %.3f of the keys' places move", pod, share)
	if share > 1.2/float64(h.pods) {
		t.Errorf("without pod %d %d of %d places move", pod, moved, h.keys*h.subset)
	}
}
