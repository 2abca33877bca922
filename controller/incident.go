package controller

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
)

// experience is what applying configurations has shown. Plans are made with it.
type experience struct {
	proven     cluster.Fallback // Plan.Good of what NGINX runs
	quarantine cluster.Quarantine
	refused    *nginx.Config // the last one, unless NGINX has taken one since
	lessons    int           // counts refusals that were looked into
}

// Kept is what a later process should know: what NGINX refused, and the last good versions that are in force meanwhile.
type Kept struct {
	Quarantine cluster.Quarantine
	Ingresses  []*networkingv1.Ingress
	ConfigMap  *corev1.ConfigMap // nil if the present one is in force
}

// Keeper keeps it; package lastgood has one.
type Keeper interface {
	// Kept is what an earlier process had kept, as far as it can be read.
	Kept() Kept
	Keep(Kept) error
}

// remember begins with what an earlier process knew.
func (c *Controller) remember() {
	first := experience{}
	if c.Keeper != nil {
		c.kept = c.Keeper.Kept()
		first.quarantine = c.kept.Quarantine
		first.proven = cluster.Fallback{ConfigMap: c.kept.ConfigMap}
		for _, ingress := range c.kept.Ingresses {
			first.proven.Ingresses = first.proven.Ingresses.With(cluster.NameOf(ingress), ingress)
		}
	}
	c.learned.Store(&first)
}

// keep hands what has changed to the Keeper.
func (c *Controller) keep(plan *Plan) {
	if c.Keeper == nil {
		return
	}
	now := Kept{Quarantine: plan.Snapshot.Quarantine.Present(plan.Snapshot), Ingresses: plan.Kept}
	now.Quarantine.Unexplained = ""
	if name := plan.options.Translate.ConfigMap; plan.Good.ConfigMap != plan.Snapshot.ConfigMap(name.Namespace, name.Name) {
		if _, refused := plan.configMap(); refused {
			now.ConfigMap = plan.Good.ConfigMap
		}
	}
	if slices.Equal(now.Ingresses, c.kept.Ingresses) && now.ConfigMap == c.kept.ConfigMap && reflect.DeepEqual(now.Quarantine, c.kept.Quarantine) {
		return
	}
	if err := c.Keeper.Keep(now); err != nil {
		c.Log.Error("what NGINX refused is not known after a restart", "error", err)
		return // tried again with the next plan
	}
	c.kept = now
}

// configMap is the controller's, and whether NGINX refused it; nil if there is none.
func (p *Plan) configMap() (present *corev1.ConfigMap, refused bool) {
	name := p.options.Translate.ConfigMap
	if present = p.Snapshot.ConfigMap(name.Namespace, name.Name); present != nil {
		_, refused = p.Snapshot.Quarantine.Of(present)
	}
	return present, refused
}

// accepted learns from a plan that NGINX runs.
func (c *Controller) accepted(plan *Plan) {
	learned := *c.learned.Load()
	was := learned.quarantine
	learned.proven, learned.refused = plan.Good, nil
	learned.quarantine = was.Present(plan.Snapshot)
	learned.quarantine.Unexplained = ""
	c.learned.Store(&learned)
	c.incident = incident{}
	if was.Unexplained != "" {
		signal(c.again) // so that the Problem goes
	}
}

// incident is what happens from a refusal to the next configuration that NGINX takes, or until it is given up.
type incident struct {
	tests  int                // configurations that NGINX has tested in vain, or to find out who is to blame
	before cluster.Quarantine // when it began
	stuck  string             // generation for which nobody is to blame
	until  time.Time          // when it is tried again nevertheless: it may have been for want of memory, or of room on a disk
}

const (
	// mostTests bounds what an incident may cost while NGINX serves, and mostFirstTests before it does.
	mostTests      = 20
	mostFirstTests = 100
	// stuckFor is when a configuration that NGINX refused is tried again though nothing has changed.
	stuckFor = time.Minute
)

