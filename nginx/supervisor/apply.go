package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"syscall"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

// poll is how often we look at something that cannot tell us that it changed.
const poll = 10 * time.Millisecond

// settling is how long a failed bind keeps NGINX trying (5 times, half a second apart), and then some.
const settling = 3 * time.Second

// Apply makes NGINX run a configuration: it tests it, swaps it in, starts or reloads NGINX and returns once
// every worker runs it. cause is for metrics. If anything fails, what ran before goes on, and if the
// configuration is to blame, the error is a *ConfigError.
//
// If only what needs no reload differs (the generation is the live one), files are merely brought up to
// date for the next start.
func (s *Supervisor) Apply(ctx context.Context, files nginx.Files, cause string) error {
	return s.alone(ctx, func(ctx context.Context) error {
		err := s.apply(ctx, files, cause)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.applied = err
		return err
	})
}

// Test has NGINX check a configuration. Nothing else comes of it. If NGINX refuses it, the error is a *ConfigError. That of the
// configuration that is live is checked again: it shows whether NGINX can check any.
func (s *Supervisor) Test(ctx context.Context, files nginx.Files) error {
	if err := checkFiles(files); err != nil {
		return err
	}
	return s.alone(ctx, func(ctx context.Context) error {
		if files.Generation != s.Status().Generation {
			if err := os.MkdirAll(s.options.Dir, 0o755); err != nil {
				return fmt.Errorf("make the directory of NGINX: %w", err)
			}
			if err := s.configurations.write(files); err != nil {
				return err
			}
			defer s.configurations.remove(files.Generation)
		}
		return s.test(ctx, files)
	})
}

// alone calls f when no other configuration is being applied or tested. The context given to it ends with the supervisor.
func (s *Supervisor) alone(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(errStopped) })()
	if err := s.applying.Enter(ctx); err != nil {
		return fmt.Errorf("wait for the configuration being applied: %w", err)
	}
	defer s.applying.Leave()
	if s.life.Err() != nil {
		return errStopped
	}
	return f(ctx)
}

func (s *Supervisor) apply(ctx context.Context, files nginx.Files, cause string) error {
	if err := checkFiles(files); err != nil {
		return err
	}
	s.mu.Lock()
	live := s.live
	s.mu.Unlock()
	if files.Generation == live {
		if s.resumed { // by routes alone, nobody knows which shapes it has
			s.resumed = false
			if err := s.channel.permit(ctx, files.Shapes); err != nil {
				return fmt.Errorf("send routes: %w", err)
			}
		}
		return s.configurations.refresh(files)
	}
	s.resumed = false
	if err := os.MkdirAll(s.options.Dir, 0o755); err != nil { // workers have temporary files in there
		return fmt.Errorf("make the directory of NGINX: %w", err)
	}
	if err := s.configurations.write(files); err != nil {
		return err
	}
	s.announce(ctx, files.Generation) // now, as the test takes a while
	if err := s.test(ctx, files); err != nil {
		s.announce(ctx, live)
		s.configurations.remove(files.Generation)
		return err
	}
	before := s.configurations.current()
	started := time.Now()
	if live == "" { // what NGINX starts with has to be complete
		if err := s.channel.permit(ctx, files.Shapes); err != nil {
			return fmt.Errorf("write routes: %w", err)
		}
	} else if err := s.channel.sendAhead(ctx, files.Shapes); err != nil {
		s.options.Log.Error("routes of hosts in other server blocks could not be sent before the configuration", "error", err)
	}
	err := s.activate(ctx, files.Generation)
	s.options.Observer.Reloaded(cause, time.Since(started), err)
	if err != nil {
		err = blame(err, files, s.configurations.directory(files.Generation))
		s.options.Log.Error("NGINX does not take the configuration, going back", "generation", files.Generation, "error", err)
		s.goBack(before, live != "")
		s.configurations.remove(files.Generation)
		return err
	}
	if err := s.channel.permit(ctx, files.Shapes); err != nil {
		s.options.Log.Error("routes through the new configuration could not be sent; they are sent again with the next change", "error", err)
	}
	s.options.Log.Info("configuration is live", "generation", files.Generation, "cause", cause, "took", time.Since(started))
	s.configurations.prune(files.Generation)
	return nil
}

var daemonOff = regexp.MustCompile(`(?m)^\s*daemon\s+off\s*;`)

