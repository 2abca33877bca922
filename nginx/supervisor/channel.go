package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
)

// channel carries state to NGINX and keeps account of what NGINX has. It has a lock of its own so that it
// never waits for a configuration.
type channel struct {
	control *control
	journal *journal
	observe func(entries, bytes int, took time.Duration, err error)
	isUp    func() bool // whether there is an NGINX that answers
	hasOld  func() bool // whether workers of former configurations finish their requests

	mu     sync.Mutex
	held   dynamic.State                         // what NGINX has, or will have when it starts
	wanted dynamic.State                         // what was pushed last
	pushed bool                                  // something was
	shapes map[string]bool                       // that the configuration has which NGINX runs; routes through others wait
	leads  persistent.Map[string, *dynamic.Host] // hosts that need no other shapes
	// waiting are the entries that hosts have waited for, oldest first. NGINX may get the shapes of an older one first, and no
	// configuration has to have those of what a host had before that.
	waiting map[string][]*dynamic.Host
	// ahead are entries for the server blocks of a configuration that is about to be live, see sendAhead.
	ahead map[string]*dynamic.Host
	used  uint64 // the generation that was given to an update last
	known bool   // NGINX has confirmed that it has what is in held

	// These are read without the lock, which is held while NGINX is being talked to.
	accepted     atomic.Pointer[filed] // what the file has, or will have in a moment
	started      atomic.Pointer[filed] // what it had when NGINX was last started; nil if that is not known
	hasStarted   atomic.Bool           // there was an NGINX
	acknowledged atomic.Uint64
	isComplete   atomic.Bool // known, and nothing pushed is missing
}

func (c *channel) push(ctx context.Context, state dynamic.State) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted, c.pushed = state, true
	return c.bring(ctx, c.union(c.possible()))
}

// mostWaiting bounds the entries that one host waits for.
const mostWaiting = 16

// wait notes which of the wanted routes are not possible yet.
func (c *channel) wait(possible dynamic.Routes) {
	wanted := c.wanted.Routes.Hosts
	before := c.waiting
	c.waiting = map[string][]*dynamic.Host{}
	for d := range persistent.Differences(possible.Hosts, wanted) {
		list := before[d.Key]
		if len(list) == 0 || list[len(list)-1] != d.New {
			list = append(list, d.New)
		}
		if len(list) > mostWaiting {
			list = slices.Delete(list, mostWaiting/2, mostWaiting/2+1) // the next configuration is for one of the oldest
		}
		c.waiting[d.Key] = list
	}
}

// permit says which shapes NGINX has, and sends it the routes that had to wait for them.
func (c *channel) permit(ctx context.Context, shapes []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.shapes
	c.shapes, c.ahead = set(shapes), nil
	if !maps.Equal(before, c.shapes) {
		c.leads = dynamic.Routes{}.Hosts
	}
	if !c.pushed {
		return nil
	}
	return c.bring(ctx, c.union(c.possible()))
}

// sendAhead sends routes through the shapes of a configuration that is about to be live, for hosts that it has in other server
// blocks than the one that is: its workers ask for them from the first request on, and others do not ask.
func (c *channel) sendAhead(ctx context.Context, shapes []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pushed {
		return nil
	}
	c.ahead = c.wanted.Routes.Ahead(set(shapes), c.held.Routes)
	return c.bring(ctx, c.union(c.possible()))
}

func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

// withMoved are routes with those that NGINX has for hosts that are wanted in another server block: workers that run, or that
// finish, have them in the former one.
func (c *channel) withMoved(routes dynamic.Routes) dynamic.Routes {
	if moved := c.wanted.Routes.Moved(c.held.Routes); len(moved) > 0 {
		return routes.And(moved)
	}
	return routes
}

// possible is what is wanted, without routes through shapes that NGINX does not have: such a host has the newest that it
// can have, and waits for those after that.
func (c *channel) possible() dynamic.State {
	state := c.wanted
	state.Routes = state.Routes.Through(c.shapes, c.leads, func(name string) []*dynamic.Host {
		return append([]*dynamic.Host{c.held.Routes.Hosts.At(name)}, c.waiting[name]...)
	})
	c.leads = state.Routes.Hosts
	c.wait(state.Routes)
	maps.DeleteFunc(c.ahead, func(key string, _ *dynamic.Host) bool { return c.wanted.Routes.Hosts.At(key) == nil })
	if len(c.ahead) > 0 {
		state.Routes = state.Routes.And(c.ahead)
	}
	return state
}

func (c *channel) settle(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pushed {
		return nil
	}
	target := c.possible()
	if c.hasOld() {
		target.Routes = c.withMoved(target.Routes)
	}
	return c.bring(ctx, target)
}

// filed is what a file gives to whoever reads it.
type filed struct {
	generation uint64
	state      dynamic.State
}

// prepare makes sure that an NGINX about to start finds all state on disk. It does not wait for a push.
func (c *channel) prepare() error {
	c.hasStarted.Store(true)
	c.isComplete.Store(false)
	now := c.accepted.Load()
	err := c.journal.flush()
	if err != nil || now != c.accepted.Load() {
		now = nil
	}
	c.started.Store(now)
	return err
}