// isStuckAt tells whether a configuration need not be tried now.
func (i *incident) isStuckAt(generation string) bool {
	return i.stuck != "" && i.stuck == generation && time.Now().Before(i.until)
}

var (
	errNobody  = errors.New("it is refused without everything that changed, too")
	errTooLong = errors.New("finding out takes too many tests")
)

// investigate finds who made NGINX refuse a plan, puts that into quarantine, and asks for another plan. If it finds nobody, the
// last good configuration stays, and a Problem says so.
func (c *Controller) investigate(ctx context.Context, plan *Plan, r refusal) {
	if c.incident.tests == 0 || c.incident.stuck != "" {
		c.incident = incident{before: plan.Snapshot.Quarantine}
	}
	c.incident.tests++
	started := time.Now()
	found, err := c.culprits(ctx, plan, r)
	if ctx.Err() != nil {
		return
	}
	learned := *c.learned.Load()
	learned.refused = &plan.Config
	learned.lessons++
	if err != nil {
		if errors.Is(err, errNobody) {
			learned.quarantine = c.incident.before
		}
		learned.quarantine.Unexplained, _, _ = r.Verdict()
		c.Log.Error("NGINX refused the configuration; the last good one stays in force", "error", r, "cause", err, "tests", c.incident.tests)
		c.incident.stuck, c.incident.until = plan.Files.Generation, time.Now().Add(stuckFor)
		time.AfterFunc(stuckFor, func() { signal(c.pending) })
	} else {
		learned.quarantine = learned.quarantine.With(found...)
		learned.quarantine.Unexplained = ""
		for _, culprit := range found {
			c.Log.Error("NGINX refused the configuration because of an object; it goes ahead without", "object", culprit.Kind+" "+culprit.Name.String(),
				"field", culprit.Field, "error", r, "tests", c.incident.tests, "took", time.Since(started))
		}
	}
	c.learned.Store(&learned)
	signal(c.again)
}

// culprits finds what to put into quarantine. Where NGINX names a line, its owner is to blame, if that has changed since NGINX took
// a configuration; otherwise halving what has changed shows who is.
func (c *Controller) culprits(ctx context.Context, plan *Plan, r refusal) ([]cluster.Refusal, error) {
	v := plan.verdict(r)
	if found := plan.unbound(v); len(found) > 0 {
		return found, nil
	}
	names, sure := plan.suspects(v)
	proven := c.learned.Load().proven
	isNew := func(name cluster.Name) bool {
		served := plan.Good.Ingresses.At(name)
		return served == nil || !isIn(proven, served)
	}
	// A template that NGINX refuses in every location would have all of them blamed, one by one.
	if sure && slices.ContainsFunc(names, isNew) && c.incident.tests%3 != 0 {
		if found := plan.condemnAll(names, v); len(found) > 0 {
			return found, nil
		}
	}
	all := candidates(plan, proven)
	refused, err := c.try(ctx, plan, all)
	switch {
	case err != nil:
		return nil, err
	case refused == nil && sure && slices.ContainsFunc(names, isNew):
		if found := plan.condemnAll(names, v); len(found) > 0 {
			return found, nil
		}
	case refused != nil && sure:
		return c.unchanged(ctx, plan, all, names, v)
	case refused != nil:
		return nil, errNobody
	}
	if len(all) == 0 {
		return nil, errNobody
	}
	culprit, v, err := c.halve(ctx, plan, all, v)
	if err != nil {
		return nil, err
	}
	return culprit.condemn(plan, v)
}

// unchanged blames those whom NGINX named although they have not changed: something that they refer to may have.
func (c *Controller) unchanged(ctx context.Context, plan *Plan, all []candidate, names []cluster.Name, v verdict) ([]cluster.Refusal, error) {
	for _, name := range names {
		if served := plan.Good.Ingresses.At(name); served != nil {
			all = append(all, candidate{ingress: plan.claimed(name), served: served})
		}
	}
	if refused, err := c.try(ctx, plan, all); err != nil || refused != nil {
		return nil, errors.Join(err, errNobody)
	}
	if found := plan.condemnAll(names, v); len(found) > 0 {
		return found, nil
	}
	return nil, errNobody
}

