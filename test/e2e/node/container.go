package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"github.com/sluice-ingress/sluice/test/e2e/node/box"
)

// container is one over all its restarts.
type container struct {
	pod    *pod
	spec   *corev1.Container
	isInit bool
	status corev1.ContainerStatus // guarded by the pod's mutex
	over   bool                   // will not be started again; also guarded

	process *process // that runs, or ran last; also guarded
}

func newContainer(p *pod, spec *corev1.Container, isInit bool) *container {
	c := &container{pod: p, spec: spec, isInit: isInit}
	c.status = corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, Started: new(bool)}
	c.status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
	return c
}

func (c *container) isSidecar() bool {
	return c.isInit && c.spec.RestartPolicy != nil && *c.spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func (c *container) isOver() bool { return c.over }

func (c *container) exitedWell() bool {
	return c.status.State.Terminated != nil && c.status.State.Terminated.ExitCode == 0
}

func (c *container) succeeded() bool {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.exitedWell()
}

// run starts the container as often as its restart policy wants, until the pod shall stop.
func (c *container) run() {
	defer c.pod.change(func() { c.over = true })
	const first, longest, forgiven = time.Second, 5 * time.Minute, 10 * time.Minute
	for pause := first; ; pause = min(2*pause, longest) {
		started := time.Now()
		code, err := c.runOnce()
		if err != nil {
			c.pod.log.Info("container", "name", c.spec.Name, "error", err)
		}
		if c.pod.stopping.Err() != nil || !c.restarts(code) {
			return
		}
		if time.Since(started) > forgiven {
			pause = first
		}
		if err == nil {
			c.pod.change(func() { c.wait("CrashLoopBackOff", fmt.Sprintf("started again after %v", pause)) })
		}
		select {
		case <-c.pod.stopping.Done():
			return
		case <-time.After(pause):
			c.pod.change(func() { c.status.RestartCount++ })
		}
	}
}

func (c *container) restarts(code int) bool {
	switch policy := c.pod.object.Spec.RestartPolicy; {
	case c.isSidecar():
		return true
	case c.isInit, policy == corev1.RestartPolicyOnFailure:
		return code != 0 && policy != corev1.RestartPolicyNever
	default:
		return policy == corev1.RestartPolicyAlways
	}
}

// wait keeps what happened before as the last state.
func (c *container) wait(reason, message string) {
	if c.status.State.Terminated != nil {
		c.status.LastTerminationState = c.status.State
	}
	c.status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// runOnce is one run, from start to end. The code is not zero if it could not be started.
func (c *container) runOnce() (code int, err error) {
	p := &process{container: c, ended: make(chan struct{})}
	if err := p.start(); err != nil {
		reason := "CreateContainerError"
		if errors.Is(err, errRoot) {
			reason = "CreateContainerConfigError"
		}
		c.pod.change(func() { c.wait(reason, err.Error()) })
		return 128, err
	}
	started := metav1.Now()
	c.pod.change(func() {
		if c.status.State.Terminated != nil {
			c.status.LastTerminationState = c.status.State
		}
		c.status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}
		c.process = p
	})
	sick := p.watchHealth()
	select {
	case <-p.ended:
	case <-c.pod.stopping.Done():
		p.stop(c.pod.living)
	case <-sick:
		grace := 30 * time.Second
		if seconds := c.pod.object.Spec.TerminationGracePeriodSeconds; seconds != nil {
			grace = time.Duration(*seconds) * time.Second
		}
		ctx, cancel := context.WithTimeout(c.pod.living, grace)
		p.stop(ctx)
		cancel()
	}
	code = p.exitCode()
	c.pod.change(func() {
		reason := "Completed"
		if code != 0 {
			reason = "Error"
		}
		c.status.Ready, c.status.Started = false, new(bool)
		c.status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: int32(code), Reason: reason, StartedAt: started, FinishedAt: metav1.Now(),
		}}
	})
	return code, nil
}

// box says what the process is.
func (c *container) box() (box.Spec, error) {
	image, err := c.pod.agent.Images.find(c.spec.Image)
	if err != nil {
		return box.Spec{}, err
	}
	environment, err := c.pod.environment(c.pod.stopping, c.spec, image.Env)
	if err != nil {
		return box.Spec{}, err
	}
	known := expansion.MappingFuncFor(environment)
	mounts, err := c.pod.mounts(c.spec, known)
	if err != nil {
		return box.Spec{}, err
	}
	scratch := filepath.Join(c.pod.dir, "scratch", c.spec.Name)
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return box.Spec{}, err
	}
	spec := box.Spec{
		Root: image.Root, Scratch: scratch, Hidden: c.pod.agent.Dir, Mounts: mounts, Env: list(environment), Dir: image.Dir,
		Command: command(image, c.spec, known), Hostname: c.pod.hostname(),
	}
	if spec.Root == "" {
		spec.Root = "/"
	}
	if c.spec.WorkingDir != "" {
		spec.Dir = c.spec.WorkingDir
	}
	return spec, c.secure(&spec, image)
}

// command is the image's, unless the container has its own.
func command(image Image, c *corev1.Container, known func(string) string) []string {
	expanded := func(words []string) []string {
		var all []string
		for _, word := range words {
			all = append(all, expansion.Expand(word, known))
		}
		return all
	}
	switch {
	case len(c.Command) > 0:
		return append(expanded(c.Command), expanded(c.Args)...)
	case len(c.Args) > 0:
		return append(image.Entrypoint[:len(image.Entrypoint):len(image.Entrypoint)], expanded(c.Args)...)
	default:
		return append(image.Entrypoint[:len(image.Entrypoint):len(image.Entrypoint)], image.Args...)
	}
}
