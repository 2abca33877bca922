package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/translate"
)

// pods wants all pods to be ready.
func (x *examiner) pods(c *Controller) {
	ready := 0
	for _, pod := range c.Pods {
		if isReady(pod) {
			ready++
			x.restarts(pod)
			continue
		}
		x.add(Finding{Check: CheckController, State: Failed, Object: podObject(pod), Cause: "the pod is not ready: " + whyNotReady(pod),
			Fix: fmt.Sprintf("kubectl describe pod -n %s %s; kubectl ingress logs -n %[1]s --pod %[2]s", pod.Namespace, pod.Name)})
	}
	switch {
	case len(c.Pods) == 0:
		x.add(Finding{Check: CheckController, State: Failed, Object: c.object(), Cause: "there is no pod",
			Fix: fmt.Sprintf("kubectl describe %s -n %s %s says why none is made; scale it up if it is scaled to 0", strings.ToLower(c.Kind), c.Name.Namespace, c.Name.Name)})
	case ready == len(c.Pods):
		x.add(Finding{Check: CheckController, Object: c.object(), Cause: fmt.Sprintf("%d of %d pods are ready", ready, len(c.Pods))})
	case ready > 0:
		x.add(Finding{Check: CheckController, State: Warning, Object: c.object(), Cause: fmt.Sprintf("only %d of %d pods are ready", ready, len(c.Pods)),
			Fix: "see the pods that are not"})
	}
}

// restarts tells of containers that have ended in the last hour.
func (x *examiner) restarts(pod *corev1.Pod) {
	for _, status := range pod.Status.ContainerStatuses {
		last := status.LastTerminationState.Terminated
		if last == nil || x.Now.Sub(last.FinishedAt.Time) > time.Hour {
			continue
		}
		x.add(Finding{Check: CheckController, State: Warning, Object: podObject(pod),
			Cause: fmt.Sprintf("container %s ended %s ago with status %d (%s), and was started again", status.Name, age(x.Now.Sub(last.FinishedAt.Time)), last.ExitCode, last.Reason),
			Fix:   fmt.Sprintf("kubectl ingress logs -n %s --pod %s --container %s --previous; raise its memory limit if the reason is OOMKilled", pod.Namespace, pod.Name, status.Name)})
	}
}

func podObject(pod *corev1.Pod) translate.Object {
	return translate.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
}

func isReady(pod *corev1.Pod) bool { return slices.ContainsFunc(pod.Status.Conditions, saysReady) }

func saysReady(c corev1.PodCondition) bool {
	return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
}

// whyNotReady is the most specific thing that the status of a pod says.
func whyNotReady(pod *corev1.Pod) string {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch state := status.State; {
		case state.Waiting != nil:
			return strings.TrimSpace(fmt.Sprintf("container %s waits: %s %s", status.Name, state.Waiting.Reason, state.Waiting.Message))
		case state.Terminated != nil && state.Terminated.ExitCode != 0:
			return fmt.Sprintf("container %s ended with status %d (%s)", status.Name, state.Terminated.ExitCode, state.Terminated.Reason)
		case state.Running != nil && !status.Ready:
			return fmt.Sprintf("container %s runs, and its readiness probe fails", status.Name)
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Status != corev1.ConditionTrue && condition.Message != "" {
			return fmt.Sprintf("%s: %s", condition.Reason, condition.Message)
		}
	}
	return cmp.Or(pod.Status.Message, "its phase is "+string(pod.Status.Phase))
}

