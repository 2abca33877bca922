package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Recover takes over the state that an earlier process left in Dir. It is called before Run, Push and Resume.
func (s *Supervisor) Recover() error {
	if err := s.channel.recover(); err != nil {
		return fmt.Errorf("read the state on disk: %w", err)
	}
	return nil
}

// Resume has NGINX serve what an earlier process left in Dir, until the first Apply and Push bring something newer. It
// returns when NGINX does, or at once if nothing is there. Recover was called before, and Run runs meanwhile.
//
// The configuration was live before, so it is not tested again. If NGINX does not take it, it is forgotten.
func (s *Supervisor) Resume(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(errStopped) })()
	if err := s.applying.Enter(ctx); err != nil {
		return fmt.Errorf("wait for the configuration being applied: %w", err)
	}
	defer s.applying.Leave()
	generation := s.configurations.current()
	if generation == "" || s.Status().Generation != "" || s.life.Err() != nil {
		return nil
	}
	if err := s.activate(ctx, generation); err != nil {
		s.goBack("", false)
		return fmt.Errorf("resume with configuration %s: %w", generation, err)
	}
	s.options.Log.Info("serving what was live before", "generation", generation)
	s.resumed = true
	return nil
}

// recover takes over the state that the file has, which NGINX will read too.
func (c *channel) recover() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	state, generation, err := c.journal.read()
	if err != nil || generation == 0 {
		return err
	}
	c.held, c.used = state, generation
	c.accepted.Store(&filed{generation, state})
	// The configuration had all shapes that routes lead to.
	c.shapes = map[string]bool{}
	for _, host := range state.Routes.Hosts.All() {
		for _, name := range host.Shapes {
			c.shapes[name] = true
		}
	}
	return nil
}

// read takes over what an earlier process wrote, up to the first line that was not written to its end. The file is written
// anew by the next flush.
func (j *journal) read() (dynamic.State, uint64, error) {
	j.writing.Lock()
	defer j.writing.Unlock()
	var state dynamic.State
	text, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return state, 0, nil
	}
	if err != nil {
		return state, 0, err
	}
	for lines := bufio.NewReader(bytes.NewReader(text)); ; {
		line, err := lines.ReadBytes('\n')
		var u dynamic.Update
		if err != nil || json.Unmarshal(line, &u) != nil || u.Version != dynamic.Version {
			break
		}
		state = state.With(u)
		fold(&j.all, u)
	}
	j.isTorn = true
	return state, j.all.Generation, nil
}
