// Package server runs what bench compares, each with the same hosts, pods, headers and access log: Sluice as its users
// run it, and NGINX and HAProxy as somebody who knows them writes their configuration by hand.
//
// It starts and stops processes, and tells them of changes. When a change is live is for the caller to find out.
package server

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/bench/apiserver"
	"github.com/sluice-ingress/sluice/test/fleet"
)

// PodPort is the port of all pods.
const PodPort = 18900

// Kind is what serves.
type Kind struct {
	Name string // for people
	Mode string // of Sluice: the value of --routing; empty for others
	// Mute is Sluice that counts no requests.
	Mute bool
	open func(Options) Server
}

// Plain and HAProxy are configured by hand.
var (
	Plain   = Kind{Name: "plain NGINX", open: openPlain}
	HAProxy = Kind{Name: "HAProxy", open: openHAProxy}
)

// Sluice is Sluice in a mode of routing.
func Sluice(mode string) Kind { return Kind{Name: "Sluice " + mode, Mode: mode, open: openSluice} }

// Muted is the same server without metrics of requests.
func (k Kind) Muted() Kind {
	k.Name, k.Mute = k.Name+", muted", true
	return k
}

// Options are what all kinds of servers are given.
type Options struct {
	Dir     string // for configuration and logs; made if it does not exist
	Mode    string // see Kind
	Mute    bool   // likewise
	CPUs    string // processors it may use, as in taskset(1); all if empty
	Port    int    // for HTTP; the next is for HTTPS, and the two after it are for what it tells about itself
	Hosts   int    // 0 … Hosts-1 exist at the start
	Pods    []string
	Program string // Sluice
	Lua     string // directory of Sluice's Lua files
	Feature Feature
}

// Feature is what hosts have besides, with Sluice.
type Feature struct {
	Settings map[string]string           // of the ConfigMap
	Objects  []apiserver.Object          // beside those of the hosts
	Ingress  func(*networkingv1.Ingress) // changes the Ingress of each host; nil for none
	Headers  []string                    // of requests, as in "Name: value"
}

// Server is a server with its hosts.
type Server interface {
	// Start returns when the server answers for its last host.
	Start(ctx context.Context) error
	Stop()
	// SetHost tells the server of a host with two paths, / and /api, whose pods have these addresses. It does not wait
	// until that is live.
	SetHost(ctx context.Context, n int, pods ...string) error
	RemoveHost(ctx context.Context, n int) error
	// Processes are all that belong to it now.
	Processes() []int
	// Workers are those that serve requests, or would after a change.
	Workers() []int
	// Configuration is the size of what has to be read again for a new configuration, in bytes.
	Configuration() (int64, error)
}

// New prepares a server.
func New(kind Kind, o Options) (Server, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // workers are another user
		return nil, err
	}
	o.Mode, o.Mute = kind.Mode, kind.Mute
	return kind.open(o), nil
}

// base is what all servers have.
type base struct {
	Options
	process *process
}

// Processes implements Server.
func (b *base) Processes() []int { return Tree(b.process.cmd.Process.Pid) }

// Stop implements Server.
func (b *base) Stop() {
	if b.process != nil {
		b.process.stop()
	}
}

func (b *base) path(name string) string { return filepath.Join(b.Dir, name) }

// startup is for 10,000 hosts on a busy machine.
const startup = 5 * time.Minute

// run starts the program and waits until it serves the last host.
func (b *base) run(ctx context.Context, name string, args ...string) error {
	var err error
	if b.process, err = start(b.Dir, b.CPUs, name, args...); err != nil {
		return err
	}
	return b.process.await(ctx, startup, func(ctx context.Context) error { return Ask(ctx, b.Port, b.Hosts-1, b.Feature.Headers...) })
}

// Host is the name of a host.
func Host(n int) string { return fleet.Host(n) }

// Ask sends a request for a host, on a connection of its own and with headers as in "Name: value", and returns an error if the
// answer is not 200.
func Ask(ctx context.Context, port, host int, headers ...string) error {
	request, err := requestFor(ctx, port, host, headers...)
	if err != nil {
		return err
	}
	return expectOK(request)
}

// Session is the cookie that a host sets, as requests have it.
func Session(ctx context.Context, port, host int) (string, error) {
	request, err := requestFor(ctx, port, host)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("begin a session: %w", err)
	}
	defer response.Body.Close()
	cookies := response.Cookies()
	if len(cookies) != 1 {
		return "", fmt.Errorf("begin a session: the answer sets %d cookies", len(cookies))
	}
	return cookies[0].Name + "=" + cookies[0].Value, nil
}

func requestFor(ctx context.Context, port, host int, headers ...string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
	if err != nil {
		return nil, err
	}
	request.Host, request.Close = fleet.Host(host), true
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	return request, nil
}

var client = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func expectOK(request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer of %s is %s", cmp.Or(request.Host, request.URL.Path), response.Status)
	}
	return nil
}

// hosts are the pods of hosts, by number.
type hosts map[int][]string

func newHosts(o Options) hosts {
	h := make(hosts, o.Hosts)
	for n := range o.Hosts {
		h[n] = o.Pods
	}
	return h
}

func (h hosts) numbers() []int { return slices.Sorted(maps.Keys(h)) }

// sizes is the size of files.
func sizes(names ...string) (int64, error) {
	var sum int64
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		sum += info.Size()
	}
	return sum, nil
}
