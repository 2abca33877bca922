package ocsp

import (
	"container/heap"
	"time"
)

// mostOfOne are the questions of one namespace at the same time: tenants whose responders are slow wait for themselves.
const mostOfOne = 2

// queue is which certificates are to be asked about, and when.
type queue struct {
	due    byTime
	open   map[string]int            // questions that are being asked, by namespace
	parked map[string][]*certificate // those that are due, while their namespace has no more to ask
}

func (q *queue) add(c *certificate, at time.Time) {
	c.due = at
	heap.Push(&q.due, c)
}

// first is when the next one is due.
func (q *queue) first() (time.Time, bool) {
	if len(q.due) == 0 {
		return time.Time{}, false
	}
	return q.due[0].due, true
}

// next returns one that is due, or nil. Whoever asks says when it is done.
func (q *queue) next(now time.Time) *certificate {
	for len(q.due) > 0 && !q.due[0].due.After(now) {
		c, _ := heap.Pop(&q.due).(*certificate)
		switch of := c.secret.Namespace; {
		case c.isGone:
		case q.open[of] == mostOfOne:
			q.parked[of] = append(q.parked[of], c)
		default:
			q.open[of]++
			return c
		}
	}
	return nil
}

func (q *queue) done(c *certificate) {
	of := c.secret.Namespace
	if q.open[of]--; q.open[of] == 0 {
		delete(q.open, of)
	}
	waiting := q.parked[of]
	for len(waiting) > 0 && waiting[0].isGone {
		waiting = waiting[1:]
	}
	if len(waiting) == 0 {
		delete(q.parked, of)
		return
	}
	heap.Push(&q.due, waiting[0])
	q.parked[of] = waiting[1:]
}

// byTime implements heap.Interface.
type byTime []*certificate

func (b byTime) Len() int           { return len(b) }
func (b byTime) Less(i, j int) bool { return b[i].due.Before(b[j].due) }
func (b byTime) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *byTime) Push(c any)        { *b = append(*b, c.(*certificate)) } //nolint:forcetypeassert // queue pushes nothing else
func (b *byTime) Pop() any {
	last := len(*b) - 1
	c := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	return c
}
