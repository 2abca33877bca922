package controller

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// refusal is an error of Engine.Apply and Engine.Test that means NGINX refused the configuration itself, so that trying it again
// at once is useless. Verdict returns NGINX's message and the place it names: a file of the configuration, "" if there is none,
// and a line from 1.
type refusal interface {
	error
	Verdict() (message, file string, line int)
}

// apply makes the newest plan live. It returns whether NGINX was reloaded or at least asked to, and
// whether the same plan should be tried again.
func (c *Controller) apply(ctx context.Context) (reloaded, retry bool) {
	plan := c.latest.Load()
	if c.incident.isStuckAt(plan.Files.Generation) || plan.lessons < c.learned.Load().lessons {
		return false, false // in the second case, a plan that knows better is on its way
	}
	reloaded = plan.Files.Generation != c.live
	what := ""
	if reloaded {
		what = c.explain(plan)
	}
	err := c.Engine.Apply(ctx, plan.Files, what)
	var refused refusal
	switch {
	case ctx.Err() != nil:
		return reloaded, false
	case errors.As(err, &refused):
		c.Observer.Failed("test")
		c.investigate(ctx, plan, refused)
		return false, false
	case err != nil:
		c.Log.Error("the configuration could not be applied; trying again", "error", err)
		c.Observer.Failed("reload")
		return reloaded, true
	}
	if reloaded {
		c.live = plan.Files.Generation
		c.liveConfig.Store(&plan.Config)
	}
	c.accepted(plan)
	// What only an older configuration needs can go, unless that is live because a newer plan is waiting.
	if c.latest.Load() == plan {
		if err := c.Engine.Settle(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("entries that are no longer used could not be removed", "error", err)
			return reloaded, true
		}
	}
	return reloaded, false
}

// explain tells what a reload is for, and returns it in one word.
func (c *Controller) explain(plan *Plan) string {
	live := c.liveConfig.Load()
	what, list := kind(live, plan.Config), causes(live, plan.Config, plan.AnnotationsPrefix)
	for _, cause := range list {
		c.Log.Info("needs another configuration", "object", cause.Object, "field", cause.Field, "cause", what)
	}
	c.Observer.Reloading(list)
	return what
}

// logChanges tells what is new: Problems that were not there before, and endpoints that are live without a
// reload.
func (c *Controller) logChanges(before, now *Plan) {
	known := map[translate.Problem]bool{}
	if before != nil {
		for _, p := range before.Problems {
			known[p] = true
		}
	}
	for _, p := range now.Problems {
		if !known[p] {
			logProblem(c.Log, p)
		}
		delete(known, p)
	}
	for p := range known {
		c.Log.Info("no longer a problem", "object", p.Object.String(), "field", p.Field, "reason", string(p.Reason))
	}
	if before == nil {
		return
	}
	changed := dynamic.Changed(before.Dynamic, now.Dynamic, 0)
	for _, name := range slices.Sorted(maps.Keys(changed.Backends)) {
		old, existed := before.Dynamic.Backends.Get(name)
		backend := now.Dynamic.Backends.At(name)
		if !reflect.DeepEqual(old.Routes, backend.Routes) {
			c.Log.Info("canaries changed, no reload", "backend", name)
			old.Routes, backend.Routes = nil, nil
		}
		if existed && !reflect.DeepEqual(old, backend) {
			c.Log.Info("endpoints changed, no reload", "backend", name, "endpoints", len(backend.Endpoints))
		}
	}
	if n := len(changed.Routes); n > 0 {
		c.Log.Info("routes changed", "names", n, "first", slices.Min(slices.Collect(maps.Keys(changed.Routes))))
	}
	if n := len(changed.Certificates); n > 0 {
		c.Log.Info("certificates changed, no reload", "certificates", n)
	}
}

func logProblem(log *slog.Logger, p translate.Problem) {
	level := map[cluster.Severity]slog.Level{cluster.Info: slog.LevelInfo, cluster.Warning: slog.LevelWarn, cluster.Error: slog.LevelError}[p.Severity]
	args := []any{"object", p.Object.String(), "field", p.Field, "reason", string(p.Reason)}
	if p.File != "" {
		args = append(args, "file", p.File, "line", p.Line)
	}
	log.Log(context.Background(), level, p.Message, args...)
}
