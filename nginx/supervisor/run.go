package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Run keeps NGINX alive from the first Apply on. When ctx ends it stops NGINX gracefully and returns; no
// process is left then. It is called once.
func (s *Supervisor) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.end(errStopped) })()
	if err := os.MkdirAll(s.options.Dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of NGINX: %w", err)
	}
	s.adopt()
	s.meter.Clear()
	var metering sync.WaitGroup
	defer metering.Wait()
	metering.Go(func() { s.meter.Run(ctx) })
	var pause backoff
	for ctx.Err() == nil {
		if !s.isWanted() {
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
			continue
		}
		started := time.Now()
		s.runOnce(ctx)
		if ctx.Err() != nil || !s.isWanted() {
			continue
		}
		s.options.Observer.Restarted()
		select {
		case <-time.After(pause.next(time.Since(started))):
		case <-s.wake: // there is another configuration, which may be a better one
		case <-ctx.Done():
		}
	}
	s.finish()
	return nil
}

func (s *Supervisor) isWanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// runOnce starts NGINX, brings it into service and stays until it has ended.
func (s *Supervisor) runOnce(ctx context.Context) {
	if s.seizeSockets(ctx) != nil {
		return
	}
	m, err := s.launch()
	if err != nil {
		s.sockets.Leave()
		if !errors.Is(err, errUnwanted) {
			s.options.Log.Error("NGINX does not start", "error", err)
		}
		return
	}
	// Should it never come up, another configuration has to have its chance.
	release := sync.OnceFunc(s.sockets.Leave)
	defer time.AfterFunc(s.options.ReloadTimeout, release).Stop()
	isUp := s.comeUp(ctx, m)
	release()
	if isUp {
		s.options.Log.Info("NGINX is up", "pid", m.pid, "took", time.Since(m.started))
		_ = sleep(ctx, time.Until(s.told.Add(farewell)))
		s.retireOrphans()
		s.deliver(ctx, m)
	}
	select {
	case <-m.gone:
		s.bury(m)
	case <-ctx.Done():
		if !m.isUp() {
			s.hasComeUp(context.Background(), m) // since we looked; it may be serving already
		}
		s.retireOrphans() // they drain while this one does
		m.quit(s.grace())
		s.orphans = inGroup(m.pid) // if the master died instead
	}
}

