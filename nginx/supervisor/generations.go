package supervisor

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// generations are the workers that finish what they do after a reload or the death of their master, grouped
// by that event, oldest first.
type generations struct {
	mu   sync.Mutex
	list [][]process
}

// add notes workers that were told to finish, unless they are known.
func (g *generations) add(workers []process) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := slices.Concat(g.list...)
	workers = slices.DeleteFunc(slices.Clone(workers), func(p process) bool {
		return slices.ContainsFunc(known, func(k process) bool { return k.pid == p.pid && k.start == p.start })
	})
	if len(workers) > 0 {
		g.list = append(g.list, workers)
	}
}

// count tells how many generations still have a worker.
func (g *generations) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetDead()
	return len(g.list)
}

func (g *generations) forgetDead() {
	for i := range g.list {
		g.list[i] = alive(g.list[i])
	}
	g.list = slices.DeleteFunc(g.list, func(workers []process) bool { return len(workers) == 0 })
}

// all returns the workers of all generations.
func (g *generations) all() []process {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Concat(g.list...)
}

// limit ends the oldest generations until at most this many are left.
func (g *generations) limit(most int) (ended int) {
	g.mu.Lock()
	g.forgetDead()
	excess := max(len(g.list)-most, 0)
	oldest := slices.Concat(g.list[:excess]...)
	g.list = g.list[excess:]
	g.mu.Unlock()
	end(oldest, 0)
	return excess
}

// stragglers is how long we wait for NGINX to tell old workers to finish; it does so 100 ms after it started
// the new ones.
const stragglers = time.Second

// retireWorkers waits until the workers that a reload replaced accept nothing any more, notes them and sees
// to it that not too many generations of them are alive.
func (s *Supervisor) retireWorkers(ctx context.Context, m *instance, now report) {
	var retired []process
	for deadline := time.Now().Add(stragglers); ; {
		var isAccepting bool
		retired, isAccepting = replacedWorkers(m.pid, now)
		if !isAccepting || time.Now().After(deadline) || sleep(ctx, 2*poll) != nil {
			break
		}
	}
	s.old.add(retired)
	if n := s.old.limit(s.options.MaxOldGenerations); n > 0 {
		s.options.Log.Warn("ended the oldest workers before they were done, reloads come too fast",
			"generations", n, "limit", s.options.MaxOldGenerations)
	}
}

// replacedWorkers lists the workers of a master that are told to finish, and whether some have yet to be.
func replacedWorkers(master int, now report) (retired []process, isAccepting bool) {
	for _, p := range processes(func(p process) bool { return p.parent == master }) {
		title := p.title()
		switch {
		case strings.HasPrefix(title, "nginx: worker process is shutting down"):
			retired = append(retired, p)
		case strings.HasPrefix(title, "nginx: worker process"):
			isAccepting = isAccepting || !now.has(p.pid)
		}
	}
	return retired, isAccepting
}
