package events_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/events"
	"github.com/sluice-ingress/sluice/test/logged"
)

// many are Ingresses of a namespace, each with a Problem.
func many(namespace string, n int) world {
	var w world
	for i := range n {
		name := fmt.Sprintf("web-%d", i)
		w.lists.Ingresses = append(w.lists.Ingresses, ingress(namespace, name, "uid-"+namespace+name))
		p := missing(0)
		p.Object = object("Ingress", namespace, name)
		w.problems = append(w.problems, p)
	}
	return w
}

func (w world) and(other world) world {
	w.lists.Ingresses = slices.Concat(w.lists.Ingresses, other.lists.Ingresses)
	w.problems = slices.Concat(w.problems, other.problems)
	return w
}

func TestThousandsOfProblemsDelayNobodyElse(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		const crowd = 10_000
		r.Lead(true)
		r.Planned(many("crowd", crowd).plan(), 0)
		time.Sleep(time.Minute)
		r.Planned(many("crowd", crowd).and(shop(missing(0), missing(1))).plan(), 0)
		r.Reloaded("hosts", 0, nil)
		time.Sleep(time.Second)
		got := strings.Join(a.lines(), "\n")
		for _, want := range []string{missingLine(0), "RELOAD", "Sync Ingress shop/web"} {
			if !strings.Contains(got, want) {
				t.Errorf("not written within a second: %s", want)
			}
		}
		time.Sleep(20 * time.Minute)
		if n := len(a.all()); n != crowd+4 {
			t.Errorf("%d Events, want one for each of %d Problems and four", n, crowd)
		}
		if asked := a.asked(); asked[599].Sub(asked[0]) < 54*time.Second { // 50 at once, 10 a second
			t.Errorf("600 requests took %s", asked[599].Sub(asked[0]))
		}
		if r.Dropped() != 0 {
			t.Errorf("%d Events were dropped", r.Dropped())
		}
	})
}

func TestTooManyChangesAtOnceAreNotAllTold(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, log *logged.Text) {
		r.Lead(true)
		r.Planned(world{}.plan(), 0)
		synctest.Wait()
		crowd := many("crowd", 2000)
		crowd.problems = nil
		r.Planned(crowd.plan(), 0)
		time.Sleep(time.Hour)
		n := uint64(len(a.all()))
		if n < 600 || n > 700 || n+r.Dropped() != 2000 || log.Count("too many changes") != 1 {
			t.Errorf("%d Events, %d dropped; the log has %d lines about it", n, r.Dropped(), log.Count("too many changes"))
		}
	})
}

func TestNobodyWaitsForAnAPIServerThatHangs(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		a.set(func() { a.hangs = true })
		r.Lead(true)
		r.Planned(shop(missing(0)).plan(), 0)
		synctest.Wait() // now a request hangs
		started := time.Now()
		for n := range 100 {
			r.Planned(many("crowd", 100).and(shop(missing(n))).plan(), 0)
			r.Reloaded("hosts", 0, nil)
		}
		if took := time.Since(started); took != 0 {
			t.Errorf("telling it took %s", took)
		}
		a.set(func() { a.hangs = false })
		time.Sleep(time.Minute)
		lines := a.lines()
		if !slices.Contains(lines, missingLine(99)) || slices.Contains(lines, missingLine(50)) {
			t.Errorf("not the newest plan was written:\n%s", strings.Join(lines, "\n"))
		}
		if r.Dropped() != 75 || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(l, "(hosts) (x25)") }) {
			t.Errorf("%d dropped of 100 reloads, want all but 25:\n%s", r.Dropped(), strings.Join(lines, "\n"))
		}
	})
}

func TestNothingIsLostWhileTheAPIServerIsAway(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, log *logged.Text) {
		a.set(func() { a.away = true })
		r.Lead(true)
		r.Planned(shop(missing(0), missing(1)).plan(), 0)
		time.Sleep(20 * time.Minute)
		r.Planned(shop(missing(1), missing(2)).plan(), 0)
		time.Sleep(20 * time.Minute)
		if n := len(a.asked()); n < 40 || n > 50 {
			t.Errorf("%d requests in 40 minutes, want one a minute", n)
		}
		a.set(func() { a.away = false })
		time.Sleep(2 * time.Minute)
		expect(t, a, missingLine(1), missingLine(2))
		if r.Dropped() != 0 || log.Count("cannot be written") != 1 {
			t.Errorf("%d dropped; the log has %d lines about it", r.Dropped(), log.Count("cannot be written"))
		}
	})
}

func TestAnEventWhoseAnswerWasLostIsNotWrittenTwice(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		a.set(func() { a.loses = true })
		r.Lead(true)
		r.Planned(shop(missing(0)).plan(), 0)
		time.Sleep(10 * time.Second)
		a.set(func() { a.loses = false })
		time.Sleep(time.Minute)
		expect(t, a, missingLine(0))
		time.Sleep(30 * time.Minute)
		expect(t, a, missingLine(0)+" (x2)")
		if r.Dropped() != 0 {
			t.Errorf("%d Events count as dropped", r.Dropped())
		}
	})
}