// lease wants a leader: it alone writes the status of Ingresses, and Events.
func (x *examiner) lease(c *Controller) {
	name := c.Flags.Lease
	if name.Name == "" {
		x.add(Finding{Check: CheckLease, Object: c.object(), Cause: "no leader is elected, as --disable-leader-election says"})
		return
	}
	object := translate.Object{Kind: "Lease", Namespace: name.Namespace, Name: name.Name}
	lease := x.Leases[name]
	const fix = "see whether the controller's role may create and update Leases, and what its log says of the election"
	if lease == nil {
		if !x.isUnread("Lease") {
			x.add(Finding{Check: CheckLease, State: Failed, Object: object, Fix: fix,
				Cause: "there is no Lease, so no replica leads: nobody writes the status of Ingresses, nor Events"})
		}
		return
	}
	holder := ""
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	switch {
	case holder == "":
		x.add(Finding{Check: CheckLease, State: Failed, Object: object, Fix: fix, Cause: "no replica leads: nobody writes the status of Ingresses, nor Events"})
	case lease.Spec.RenewTime != nil && lease.Spec.LeaseDurationSeconds != nil &&
		x.Now.Sub(lease.Spec.RenewTime.Time) > time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second:
		x.add(Finding{Check: CheckLease, State: Failed, Object: object, Fix: fix,
			Cause: fmt.Sprintf("%s leads, and has not said so for %s", holder, age(x.Now.Sub(lease.Spec.RenewTime.Time)))})
	case !slices.ContainsFunc(c.Pods, func(p *corev1.Pod) bool { return p.Name == holder }):
		x.add(Finding{Check: CheckLease, State: Failed, Object: object, Cause: fmt.Sprintf("%s leads, which is no pod of this controller", holder),
			Fix: "another controller has the same --election-id in this namespace: give each its own"})
	default:
		x.add(Finding{Check: CheckLease, Object: object, Cause: holder + " leads"})
	}
}

// isUnread tells whether something of a kind could not be looked at, so that its absence says nothing.
func (x *examiner) isUnread(kind string) bool {
	return slices.ContainsFunc(x.Unread, func(u Unread) bool { return strings.HasPrefix(u.What, kind) })
}

// applied wants the newest configuration to be live in each pod.
func (x *examiner) applied(c *Controller) {
	if c.PlanErr != nil {
		x.add(Finding{Check: CheckApply, State: Failed, Object: c.object(), Cause: "no configuration can be made of the objects: " + c.PlanErr.Error(),
			Fix: "correct the template that it names; what is live stays so"})
	}
	for _, pod := range c.Pods {
		m, asked := c.Metrics[pod.Name]
		switch failures := m.failures(); {
		case !asked:
		case m.Err != nil:
			x.add(Finding{Check: CheckApply, State: Unknown, Object: podObject(pod), Cause: "its metrics cannot be read: " + m.Err.Error(),
				Fix: "get the right pods/proxy, or look at /metrics on port 10254 of the pod"})
		case m.LastApplied.IsZero():
			x.add(Finding{Check: CheckApply, State: Failed, Object: podObject(pod), Cause: "no configuration has become live yet" + failures,
				Fix: fmt.Sprintf("kubectl ingress logs -n %s --pod %s says what fails", pod.Namespace, pod.Name)})
		case !m.LastGood:
			x.add(Finding{Check: CheckApply, State: Failed, Object: podObject(pod),
				Cause: fmt.Sprintf("the newest configuration could not be loaded; that of %s ago is live, and endpoints go on changing%s", age(x.Now.Sub(m.LastApplied)), failures),
				Fix:   fmt.Sprintf("kubectl ingress logs -n %s --pod %s has NGINX's words", pod.Namespace, pod.Name)})
		default:
			x.add(Finding{Check: CheckApply, Object: podObject(pod), Cause: fmt.Sprintf("the newest configuration is live since %s", age(x.Now.Sub(m.LastApplied)))})
		}
		if m.Restarts > 0 {
			x.add(Finding{Check: CheckApply, State: Warning, Object: podObject(pod), Cause: fmt.Sprintf("NGINX has died %.0f times since the controller was started", m.Restarts),
				Fix: fmt.Sprintf("kubectl ingress logs -n %s --pod %s has its last words", pod.Namespace, pod.Name)})
		}
	}
}

func (m Metrics) failures() string {
	var list []string
	for _, step := range slices.Sorted(maps.Keys(m.Failures)) {
		if m.Failures[step] > 0 {
			list = append(list, fmt.Sprintf("%s %.0f times", step, m.Failures[step]))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "; failed: " + strings.Join(list, ", ")
}

// age is a time for people, with one or two units.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
