package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	volume "k8s.io/kubernetes/pkg/volume/util"
)

// pod is one from when it is first seen until the API has forgotten it.
type pod struct {
	agent   *Agent
	object  *corev1.Pod // as first seen
	dir     string
	address netip.Addr
	network *os.File // nil for the node's own
	log     *slog.Logger

	memory map[string]bool                  // directories that are memory
	tokens map[string]volume.FileProjection // by path
	stale  chan struct{}                    // volumes may be out of date

	agentRuns context.Context
	stopping  context.Context // ends when the pod shall
	stop      context.CancelFunc
	living    context.Context // ends when no more time is given
	kill      context.CancelFunc

	started metav1.Time

	mu         sync.Mutex
	latest     *corev1.Pod // as last seen
	conditions map[corev1.PodConditionType]corev1.PodCondition
	problem    string // what it waits for before containers can start
	inits      []*container
	containers []*container
	reported   string // the status that was written last
	changed    chan struct{}
}

func newPod(ctx context.Context, a *Agent, object *corev1.Pod) *pod {
	p := &pod{
		agent: a, object: object, dir: a.podDir(object), agentRuns: ctx,
		log:     a.Log.With("pod", object.Namespace+"/"+object.Name),
		started: metav1.Now(), conditions: map[corev1.PodConditionType]corev1.PodCondition{}, changed: make(chan struct{}, 1),
		memory: map[string]bool{}, tokens: map[string]volume.FileProjection{}, stale: make(chan struct{}, 1),
	}
	p.living, p.kill = context.WithCancel(ctx)
	p.stopping, p.stop = context.WithCancel(p.living)
	for i := range object.Spec.InitContainers {
		p.inits = append(p.inits, newContainer(p, &object.Spec.InitContainers[i], true))
	}
	for i := range object.Spec.Containers {
		p.containers = append(p.containers, newContainer(p, &object.Spec.Containers[i], false))
	}
	p.see(object)
	return p
}

// see takes in what the API says now. Only deletion, with whatever grace, changes what a running pod does.
func (p *pod) see(object *corev1.Pod) {
	p.change(func() {
		if p.latest != nil && !(maps.Equal(p.latest.Labels, object.Labels) && maps.Equal(p.latest.Annotations, object.Annotations)) {
			p.setStale()
		}
		p.latest = object
		for _, c := range object.Status.Conditions { // or a controller says otherwise, who took the node for lost
			if c.Type == corev1.PodReady && c.Status != p.conditions[c.Type].Status {
				p.reported = ""
			}
		}
	})
	if object.DeletionTimestamp == nil {
		return
	}
	// Counted from now: the server's clock is another one.
	grace := time.Duration(0)
	if object.DeletionGracePeriodSeconds != nil {
		grace = time.Duration(*object.DeletionGracePeriodSeconds) * time.Second
	}
	p.stop()
	time.AfterFunc(grace, p.kill)
}

// change lets the status be written anew.
func (p *pod) change(what func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what()
	select {
	case p.changed <- struct{}{}:
	default: // it will be anyhow
	}
}

func (p *pod) run() {
	defer p.kill()
	reporting, stopReporting := context.WithCancel(p.agentRuns)
	var reported sync.WaitGroup
	reported.Go(func() { p.keepReporting(reporting) })
	err := p.live()
	stopReporting()
	reported.Wait()
	if err != nil && p.stopping.Err() == nil {
		p.log.Error("pod ended", "error", err)
	}
	if p.agentRuns.Err() != nil {
		return // a kubelet that ends leaves its pods as they are
	}
	p.finish()
	p.cleanUp()
}

// live is the pod's life. It returns when no container runs any more.
func (p *pod) live() error {
	prepared := func() error {
		err := p.prepare(p.stopping)
		p.change(func() { p.problem = text(err) })
		return err
	}
	if err := retry(p.stopping, p.log, "start", prepared); err != nil {
		return err
	}
	var refreshing sync.WaitGroup
	defer refreshing.Wait()
	fresh, end := context.WithCancel(p.living)
	defer end()
	refreshing.Go(func() { p.keepFresh(fresh) })
	p.runContainers()
	return nil
}

// runContainers returns when none runs any more.
func (p *pod) runContainers() {
	var running sync.WaitGroup
	defer running.Wait()
	for _, c := range p.inits {
		if c.isSidecar() {
			running.Go(c.run)
			continue
		}
		c.run()
		if p.stopping.Err() != nil || !c.succeeded() {
			return
		}
	}
	for _, c := range p.containers {
		running.Go(c.run)
	}
}

