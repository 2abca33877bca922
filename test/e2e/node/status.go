package node

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// status is what the API shall say of the pod now.
func (p *pod) status() corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	inits, containers := statuses(p.inits), statuses(p.containers)
	s := corev1.PodStatus{
		Phase:                 phase(p.inits, p.containers),
		HostIP:                p.agent.IP.String(),
		HostIPs:               []corev1.HostIP{{IP: p.agent.IP.String()}},
		InitContainerStatuses: inits,
		ContainerStatuses:     containers,
		StartTime:             &p.started,
	}
	if p.address.IsValid() {
		s.PodIP = p.address.String()
		s.PodIPs = []corev1.PodIP{{IP: s.PodIP}}
	}
	prepared := p.address.IsValid() && p.problem == ""
	ready := s.Phase == corev1.PodRunning && all(p.containers, func(c *container) bool { return c.status.Ready })
	s.Conditions = []corev1.PodCondition{
		p.condition(corev1.PodReadyToStartContainers, prepared, p.problem),
		p.condition(corev1.PodInitialized, initialized(p.inits), ""),
		p.condition(corev1.ContainersReady, ready, ""),
		p.condition(corev1.PodReady, ready && p.gatesOpen(), ""),
	}
	return s
}

func statuses(of []*container) []corev1.ContainerStatus {
	var list []corev1.ContainerStatus
	for _, c := range of {
		list = append(list, c.status)
	}
	return list
}

func all(of []*container, is func(*container) bool) bool {
	for _, c := range of {
		if !is(c) {
			return false
		}
	}
	return true
}

func initialized(inits []*container) bool {
	return all(inits, func(c *container) bool {
		return c.isSidecar() && c.status.State.Running != nil || c.isOver() && c.exitedWell()
	})
}

func phase(inits, containers []*container) corev1.PodPhase {
	failedFirst := func(c *container) bool { return c.isOver() && !c.exitedWell() && !c.isSidecar() }
	switch {
	case all(containers, (*container).isOver) && all(containers, (*container).exitedWell):
		return corev1.PodSucceeded
	case all(containers, (*container).isOver), !all(inits, func(c *container) bool { return !failedFirst(c) }):
		return corev1.PodFailed
	case all(containers, func(c *container) bool { return c.status.State.Waiting == nil || c.status.RestartCount > 0 }):
		return corev1.PodRunning
	default:
		return corev1.PodPending
	}
}

// condition keeps the time of a condition that stays what it was.
func (p *pod) condition(kind corev1.PodConditionType, holds bool, message string) corev1.PodCondition {
	c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Message: message}
	if holds {
		c.Status = corev1.ConditionTrue
	}
	before := p.conditions[kind]
	if before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	} else {
		c.LastTransitionTime = metav1.Now()
	}
	p.conditions[kind] = c
	return c
}

// gatesOpen asks for the conditions that others set.
func (p *pod) gatesOpen() bool {
	for _, gate := range p.object.Spec.ReadinessGates {
		open := false
		for _, c := range p.latest.Status.Conditions {
			open = open || c.Type == gate.ConditionType && c.Status == corev1.ConditionTrue
		}
		if !open {
			return false
		}
	}
	return true
}