// checkFiles refuses what would make this package write elsewhere, or lose control of NGINX.
func checkFiles(files nginx.Files) error {
	if !isName(files.Generation) {
		return fmt.Errorf("%q cannot name a configuration", files.Generation)
	}
	for _, f := range files.List {
		if !isPath(f.Name) {
			return fmt.Errorf("%q cannot name a file of a configuration", f.Name)
		}
	}
	conf, ok := files.Get(mainFile)
	if !ok {
		return fmt.Errorf("the configuration has no %s", mainFile)
	}
	if !daemonOff.Match(conf) {
		return errors.New(`nginx.conf does not say "daemon off;", NGINX would leave the supervisor`)
	}
	return nil
}

// activate makes NGINX run a configuration that is on disk, and waits until it does.
func (s *Supervisor) activate(ctx context.Context, generation string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.ReloadTimeout,
		fmt.Errorf("not all workers run the configuration after %s", s.options.ReloadTimeout))
	defer cancel()
	if err := s.configurations.point(generation); err != nil {
		return err
	}
	s.announce(ctx, generation)
	instance, err := s.load(ctx)
	if err != nil {
		return err
	}
	acknowledged := s.channel.acknowledged.Load()
	report, err := s.await(ctx, instance, generation)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.live = generation
	s.mu.Unlock()
	s.retireWorkers(ctx, instance, report)
	if report.Incomplete || report.Generation < acknowledged {
		// Its dictionaries are new ones, for example of another size. A failure here is not one of the
		// configuration's, and the next Push starts over.
		err = s.channel.resend(ctx)
		s.options.Log.Info("workers had lost state, sent all of it", "error", err)
	}
	return nil
}

// load makes NGINX read what conf/current points to, by a reload or a start, and returns the instance that
// reads it.
func (s *Supervisor) load(ctx context.Context) (*instance, error) {
	before := s.current()
	if before != nil && !before.isGone() {
		// One that is starting may have read the old files already, and a signal would kill it.
		select {
		case <-before.up:
		case <-before.gone:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for NGINX to start: %w", context.Cause(ctx))
		}
		before.complaints.forget()
		if before.signal(syscall.SIGHUP) == nil {
			return before, nil
		}
	}
	s.mu.Lock()
	s.wanted = true
	s.mu.Unlock()
	s.wakeUp()
	for {
		if now := s.current(); now != before {
			return now, nil
		}
		if err := sleep(ctx, poll); err != nil {
			return nil, fmt.Errorf("wait for NGINX to be started: %w", err)
		}
	}
}

// await waits until every worker that the configuration asks for reports that it runs it.
func (s *Supervisor) await(ctx context.Context, m *instance, generation string) (report, error) {
	var complained time.Time
	for {
		r, err := s.control.status(ctx)
		if err == nil && r.allRun(generation) {
			s.noteUp(m) // Run may be about to
			return r, nil
		}
		complaint := m.complaints.last()
		if complaint != "" && complained.IsZero() {
			complained = time.Now()
		}
		select {
		case <-m.gone:
			return r, newStartError("NGINX ended", m.ended, m.lastWords())
		case <-ctx.Done():
			return r, newStartError("", context.Cause(ctx), complaint)
		case <-time.After(poll):
		}
		if complaint != "" && time.Since(complained) > settling {
			return r, newStartError("", errors.New("NGINX refuses the configuration"), complaint)
		}
	}
}

// goBack makes NGINX run the configuration that it ran before.
func (s *Supervisor) goBack(generation string, wasLive bool) {
	if s.life.Err() != nil {
		return
	}
	if !wasLive {
		s.mu.Lock()
		s.wanted = false
		s.mu.Unlock()
	}
	if err := s.configurations.point(generation); err != nil {
		s.options.Log.Error("cannot go back to the former configuration", "error", err)
		return
	}
	if m := s.current(); m != nil && !m.isGone() && !(wasLive && m.isUp()) {
		m.kill() // it may not take signals yet; Run starts another if one is wanted
	}
	if !wasLive {
		return
	}
	if err := s.activate(s.life, generation); err != nil {
		s.options.Log.Error("cannot go back to the former configuration", "generation", generation, "error", err)
	}
}

func (s *Supervisor) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// sleep waits, but not longer than ctx.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
