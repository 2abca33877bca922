package controller

import (
	"context"
	"time"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// A port that another program has is no mistake of an object, and becomes free without a change of one. So what NGINX could not listen
// for is tried again, seldom: each trial costs a plan and a test.
const (
	firstRetry   = time.Minute
	longestRetry = 15 * time.Minute
)

// retry is when something in quarantine is tried again, and how long that has waited.
type retry struct {
	at    time.Time
	pause time.Duration
}

// schedule notes what is in quarantine for a port, and forgets what no longer is.
func (c *Controller) schedule() {
	before := c.retries
	c.retries = map[cluster.Refusal]retry{}
	for _, r := range c.learned.Load().quarantine.Refusals() {
		if !r.IsOfPort() {
			continue
		}
		next, known := before[r]
		if !known {
			next = retry{time.Now().Add(firstRetry), firstRetry}
			time.AfterFunc(firstRetry, func() { signal(c.pending) })
		}
		c.retries[r] = next
	}
}

// reconsider tries what is due, each alone and beside what is live, and lets out of quarantine what NGINX can listen for now.
func (c *Controller) reconsider(ctx context.Context) {
	for r, due := range c.retries {
		if time.Now().Before(due.at) {
			continue
		}
		pause := min(2*due.pause, longestRetry)
		c.retries[r] = retry{time.Now().Add(pause), pause}
		time.AfterFunc(pause, func() { signal(c.pending) })
		learned := *c.learned.Load()
		learned.quarantine = learned.quarantine.Without(r)
		if _, err := c.rehearse(ctx, c.latest.Load(), learned); err != nil {
			c.Log.Debug("something in quarantine was tried again", "object", r.Kind+" "+r.Name.String(), "field", r.Field, "error", err)
			continue
		}
		delete(c.retries, r)
		c.Log.Info("NGINX can listen for an object that it refused", "object", r.Kind+" "+r.Name.String(), "field", r.Field)
		c.learned.Store(&learned)
		signal(c.again)
	}
}

// rehearse makes a plan anew with another experience, and has NGINX test it.
func (c *Controller) rehearse(ctx context.Context, plan *Plan, with experience) (Plan, error) {
	options := plan.options.forgetful()
	options.Live = c.liveConfig.Load()
	snapshot := plan.Snapshot
	snapshot.Proven, snapshot.Quarantine = with.proven, with.quarantine
	trial, err := options.Plan(snapshot)
	if err != nil {
		return trial, err
	}
	return trial, c.Engine.Test(ctx, trial.Files)
}