func (p *Plan) condemnAll(names []cluster.Name, v verdict) []cluster.Refusal {
	var found []cluster.Refusal
	for _, name := range names {
		if one, ok := p.condemn(name, v); ok {
			found = append(found, one)
		}
	}
	return found
}

// halve finds the youngest candidate without which NGINX takes the older ones, and what NGINX says of it. NGINX takes none of them,
// and does not take all.
func (c *Controller) halve(ctx context.Context, plan *Plan, all []candidate, v verdict) (candidate, verdict, error) {
	low, high := 0, len(all) // NGINX takes the first low, and refuses the first high
	for high-low > 1 {
		middle := (low + high) / 2
		refused, err := c.try(ctx, plan, all[middle:])
		switch {
		case err != nil:
			return candidate{}, v, err
		case refused != nil:
			high, v = middle, *refused
		default:
			low = middle
		}
	}
	return all[high-1], v, nil
}

// try has NGINX test the plan without some candidates. It returns nil if NGINX takes it.
func (c *Controller) try(ctx context.Context, plan *Plan, without []candidate) (*verdict, error) {
	most := mostTests
	if c.live == "" {
		most = mostFirstTests
	}
	if c.incident.tests >= most {
		return nil, errTooLong
	}
	c.incident.tests++
	with := *c.learned.Load()
	var refusals []cluster.Refusal
	for _, one := range without {
		refusals = append(refusals, one.refusals()...)
	}
	with.quarantine = plan.Snapshot.Quarantine.With(refusals...)
	trial, err := c.rehearse(ctx, plan, with)
	var r refusal
	if errors.As(err, &r) {
		v := trial.verdict(r)
		return &v, nil
	}
	return nil, err
}

// candidate is an object that NGINX has not been shown as it is now.
type candidate struct {
	ingress, served *networkingv1.Ingress // as it is, and as the plan has it; served is nil if none of its annotations is in force
	configMap       *corev1.ConfigMap     // in place of the two
}

// candidates are what has changed since NGINX took a configuration: the ConfigMap, then Ingresses, the oldest first.
func candidates(plan *Plan, proven cluster.Fallback) []candidate {
	var list []candidate
	good, inForce := proven.ConfigMap, plan.Good.ConfigMap
	if good != nil && inForce != nil && good != inForce && cluster.VersionOf(good) != cluster.VersionOf(inForce) {
		if present, refused := plan.configMap(); present == inForce && !refused {
			list = append(list, candidate{configMap: present})
		}
	}
	for _, ingress := range plan.Claimed {
		served := plan.Good.Ingresses.At(cluster.NameOf(ingress))
		known, refused := plan.Snapshot.Quarantine.Of(ingress)
		switch {
		case served != nil && !isIn(proven, served):
			list = append(list, candidate{ingress: ingress, served: served})
		case served == nil && refused && !known.LeftOut:
			list = append(list, candidate{ingress: ingress})
		}
	}
	return list
}

// refusals leave a candidate out of a plan, or what it was before in its place.
func (c candidate) refusals() []cluster.Refusal {
	if c.configMap != nil {
		return []cluster.Refusal{cluster.RefusalOf(c.configMap, "", "")}
	}
	var list []cluster.Refusal
	for _, version := range []*networkingv1.Ingress{c.ingress, c.served} {
		if version != nil {
			r := cluster.RefusalOf(version, "", "")
			r.LeftOut = true
			list = append(list, r)
		}
	}
	return list
}

// condemn is what to put into quarantine so that the candidate does no harm.
func (c candidate) condemn(plan *Plan, v verdict) ([]cluster.Refusal, error) {
	if c.configMap != nil {
		return []cluster.Refusal{cluster.RefusalOf(c.configMap, "data", v.message)}, nil
	}
	if found, ok := plan.condemn(cluster.NameOf(c.ingress), v); ok {
		return []cluster.Refusal{found}, nil
	}
	return nil, errNobody
}