func TestInANamespaceNewsGoFirst(t *testing.T) {
	before := func(a *api, reason, suffix string) (n int) {
		for _, line := range a.lines() {
			if strings.Contains(line, reason) && strings.HasSuffix(line, suffix) {
				n++
			}
		}
		return n
	}
	crowd := many("shop", 600)
	t.Run("before changes", func(t *testing.T) {
		inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
			r.Lead(true)
			r.Planned(world{}.plan(), 0)
			synctest.Wait()
			r.Planned(world{lists: crowd.lists}.plan(), 0)
			time.Sleep(time.Second)
			r.Planned(world{crowd.lists, crowd.problems[:1]}.plan(), 0)
			time.Sleep(time.Second)
			if n := before(a, "Missing", ""); n != 1 {
				t.Errorf("%d Events about the Problem after %d about changes", n, before(a, "Sync", ""))
			}
		})
	})
	t.Run("before repetitions", func(t *testing.T) {
		inBubble(t, events.Options{NoSync: true}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
			r.Lead(true)
			r.Planned(crowd.plan(), 0)
			time.Sleep(20 * time.Minute)
			a.set(func() { a.away = true })
			time.Sleep(25 * time.Minute) // all have come due
			r.Planned(crowd.and(shop(missing(0), missing(1))).plan(), 0)
			a.set(func() { a.away = false })
			for before(a, "shop/web:", "") == 0 {
				time.Sleep(time.Second)
			}
			if n := before(a, "Missing", "(x2)"); n > 60 {
				t.Errorf("the new Problem came after %d repetitions", n)
			}
		})
	})
}

func TestWithoutRightsTheLogSaysSoOnce(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, log *logged.Text) {
		a.set(func() {
			a.refuse = func(namespace string) *metav1.Status {
				if namespace == "shop" {
					return status(http.StatusForbidden, metav1.StatusReasonForbidden)
				}
				return nil
			}
		})
		r.Lead(true)
		r.Planned(many("crowd", 2).and(shop(missing(0), missing(1))).plan(), 0)
		synctest.Wait()
		if n := len(a.all()); n != 2 || r.Dropped() != 2 || log.Count("level=WARN") != 1 || log.Count("Forbidden") != 1 {
			t.Errorf("%d Events, %d dropped; the log has %d lines", n, r.Dropped(), log.Count("level=WARN"))
		}
		a.set(func() { a.refuse = nil })
		time.Sleep(31 * time.Minute)
		if lines := a.lines(); !slices.Contains(lines, missingLine(0)+" (x2)") {
			t.Errorf("with the right it is not written:\n%s", strings.Join(lines, "\n"))
		}
	})
}

func TestANamespaceThatCannotHaveEventsHoldsUpNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		status  *metav1.Status
		dropped uint64
	}{
		"broken webhook": {status(http.StatusInternalServerError, metav1.StatusReasonInternalError), 3},
		"being deleted": {func() *metav1.Status {
			s := status(http.StatusForbidden, metav1.StatusReasonForbidden)
			s.Details = &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}}
			return s
		}(), 0},
		"gone": {status(http.StatusNotFound, metav1.StatusReasonNotFound), 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
				a.set(func() {
					a.refuse = func(namespace string) *metav1.Status {
						if namespace == "crowd" {
							return c.status
						}
						return nil
					}
				})
				r.Lead(true)
				r.Planned(many("crowd", 3).and(shop(missing(0), missing(1))).plan(), 0)
				time.Sleep(5 * time.Second)
				expect(t, a, missingLine(0), missingLine(1))
				time.Sleep(10 * time.Minute)
				if r.Dropped() != c.dropped {
					t.Errorf("%d Events count as dropped, want %d", r.Dropped(), c.dropped)
				}
			})
		})
	}
}

func TestOutsideOfAClusterThereIsNoPod(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, log *logged.Text) {
		a.set(func() {
			a.refuse = func(string) *metav1.Status { return status(http.StatusNotFound, metav1.StatusReasonNotFound) }
		})
		r.Reloaded("start", 0, nil)
		r.Tested(0, errors.New("bad"))
		synctest.Wait()
		if n := len(a.asked()); n != 2 || r.Dropped() != 2 || log.Count("find our own pod") != 1 {
			t.Errorf("%d requests, %d dropped, %d lines", n, r.Dropped(), log.Count("find our own pod"))
		}
	})
}

func TestAFlappingProblemRaisesTheCountOfOneEvent(t *testing.T) {
	inBubble(t, events.Options{NoSync: true}, func(t *testing.T, a *api, r *events.Recorder, log *logged.Text) {
		r.Lead(true)
		for range 100 { // in 100 seconds
			r.Planned(shop(missing(0)).plan(), 0)
			time.Sleep(500 * time.Millisecond)
			r.Planned(shop().plan(), 0)
			time.Sleep(500 * time.Millisecond)
		}
		// 50 at once, and 1 a minute.
		if n := len(a.asked()); n != 51 || len(a.all()) != 1 || r.Dropped() != 49 || log.Count("too many Events") != 1 {
			t.Errorf("%d requests, %d Events, %d dropped", n, len(a.all()), r.Dropped())
		}
	})
}