// confirm sends an NGINX that has just started what has changed since it was started, and returns false if everything has
// to be sent.
func (c *channel) confirm(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pushed {
		return true
	}
	c.recall(ctx)
	if !c.known || c.bring(ctx, c.union(c.possible())) != nil {
		return false
	}
	c.isComplete.Store(true)
	return true
}

// recall finds out whether an NGINX that has just started has what the file gave to it.
func (c *channel) recall(ctx context.Context) {
	started := c.started.Load()
	if c.known || started == nil {
		return
	}
	r, err := c.control.status(ctx)
	if err != nil {
		return
	}
	if !r.Incomplete && r.Generation == started.generation {
		if c.used != r.Generation { // the file has what was pushed meanwhile, and may keep none of it that goes again
			c.journal.add(dynamic.Full(started.state, c.used))
		}
		c.held, c.known = started.state, true
		c.started.Store(nil)
		c.acknowledged.Store(r.Generation)
	}
}

// resend sends everything to an NGINX that may have something else.
func (c *channel) resend(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pushed {
		return nil
	}
	c.known = false
	c.started.Store(nil)
	return c.bring(ctx, c.union(c.possible()))
}

// attempts is how often an update is tried: as a difference, as a whole, and again above a generation that
// NGINX turned out to have.
const attempts = 4

// bring makes NGINX have target, at once or when it starts.
func (c *channel) bring(ctx context.Context, target dynamic.State) error {
	if c.hasStarted.Load() && c.isUp() {
		c.recall(ctx)
	}
	update := c.update(target)
	if update.Empty() {
		if c.known && c.isUp() {
			c.isComplete.Store(true) // what it read from the file was all
		}
		return nil
	}
	if !c.hasStarted.Load() {
		c.accept(update, target)
		return c.journal.flush()
	}
	var err error
	for range attempts {
		c.used = update.Generation
		if err = c.send(ctx, update); err == nil {
			c.accept(update, target)
			c.known = true
			c.isComplete.Store(true)
			c.acknowledged.Store(update.Generation)
			go c.journal.flush() // which logs its own failure
			return nil
		}
		c.known = false
		c.isComplete.Store(false)
		var conflict *conflictError
		if ctx.Err() != nil || !c.isUp() || update.Reset && !errors.As(err, &conflict) {
			break
		}
		update = c.update(target)
	}
	if !c.isUp() {
		// Run starts another NGINX, which gets it from the file and, once it is up, from resend.
		c.accept(c.update(target), target)
		go c.journal.flush()
		return nil
	}
	return err
}

// firstGeneration leaves room below the first update for its parts.
const firstGeneration = 10000

// update is what takes NGINX from what it has to target.
func (c *channel) update(target dynamic.State) dynamic.Update {
	next := max(c.used, firstGeneration) + 1
	if !c.known {
		return dynamic.Full(target, next)
	}
	u := dynamic.Changed(c.held, target, next)
	u.Removed = dynamic.Gone(c.held, target, next).Removed
	return u
}

// accept takes note of an update that NGINX has or will read from the file.
func (c *channel) accept(u dynamic.Update, target dynamic.State) {
	c.used = u.Generation
	c.held = target
	c.journal.add(u)
	c.accepted.Store(&filed{u.Generation, target})
}

// conflictError says that NGINX has a generation that is not older.
type conflictError struct{ generation uint64 }

func (e *conflictError) Error() string {
	return fmt.Sprintf("NGINX has generation %d of another history", e.generation)
}

func (c *channel) send(ctx context.Context, u dynamic.Update) (err error) {
	document, err := u.Encode()
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	started := time.Now()
	defer func() { c.observe(u.Entries(), len(document), time.Since(started), err) }()
	a, err := c.control.post(ctx, document)
	if err != nil {
		return fmt.Errorf("push state: %w", err)
	}
	switch a.code {
	case http.StatusOK:
		if a.Generation < u.Generation {
			return fmt.Errorf("push state: NGINX confirms generation %d instead of %d", a.Generation, u.Generation)
		}
		return nil
	case http.StatusConflict:
		c.used = max(c.used, a.Generation)
		return fmt.Errorf("push state: %w", &conflictError{a.Generation})
	default:
		return fmt.Errorf("push state: NGINX answers %d: %s", a.code, a.Error)
	}
}

// union is all that NGINX has or that is in new; where both say something, new is right. Routes are only the new ones, as no
// configuration needs those of former ones, and those of hosts that are in another server block now.
func (c *channel) union(new dynamic.State) dynamic.State {
	old := c.held
	return dynamic.State{
		Settings:     new.Settings,
		Backends:     merge(old.Backends, new.Backends),
		Certificates: merge(old.Certificates, new.Certificates),
		Hosts:        merge(old.Hosts, new.Hosts),
		Staples:      merge(old.Staples, new.Staples),
		Routes:       c.withMoved(new.Routes),
	}
}

func merge[V any](old, new persistent.Map[string, V]) persistent.Map[string, V] {
	all := new
	for d := range persistent.Differences(old, new) {
		if !d.Is {
			all = all.With(d.Key, d.Old)
		}
	}
	return all
}
