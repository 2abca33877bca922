package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// watchHealth runs the probes until the process ends, and tells when one says that it must.
func (p *process) watchHealth() (sick <-chan struct{}) {
	ctx, cancel := context.WithCancel(p.container.pod.living)
	go func() {
		<-p.ended
		cancel()
	}()
	failed := make(chan struct{})
	c, spec := p.container, p.container.spec
	go func() {
		healthy := true
		p.probe(ctx, spec.StartupProbe, false, func(ok bool) bool { healthy = ok; return false })
		if !healthy {
			close(failed)
			return
		}
		started := true
		p.changeRunning(func() { c.status.Started, c.status.Ready = &started, spec.ReadinessProbe == nil })
		go p.probe(ctx, spec.ReadinessProbe, true, func(ok bool) bool {
			p.changeRunning(func() { c.status.Ready = ok })
			return true
		})
		p.probe(ctx, spec.LivenessProbe, false, func(ok bool) bool {
			if !ok {
				close(failed)
			}
			return ok
		})
	}()
	return failed
}

// changeRunning changes the status unless the process has ended: then others speak for it.
func (p *process) changeRunning(what func()) {
	p.container.pod.change(func() {
		select {
		case <-p.ended:
		default:
			what()
		}
	})
}

// probe tells of successes and failures in a row as often as the probe wants, until it is told to stop. An eager one
// looks for its first success ten times a second, as rollouts wait for it.
func (p *process) probe(ctx context.Context, spec *corev1.Probe, eager bool, tell func(ok bool) bool) {
	if spec == nil {
		return
	}
	seconds := func(n int32) time.Duration { return time.Duration(max(n, 1)) * time.Second }
	pause := time.Duration(spec.InitialDelaySeconds) * time.Second
	good, bad := int32(0), int32(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		attempt, cancel := context.WithTimeout(ctx, seconds(spec.TimeoutSeconds))
		err := p.act(attempt, spec.HTTPGet, spec.TCPSocket, spec.Exec)
		cancel()
		if err == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
		}
		pause = seconds(spec.PeriodSeconds)
		if eager && err != nil {
			pause = min(pause, 100*time.Millisecond)
		}
		eager = eager && err != nil
		if good >= max(spec.SuccessThreshold, 1) && !tell(true) || bad >= max(spec.FailureThreshold, 1) && !tell(false) {
			return
		}
	}
}

// act does what a probe or a hook wants.
func (p *process) act(ctx context.Context, get *corev1.HTTPGetAction, dial *corev1.TCPSocketAction, run *corev1.ExecAction) error {
	switch {
	case get != nil:
		return p.get(ctx, get)
	case dial != nil:
		address, err := p.address(dial.Host, dial.Port)
		if err != nil {
			return err
		}
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	case run != nil:
		return p.join(ctx, run.Command, stdio{})
	default:
		return errors.New("the node agent does not know this kind of probe")
	}
}

// client forgets connections, does not follow redirects to elsewhere and trusts every certificate, as kubelets do.
var client = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if to.URL.Hostname() != via[0].URL.Hostname() {
			return http.ErrUseLastResponse
		}
		return nil
	},
}

func (p *process) get(ctx context.Context, action *corev1.HTTPGetAction) error {
	address, err := p.address(action.Host, action.Port)
	if err != nil {
		return err
	}
	target, err := url.Parse(action.Path)
	if err != nil {
		return err
	}
	target.Scheme, target.Host = "http", address
	if action.Scheme == corev1.URISchemeHTTPS {
		target.Scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "kube-probe/1.36")
	for _, h := range action.HTTPHeaders {
		request.Header.Add(h.Name, h.Value)
		if http.CanonicalHeaderKey(h.Name) == "Host" {
			request.Host = h.Value
		}
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("GET %s: %s", target, response.Status)
	}
	return nil
}

// address is where a probe goes to: the pod, unless it names somebody.
func (p *process) address(host string, port intstr.IntOrString) (string, error) {
	if host == "" {
		host = p.container.pod.address.String()
	}
	number := port.IntValue()
	for _, named := range p.container.spec.Ports {
		if port.Type == intstr.String && named.Name == port.StrVal {
			number = int(named.ContainerPort)
		}
	}
	if number == 0 {
		return "", fmt.Errorf("no port is called %s", port.String())
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), nil
}

// beforeStop runs the hook, whatever comes of it.
func (p *process) beforeStop(ctx context.Context) {
	if p.container.spec.Lifecycle == nil || p.container.spec.Lifecycle.PreStop == nil {
		return
	}
	hook := p.container.spec.Lifecycle.PreStop
	if hook.Sleep != nil {
		select {
		case <-ctx.Done():
		case <-p.ended:
		case <-time.After(time.Duration(hook.Sleep.Seconds) * time.Second):
		}
		return
	}
	if err := p.act(ctx, hook.HTTPGet, hook.TCPSocket, hook.Exec); err != nil {
		p.container.pod.log.Info("the preStop hook failed", "container", p.container.spec.Name, "error", err)
	}
}
