package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/bench/apiserver"
	"github.com/sluice-ingress/sluice/test/fleet"
)

// Controller is Sluice's program, which follows an API server.
type Controller struct {
	base
	api      *apiserver.Server
	listener *http.Server
}

func openSluice(o Options) Server { return &Controller{base: base{Options: o}} }

const namespaces = 50

// namespaceOf is the namespace of a host.
func namespaceOf(n int) string { return fmt.Sprintf("team-%d", n%namespaces) }

// Start implements Server.
func (c *Controller) Start(ctx context.Context) error {
	if err := c.serveAPI(); err != nil {
		return err
	}
	args := []string{
		"controller", "--routing", c.Mode, "--apiserver-host", "http://" + c.listener.Addr,
		"--watch-ingress-without-class", "--configmap", "bench/settings",
		"--update-status=false", "--disable-leader-election", "--disable-sync-events", // the API server takes no writes
		"--http-port", strconv.Itoa(c.Port), "--https-port", strconv.Itoa(c.Port + 1), "--healthz-host", "127.0.0.1", "--healthz-port", strconv.Itoa(c.Port + 2),
		"--enable-metrics=" + strconv.FormatBool(!c.Mute), "--profiling=false", "--workers", "1", "--v", "0", "--disable-ipv6", "--lua-dir", c.Lua,
		"--state-dir", c.path("state"), "--access-log", c.path("access.log"), "--error-log", c.path("error.log"),
	}
	if err := c.run(ctx, c.Program, args...); err != nil {
		return err
	}
	return c.process.await(ctx, startup, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.own("/readyz"), nil)
		if err != nil {
			return err
		}
		return expectOK(request)
	})
}

// own is the address of a page about itself.
func (c *Controller) own(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", c.Port+2, path)
}

// serveAPI starts the API server with all hosts.
func (c *Controller) serveAPI() error {
	var err error
	if c.api, err = apiserver.New(); err != nil {
		return err
	}
	pair, err := wildcard()
	if err != nil {
		return err
	}
	settings := map[string]string{"ssl-redirect": "false"} // HTTP is measured, too
	maps.Copy(settings, c.Feature.Settings)
	all := append([]apiserver.Object{&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "bench", Name: "settings"}, Data: settings}}, c.Feature.Objects...)
	for n := range namespaces {
		all = append(all, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(n), Name: "wildcard"}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{corev1.TLSCertKey: pair.certificate, corev1.TLSPrivateKeyKey: pair.key, "ca.crt": pair.certificate},
		})
	}
	for n := range c.Hosts {
		all = append(all, c.objects(n, c.Pods)...)
	}
	if err := c.api.Put(all...); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port+3))
	if err != nil {
		return fmt.Errorf("start the API server: %w", err)
	}
	c.listener = &http.Server{Addr: listener.Addr().String(), Handler: c.api} //nolint:gosec // no stranger connects
	go func() { _ = c.listener.Serve(listener) }()                            // until Close
	return nil
}

// objects are the Ingress of a host, its Services and their endpoints.
func (c *Controller) objects(n int, pods []string) []apiserver.Object {
	meta := metav1.ObjectMeta{Namespace: namespaceOf(n), Name: fmt.Sprintf("web-%d", n), Generation: 1}
	ingress := &networkingv1.Ingress{ObjectMeta: meta, Spec: networkingv1.IngressSpec{
		TLS: []networkingv1.IngressTLS{{Hosts: []string{fleet.Host(n)}, SecretName: "wildcard"}},
		Rules: []networkingv1.IngressRule{{
			Host: fleet.Host(n), IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}},
		}},
	}}
	all := []apiserver.Object{ingress}
	prefix := networkingv1.PathTypePrefix
	for _, path := range []string{"/", "/api"} {
		service := fmt.Sprintf("%s-%d", map[string]string{"/": "root", "/api": "api"}[path], n)
		http := ingress.Spec.Rules[0].HTTP
		http.Paths = append(http.Paths, networkingv1.HTTPIngressPath{Path: path, PathType: &prefix, Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}},
		}})
		all = append(all, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: meta.Namespace, Name: service},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		}, fleet.Slice(meta.Namespace, service, PodPort, pods...))
	}
	if c.Feature.Ingress != nil {
		c.Feature.Ingress(ingress)
	}
	return all
}

// SetHost implements Server. The objects of a host that exists are those of before but for the endpoints.
func (c *Controller) SetHost(_ context.Context, n int, pods ...string) error {
	return c.api.Put(c.objects(n, pods)...)
}

// RemoveHost implements Server.
func (c *Controller) RemoveHost(_ context.Context, n int) error {
	return c.api.Remove(c.objects(n, c.Pods)...)
}

// Stop implements Server.
func (c *Controller) Stop() {
	c.base.Stop()
	if c.listener != nil {
		_ = c.listener.Close() // of no consequence
	}
}

// Workers implements Server.
func (c *Controller) Workers() []int {
	nginx := named(c.Processes(), "nginx")
	return nginx[min(1, len(nginx)):]
}

// Itself is the process of the controller.
func (c *Controller) Itself() int { return c.process.cmd.Process.Pid }

// Metric is the sum of a metric over all its labels.
func (c *Controller) Metric(ctx context.Context, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.own("/metrics"), nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	sum, found := 0.0, false
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		rest, is := strings.CutPrefix(lines.Text(), name)
		if !is || rest == "" || !strings.ContainsAny(rest[:1], " {") {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("read metric %s: %w", name, err)
		}
		sum, found = sum+value, true
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	if !found {
		return 0, errors.New("there is no metric " + name)
	}
	return sum, nil
}

// Scrape is what reading all metrics came to.
type Scrape struct {
	Took          time.Duration
	Bytes, Series int
}

// Scrape reads all metrics, as Prometheus does, but uncompressed.
func (c *Controller) Scrape(ctx context.Context) (Scrape, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.own("/metrics"), nil)
	if err != nil {
		return Scrape{}, err
	}
	begun := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return Scrape{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return Scrape{}, fmt.Errorf("read metrics: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return Scrape{}, fmt.Errorf("read metrics: %s", response.Status)
	}
	s := Scrape{Took: time.Since(begun), Bytes: len(text)}
	for line := range bytes.Lines(text) {
		if line[0] != '#' {
			s.Series++
		}
	}
	return s, nil
}

// Configuration implements Server.
func (c *Controller) Configuration() (int64, error) {
	files, err := filepath.Glob(c.path("state/conf/current/*.conf"))
	if err != nil {
		return 0, err
	}
	return sizes(files...)
}
