package statuspage

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ingress/sluice/controller"
)

// mostReloads is how many are remembered.
const mostReloads = 200

// history is what became of configurations. It is told by whoever drives NGINX, and keeps nobody waiting.
type history struct {
	mu       sync.Mutex
	reloads  []Reload // the newest last
	failed   map[string]int
	restarts int
	causes   []controller.Cause // of the one that NGINX is asked about
	verdict  error              // its last one
}

func (h *history) reloading(causes []controller.Cause) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.causes = causes
}

func (h *history) tested(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.verdict = err
}

// fail counts a step. A configuration that NGINX does not take in a test is never reloaded, so it is told of here.
func (h *history) fail(step string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = map[string]int{}
	}
	h.failed[step]++
	if step == "test" {
		h.add(Reload{At: now, Cause: "refused"}, h.verdict)
	}
}

func (h *history) reloaded(cause string, took time.Duration, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(Reload{At: now, Cause: cause, Seconds: took.Seconds()}, err)
}

func (h *history) restarted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restarts++
}

func (h *history) add(r Reload, err error) {
	r.Causes, h.causes = h.causes, nil
	if err != nil {
		r.Error = err.Error()
	}
	if len(h.reloads) == mostReloads {
		h.reloads = slices.Delete(h.reloads, 0, 1)
	}
	h.reloads = append(h.reloads, r)
}

// snapshot is what there is to tell, the newest first.
func (h *history) snapshot() (reloads []found[Reload], failed map[string]int, restarts int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range slices.Backward(h.reloads) {
		text := []string{r.Cause, r.Error}
		for _, c := range r.Causes {
			text = append(text, c.Object, c.Field)
		}
		reloads = append(reloads, found[Reload]{r, textOf(text...)})
	}
	return reloads, maps.Clone(h.failed), h.restarts
}
