package watch

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/persistent"
)

// claim is an Ingress as Snapshots have it, and what it refers to if it is ours.
type claim struct {
	object *networkingv1.Ingress
	ours   bool
	holder
}

// offerAll looks anew at the Ingresses that something else has changed for.
func (s *Source) offerAll(concerned func(*networkingv1.Ingress) bool) {
	for name, ing := range s.ingresses.objects {
		if concerned(ing) {
			s.offer(name)
		}
	}
}

// offer looks at an Ingress anew: whether it is there, selected and ours, and what it refers to.
func (s *Source) offer(name cluster.Name) {
	if len(s.unlisted) > 0 {
		return // whose it is cannot be told yet
	}
	object := s.ingresses.objects[name]
	if object != nil && !s.isSelected(name.Namespace) {
		object = nil
	}
	c := s.claims[name]
	if c == nil {
		if object == nil {
			return
		}
		c = &claim{}
		s.claims[name] = c
	}
	ours := object != nil && s.isOurs(object)
	var refs []reference
	if ours {
		refs = s.references(object)
	}
	if c.next == nil && c.object == object && c.ours == ours && slices.Equal(c.held, refs) {
		return
	}
	s.change(&c.holder, refs, func(before []reference) { s.show(name, c, object, ours, before) })
}

// former is a version of an Ingress that is no longer shown, but may serve: the present one may be refused.
type former struct {
	object *networkingv1.Ingress
	refs   []reference
}

// Judged tells which version of each Ingress serves, by a plan for a Snapshot. What an earlier version refers to
// stays in Snapshots as long as that one serves; without any call of Judged, only present versions count.
func (s *Source) Judged(serving persistent.Map[cluster.Name, *networkingv1.Ingress]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judged = true
	for name, list := range s.former {
		list = slices.DeleteFunc(list, func(f former) bool {
			if f.object == serving.At(name) {
				return false
			}
			s.release(f.refs)
			return true
		})
		if s.former[name] = list; len(list) == 0 {
			delete(s.former, name)
		}
	}
}

// show puts an Ingress into the next Snapshot. One that was and is somebody else's is no reason to make one.
func (s *Source) show(name cluster.Name, c *claim, object *networkingv1.Ingress, ours bool, before []reference) {
	if c.ours && s.judged {
		put(&s.former, name, append(s.former[name], former{c.object, before}))
	} else {
		s.release(before)
	}
	if c.object != object {
		put(&s.pending.Ingresses, name, object)
	}
	if ours || c.ours || s.isRefused(object) || s.isRefused(c.object) {
		s.signal()
		s.signalStatus()
	}
	c.object, c.ours = object, ours
	if object == nil {
		delete(s.claims, name)
	}
}

func (s *Source) isSelected(namespace string) bool {
	return s.options.Selection.Namespaces == nil || s.namespaces.objects[cluster.Name{Name: namespace}] != nil
}

func (s *Source) isOurs(ing *networkingv1.Ingress) bool {
	return s.isClaimed(ing) && !s.options.Selection.Refuses(ing)
}

func (s *Source) isClaimed(ing *networkingv1.Ingress) bool {
	selection := s.selection()
	selection.Namespaces = nil // isSelected knows about those
	claimed, _ := selection.Claims(cluster.Snapshot{Classes: s.classNamed}, ing)
	return claimed
}

// isRefused tells whether a plan reports that an Ingress is not served although its class is ours.
func (s *Source) isRefused(ing *networkingv1.Ingress) bool {
	return ing != nil && s.options.Selection.Refuses(ing) && s.isClaimed(ing)
}

// holder is somebody who refers to objects: an Ingress, the controller's ConfigMap, the flags.
type holder struct {
	held []reference // by the version that is shown
	next *version    // the one that is not, or nil
}

// version is a state of a holder that waits for objects to be looked up.
type version struct {
	refs    []reference
	missing int
	show    func() // nil when a later version has taken its place
}

// use counts who refers to an object.
type use struct {
	count   int
	waiting []*version
}

// change makes refs what a holder refers to. It calls show as soon as each of them has been looked up; until
// then, what the holder refers to at present stays. To release that is left to show.
func (s *Source) change(h *holder, refs []reference, show func(before []reference)) {
	next := &version{refs: refs}
	next.show = func() {
		before := h.held
		h.held, h.next = refs, nil
		show(before)
	}
	replaced := h.next
	h.next = next
	for _, ref := range refs {
		if u := s.hold(ref); !s.isAnswered(ref) {
			u.waiting = append(u.waiting, next)
			next.missing++
		}
	}
	if replaced != nil {
		replaced.show = nil
		s.release(replaced.refs)
	}
	if next.missing == 0 {
		next.show()
	}
}

// answered shows the versions that waited for nothing but this object.
func (s *Source) answered(ref reference) {
	u := s.uses[ref]
	waiting := u.waiting
	u.waiting = nil
	for _, v := range waiting {
		v.missing--
		if v.missing == 0 && v.show != nil {
			v.show()
		}
	}
}

func (s *Source) isUsed(ref reference) bool { return s.uses[ref] != nil }

func (s *Source) isAnswered(ref reference) bool {
	switch ref.kind {
	case secret:
		return s.secrets.isAnswered(ref.name)
	case configMap:
		return s.configMaps.isAnswered(ref.name)
	}
	return true // all Services are known
}

// hold counts a reference. What is referred to for the first time enters the Snapshots.
func (s *Source) hold(ref reference) *use {
	u := s.uses[ref]
	if u == nil {
		u = &use{}
		s.uses[ref] = u
		switch ref.kind {
		case service:
			put(&s.pending.Services, ref.name, s.services.objects[ref.name])
			put(&s.pending.Slices, ref.name, s.slicesOf[ref.name])
		case secret:
			s.secrets.want(ref.name)
		case configMap:
			s.configMaps.want(ref.name)
		}
	}
	u.count++
	return u
}

// release takes back what hold did. What nothing refers to any more leaves the Snapshots.
func (s *Source) release(refs []reference) {
	for _, ref := range refs {
		u := s.uses[ref]
		if u.count--; u.count > 0 {
			continue
		}
		delete(s.uses, ref)
		switch ref.kind {
		case service:
			put(&s.pending.Services, ref.name, nil)
			put(&s.pending.Slices, ref.name, nil)
		case secret:
			s.secrets.drop(ref.name)
			put(&s.pending.Secrets, ref.name, nil)
		case configMap:
			s.configMaps.drop(ref.name)
			put(&s.pending.ConfigMaps, ref.name, nil)
		}
	}
}
