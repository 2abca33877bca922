// Package gate has a lock that can be waited for with a context.
package gate

import "context"

// Gate is the lock. Whoever is inside holds it.
type Gate chan struct{}

// New returns one that is open.
func New() Gate { return make(Gate, 1) }

// Enter takes the lock, or returns the cause of the context's end.
func (g Gate) Enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Leave gives the lock back.
func (g Gate) Leave() { <-g }