// seizeSockets keeps tests away from the sockets, one that is running included: a test that hangs must not
// keep NGINX from starting.
func (s *Supervisor) seizeSockets(ctx context.Context) error {
	for {
		s.mu.Lock()
		if s.interrupt != nil {
			s.interrupt()
		}
		s.mu.Unlock()
		short, cancel := context.WithTimeout(ctx, poll)
		err := s.sockets.Enter(short)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// errUnwanted says that the configuration was taken back meanwhile.
var errUnwanted = errors.New("there is no configuration to run")

func (s *Supervisor) launch() (*instance, error) {
	if err := s.channel.prepare(); err != nil {
		s.options.Log.Error("NGINX starts without the latest state", "error", err)
	}
	s.removeSockets()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.wanted {
		return nil, errUnwanted
	}
	m, err := s.start()
	if err != nil {
		return nil, err
	}
	s.instance = m
	if err := writePID(s.path("nginx.pid"), m.pid); err != nil {
		s.options.Log.Error("cannot note NGINX's process", "error", err)
	}
	return m, nil
}

// removeSockets removes those of an NGINX that is no more, and that its workers have among themselves: NGINX binds no socket whose
// name exists, even if nobody listens.
func (s *Supervisor) removeSockets() {
	for _, name := range []string{"state.sock", "body/streams.sock", "body/https.sock", "body/passthrough.sock"} {
		_ = os.Remove(s.path(name))
	}
}

func (s *Supervisor) path(name string) string { return filepath.Join(s.options.Dir, name) }

// comeUp waits until all workers have reported.
func (s *Supervisor) comeUp(ctx context.Context, m *instance) bool {
	for !s.hasComeUp(ctx, m) {
		select {
		case <-m.gone:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(poll):
		}
	}
	return true
}

func (s *Supervisor) hasComeUp(ctx context.Context, m *instance) bool {
	r, err := s.control.status(ctx)
	if err != nil || !r.isComplete() {
		return false
	}
	s.noteUp(m)
	return true
}

// noteUp notes that all workers of an NGINX have reported. NGINX lets everybody in on its control socket; it is for us alone.
func (s *Supervisor) noteUp(m *instance) {
	if m.isUp() {
		return
	}
	if err := os.Chmod(s.path("state.sock"), 0o600); err != nil {
		s.options.Log.Error("cannot protect the control socket", "error", err)
	}
	m.noteUp()
}

// deliver sees to it that an NGINX that has just started has all state: what it read from the file may be older.
func (s *Supervisor) deliver(ctx context.Context, m *instance) {
	if s.channel.confirm(ctx) {
		return
	}
	var pause backoff
	for {
		err := s.channel.resend(ctx)
		if err == nil {
			return
		}
		s.options.Log.Error("NGINX does not take the state", "error", err)
		select {
		case <-m.gone:
			return
		case <-ctx.Done():
			return
		case <-time.After(pause.next(0)):
		}
	}
}

// bury looks after what a dead master left: workers, which go on serving until there is a new master.
func (s *Supervisor) bury(m *instance) {
	workers := inGroup(m.pid)
	s.options.Log.Error("NGINX has died", "pid", m.pid, "error", m.ended, "workers left", len(workers))
	if len(s.orphans) > 0 && strings.Contains(m.lastWords(), "bind()") {
		s.options.Log.Warn("workers of a former NGINX hold its addresses, ending them", "workers", len(s.orphans))
		end(s.orphans, 0)
		s.orphans = nil
	}
	s.orphans = append(s.orphans, workers...)
	s.tellOrphans()
}

// farewell is how long orphans go on serving after they were told that they will quit.
const farewell = 200 * time.Millisecond

// tellOrphans lets them say goodbye to clients: as long as nothing else has taken their control socket.
func (s *Supervisor) tellOrphans() {
	if len(s.orphans) > 0 && s.control.stay(s.life, "") == nil {
		s.told = time.Now()
	}
}

// retireOrphans has them finish what they do.
func (s *Supervisor) retireOrphans() {
	send(s.orphans, syscall.SIGQUIT)
	s.old.add(s.orphans)
	s.orphans = nil
	s.old.limit(s.options.MaxOldGenerations)
}

// adopt finds what a crash of ours left behind. It goes on serving until our NGINX does.
func (s *Supervisor) adopt() {
	master, workers := leftovers(s.path("nginx.pid"), s.options.Dir)
	if master != nil {
		// Told to quit it would take the control socket with it, which by then is our NGINX's.
		send([]process{*master}, syscall.SIGKILL)
		waitFor([]process{*master}, 2*time.Second)
	}
	s.orphans = workers
	if len(workers) > 0 {
		s.options.Log.Warn("found workers of a former NGINX", "workers", len(workers))
		s.tellOrphans()
	}
}

// finish sees to it that nothing of ours is left.
func (s *Supervisor) finish() {
	// Apply ends soon, as life has ended; it may have a test running.
	_ = s.applying.Enter(context.Background())
	defer s.applying.Leave()
	s.retireOrphans()
	end(s.old.all(), s.grace())
	if err := s.channel.journal.flush(); err != nil {
		s.options.Log.Error("cannot write the state", "error", err)
	}
	if m := s.current(); m != nil {
		select {
		case <-m.logged:
		case <-time.After(time.Second): // somebody else may hold the pipe
		}
	}
	s.removeSockets()
	_ = os.Remove(s.path("nginx.pid"))
}

// grace is what is left of ShutdownGrace, which counts from the first call.
func (s *Supervisor) grace() time.Duration {
	if s.stopBy.IsZero() {
		s.stopBy = time.Now().Add(s.options.ShutdownGrace)
	}
	return time.Until(s.stopBy)
}

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
	healthy       = time.Minute // an NGINX that lived this long starts the pauses over
)

// backoff gives no pause at first and then growing ones.
type backoff struct{ pause time.Duration }

func (b *backoff) next(lived time.Duration) time.Duration {
	if lived >= healthy {
		b.pause = 0
	}
	now := b.pause
	b.pause = min(max(2*now, shortestPause), longestPause)
	return now
}
