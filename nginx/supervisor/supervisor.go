package supervisor

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/gate"
	"github.com/sluice-ingress/sluice/nginx/meter"
)

// Options say which NGINX to run and where. The configuration has to agree: it must say "daemon off;" and
// let NGINX listen on Dir/state.sock, where the control function of our Lua code answers.
type Options struct {
	Binary string // of NGINX
	// Dir holds conf/<generation>/, the link conf/current to one of them, state.jsonl, state.sock and
	// nginx.pid. It belongs to one Supervisor.
	Dir    string
	Log    *slog.Logger
	Stdout *os.File  // NGINX's own; nil: ours
	Stderr io.Writer // where NGINX's messages are passed on to; nil: ours

	ShutdownGrace     time.Duration // longest drain on stop; default 4 minutes
	ReloadTimeout     time.Duration // longest test, start or reload; default 3 minutes
	MaxOldGenerations int           // generations of draining workers alive at most; default 4
	Observer          Observer
}

// Observer is told what happened, for metrics. Functions may be nil; they must return at once.
type Observer struct {
	Tested    func(took time.Duration, err error)
	Reloaded  func(cause string, took time.Duration, err error) // a start too
	Pushed    func(entries, bytes int, took time.Duration, err error)
	Restarted func() // NGINX had died
}

// Status is how things stand.
type Status struct {
	Generation      string // of the configuration that all new workers run, "" before the first
	StateGeneration uint64 // of the state that NGINX acknowledged last
	PID             int    // of the master process, 0 if there is none
	OldGenerations  int    // generations of workers that are draining
	// Ready: NGINX runs, all its workers started, and it acknowledged everything that was pushed.
	Ready     bool
	LastError error // of the last Apply and the last Push or Settle, unless they went well
}

// Supervisor owns one running NGINX.
type Supervisor struct {
	options        Options
	configurations configurations
	control        *control
	channel        *channel
	meter          *meter.Meter
	old            generations

	// life ends when Run is told to stop; nothing is started after that.
	life context.Context
	end  context.CancelCauseFunc

	leaving  atomic.Bool // Leave was called
	applying gate.Gate   // held by Apply
	// sockets is held by whoever may bind the sockets of the configuration: a test, or NGINX while it
	// starts. Otherwise a test could remove the control socket that NGINX has just made.
	sockets gate.Gate
	wake    chan struct{} // tells Run that there is something to start

	mu        sync.Mutex
	instance  *instance          // the last one started, perhaps dead
	interrupt context.CancelFunc // of the running test
	wanted    bool               // NGINX shall run
	live      string             // generation of the configuration all workers reported
	applied   error              // result of the last Apply
	pushed    error              // result of the last Push or Settle

	resumed bool // by Resume, and there was no Apply since; belongs to who is in applying

	// These belong to Run's goroutine.
	orphans []process // of dead masters, still serving
	told    time.Time // when they were told that they will quit
	stopBy  time.Time // when draining ends; set on stop
}

var errStopped = errors.New("the supervisor has stopped")

// New prepares a supervisor; it touches nothing yet.
func New(options Options) *Supervisor {
	options = options.withDefaults()
	control := newControl(filepath.Join(options.Dir, "state.sock"))
	s := &Supervisor{
		options:        options,
		configurations: configurations{filepath.Join(options.Dir, "conf")},
		control:        control,
		applying:       gate.New(),
		sockets:        gate.New(),
		wake:           make(chan struct{}, 1),
		meter:          meter.New(options.Dir, options.Log),
	}
	s.channel = &channel{
		control: control,
		journal: &journal{path: filepath.Join(options.Dir, "state.jsonl"), log: options.Log},
		observe: options.Observer.Pushed,
		isUp:    func() bool { return s.current().isUp() },
		hasOld:  func() bool { return s.old.count() > 0 },
	}
	s.life, s.end = context.WithCancelCause(context.Background())
	return s
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.ShutdownGrace == 0 {
		o.ShutdownGrace = 4 * time.Minute
	}
	if o.ReloadTimeout == 0 {
		o.ReloadTimeout = 3 * time.Minute
	}
	if o.MaxOldGenerations == 0 {
		o.MaxOldGenerations = 4
	}
	if o.Observer.Tested == nil {
		o.Observer.Tested = func(time.Duration, error) {}
	}
	if o.Observer.Reloaded == nil {
		o.Observer.Reloaded = func(string, time.Duration, error) {}
	}
	if o.Observer.Pushed == nil {
		o.Observer.Pushed = func(int, int, time.Duration, error) {}
	}
	if o.Observer.Restarted == nil {
		o.Observer.Restarted = func() {}
	}
	return o
}

// Push makes NGINX hold what state says. Entries that state no longer has stay until Settle: the
// configuration in use may still need them. Push never waits for Apply. Before NGINX runs, or while it is
// down, state is kept for its start. The maps in state must not be changed afterwards.
func (s *Supervisor) Push(ctx context.Context, state dynamic.State) error {
	return s.notePushed(s.channel.push(ctx, state))
}

// Settle removes what the last pushed state no longer has. Call it when the configuration that needed it is
// no longer live, that is, after Apply.
func (s *Supervisor) Settle(ctx context.Context) error {
	return s.notePushed(s.channel.settle(ctx))
}

func (s *Supervisor) notePushed(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed = err
	return err
}

// Leave has NGINX ask clients of HTTP/1 to use their connections no more. It is called some seconds before Run is told to
// stop: NGINX then closes the connections that are idle, and a request that is on its way over one of them is lost.
func (s *Supervisor) Leave(ctx context.Context) error {
	s.leaving.Store(true)
	if !s.current().isUp() {
		return nil
	}
	return s.control.stay(ctx, "")
}

// announce does the same for workers that a reload will replace: all but those of a configuration.
func (s *Supervisor) announce(ctx context.Context, configuration string) {
	if s.leaving.Load() || !s.current().isUp() {
		return
	}
	if err := s.control.stay(ctx, configuration); err != nil {
		s.options.Log.Warn("clients are not told that their connections end", "error", err)
	}
}

// Status tells how things stand. It never waits for Apply or Push.
func (s *Supervisor) Status() Status {
	old := s.old.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{
		Generation:      s.live,
		StateGeneration: s.channel.acknowledged.Load(),
		OldGenerations:  old,
		Ready:           s.live != "" && s.instance.isUp() && s.channel.isComplete.Load(),
		LastError:       errors.Join(s.applied, s.pushed),
	}
	if s.instance != nil && !s.instance.isGone() {
		status.PID = s.instance.pid
	}
	return status
}

// Draining is how many generations of older workers still finish requests.
func (s *Supervisor) Draining() int { return s.old.count() }

// current returns the instance started last, dead or alive, or nil.
func (s *Supervisor) current() *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instance
}