// prepare may be called again after it failed.
func (p *pod) prepare(ctx context.Context) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if err := p.joinNetwork(); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(p.dir, "hosts"), []byte(p.hosts())); err != nil {
		return err
	}
	return p.makeVolumes(ctx)
}

// hostname is what the pod's processes are told.
func (p *pod) hostname() string {
	switch {
	case p.object.Spec.HostNetwork:
		return p.agent.Name
	case p.object.Spec.Hostname != "":
		return p.object.Spec.Hostname
	default:
		return p.object.Name[:min(len(p.object.Name), longestHostname)]
	}
}

const longestHostname = 63

// hosts is what the pod's processes find in /etc/hosts.
func (p *pod) hosts() string {
	text := fmt.Sprintf("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n%s\t%s\n", p.address, p.hostname())
	for _, alias := range p.object.Spec.HostAliases {
		text += fmt.Sprintf("%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
	}
	return text
}

func (p *pod) joinNetwork() error {
	if p.address.IsValid() {
		return nil
	}
	if p.object.Spec.HostNetwork {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.address = p.agent.IP
		return nil
	}
	resolver := fmt.Sprintf("nameserver %s\nsearch %[2]s.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
		p.agent.DNS, p.object.Namespace)
	if err := writeFile(filepath.Join(p.dir, "resolv.conf"), []byte(resolver)); err != nil {
		return err
	}
	sysctls, err := p.sysctls()
	if err != nil {
		return err
	}
	address, err := p.agent.addresses.take()
	if err != nil {
		return err
	}
	network, err := p.agent.thread.newNetwork()
	if err == nil {
		err = p.agent.thread.connect(network, address, p.agent.IP, sysctls)
	}
	if err != nil {
		p.agent.addresses.giveBack(address)
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.address, p.network = address, network
	return nil
}

func (p *pod) cleanUp() {
	if p.network != nil {
		if err := errors.Join(disconnect(p.address), p.network.Close()); err != nil {
			p.log.Error("cannot take the network down", "error", err)
		}
		p.agent.addresses.giveBack(p.address)
	}
	for dir := range p.memory {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			p.log.Error("cannot unmount a volume", "error", err)
		}
	}
	if err := os.RemoveAll(p.dir); err != nil {
		p.log.Error("cannot remove the pod's files", "error", err)
	}
}

// keepReporting writes the status whenever it has changed.
func (p *pod) keepReporting(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		}
		_ = retry(ctx, p.log, "report", func() error { return p.report(ctx) })
	}
}

// report writes the status unless it is the last one. A patch touches nobody else's conditions.
func (p *pod) report(ctx context.Context) error {
	status := p.status()
	patch, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
	if err != nil {
		return err
	}
	if len(status.PodIPs) > 0 { // else one that the pod had before its node was lost would stay
		patch["podIPs"] = append(patch["podIPs"].([]any), map[string]any{"$patch": "replace"})
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.object.UID}, "status": patch})
	p.mu.Lock()
	known := string(text) == p.reported
	p.reported = string(text)
	p.mu.Unlock()
	if err != nil || known {
		return err
	}
	_, err = p.agent.Client.CoreV1().Pods(p.object.Namespace).Patch(ctx, p.object.Name, types.StrategicMergePatchType, text, metav1.PatchOptions{}, "status")
	if err == nil || isGone(err) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reported = ""
	return err
}

// finish says how the pod ended and, if it was deleted, lets the API forget it.
func (p *pod) finish() {
	if err := retry(p.agentRuns, p.log, "report the end", func() error { return p.report(p.agentRuns) }); err != nil {
		return
	}
	p.mu.Lock()
	deleted := p.latest.DeletionTimestamp != nil
	p.mu.Unlock()
	if !deleted {
		return
	}
	_ = retry(p.agentRuns, p.log, "end", func() error {
		options := metav1.DeleteOptions{GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(p.object.UID))}
		err := p.agent.Client.CoreV1().Pods(p.object.Namespace).Delete(p.agentRuns, p.object.Name, options)
		if isGone(err) {
			return nil
		}
		return err
	})
}

// isGone tells that there is no such pod any more, or another one of that name.
func isGone(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func cut(setting string) (name, value string) {
	name, value, _ = strings.Cut(setting, "=")
	return name, value
}
