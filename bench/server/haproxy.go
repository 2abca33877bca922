package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-ingress/sluice/test/fleet"
)

const haproxyProgram = "/usr/sbin/haproxy"

// haproxy is HAProxy with maps from host and path to backends.
type haproxy struct {
	base
	hosts hosts
}

func openHAProxy(o Options) Server { return &haproxy{base{Options: o}, newHosts(o)} }

// Start implements Server.
func (h *haproxy) Start(ctx context.Context) error {
	pair, err := wildcard()
	if err != nil {
		return err
	}
	if err := os.WriteFile(h.path("wildcard.pem"), append(pair.certificate, pair.key...), 0o600); err != nil {
		return err
	}
	if err := h.write(); err != nil {
		return err
	}
	return h.run(ctx, haproxyProgram, "-W", "-db", "-f", h.path("haproxy.cfg"))
}

func (h *haproxy) write() error {
	var config, exact, prefixes strings.Builder
	config.WriteString(h.main())
	for _, n := range h.hosts.numbers() {
		for _, service := range []string{"root", "api"} {
			fmt.Fprintf(&config, "backend %s-%d\n", service, n)
			for i, pod := range h.hosts[n] {
				fmt.Fprintf(&config, "  server pod-%d %s:%d\n", i, pod, PodPort)
			}
		}
		fmt.Fprintf(&exact, "%s/api api-%d\n", fleet.Host(n), n)
		fmt.Fprintf(&prefixes, "%[1]s/ root-%[2]d\n%[1]s/api/ api-%[2]d\n", fleet.Host(n), n)
	}
	for name, text := range map[string]string{"haproxy.cfg": config.String(), "exact.map": exact.String(), "prefixes.map": prefixes.String()} {
		if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// main is what all hosts share: the log, headers and TLS that Sluice has.
func (h *haproxy) main() string {
	return fmt.Sprintf(`global
  log stdout format raw local0
  nbthread 1
  maxconn 8000
  stats socket %[1]s/admin.sock level admin expose-fd listeners
  hard-stop-after 240s
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
  ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384
defaults
  mode http
  log global
  log-format '%%ci - - [%%tr] "%%HM %%HU %%HV" %%ST %%B "%%[capture.req.hdr(0)]" "%%[capture.req.hdr(1)]" %%U %%Ta [%%b] [] %%si:%%sp %%B %%Tr %%ST %%[capture.req.hdr(2)]'
  option http-keep-alive
  http-reuse always
  balance roundrobin
  retries 3
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 75s
  timeout tunnel 1h
frontend web
  bind :%[2]d backlog 4096
  bind :%[3]d ssl crt %[1]s/wildcard.pem alpn h2,http/1.1 backlog 4096
  http-request set-header X-Request-ID %%[uuid] unless { req.hdr(X-Request-ID) -m found }
  http-request capture req.hdr(Referer) len 128
  http-request capture req.hdr(User-Agent) len 128
  http-request capture req.hdr(X-Request-ID) len 64
  http-request set-header X-Original-Forwarded-For %%[req.fhdr(X-Forwarded-For)] if { req.hdr(X-Forwarded-For) -m found }
  http-request set-header X-Original-Forwarded-Host %%[req.fhdr(X-Forwarded-Host)] if { req.hdr(X-Forwarded-Host) -m found }
  http-request set-header X-Real-IP %%[src]
  http-request set-header X-Forwarded-For %%[src]
  http-request set-header X-Forwarded-Host %%[req.hdr(Host)]
  http-request set-header X-Forwarded-Port %%[dst_port]
  http-request set-header X-Forwarded-Proto %%[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Scheme %%[ssl_fc,iif(https,http)]
  http-request set-header X-Scheme %%[ssl_fc,iif(https,http)]
  http-request del-header Proxy
  http-response del-header Server
  http-response set-header Strict-Transport-Security "max-age=31536000; includeSubDomains" if { ssl_fc }
  use_backend %%[base,lower,map_str(%[1]s/exact.map)] if { base,lower,map_str(%[1]s/exact.map) -m found }
  use_backend %%[base,lower,map_beg(%[1]s/prefixes.map,none)]
backend none
  http-request return status 404
`, h.Dir, h.Port, h.Port+1)
}

// SetHost implements Server. New addresses of a host with as many pods as before need no reload.
func (h *haproxy) SetHost(ctx context.Context, n int, pods ...string) error {
	before := h.hosts[n]
	h.hosts[n] = pods
	if len(before) != len(pods) {
		return h.reload(ctx)
	}
	var commands []string
	for _, service := range []string{"root", "api"} {
		for i, pod := range pods {
			commands = append(commands, fmt.Sprintf("set server %s-%d/pod-%d addr %s port %d", service, n, i, pod, PodPort))
		}
	}
	return h.tell(ctx, strings.Join(commands, "; "))
}

// tell sends commands to the admin socket.
func (h *haproxy) tell(ctx context.Context, commands string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", h.path("admin.sock"))
	if err != nil {
		return fmt.Errorf("connect to HAProxy's admin socket: %w", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, commands+"\n"); err != nil {
		return fmt.Errorf("tell HAProxy: %w", err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("read HAProxy's answer: %w", err)
	}
	for line := range strings.Lines(string(answer)) {
		if text := strings.TrimSpace(line); text != "" && !strings.Contains(text, "changed from") && !strings.HasPrefix(text, "no need to change") {
			return fmt.Errorf("HAProxy answers %s", text)
		}
	}
	return nil
}

// RemoveHost implements Server.
func (h *haproxy) RemoveHost(ctx context.Context, n int) error {
	delete(h.hosts, n)
	return h.reload(ctx)
}

func (h *haproxy) reload(ctx context.Context) error {
	if err := h.write(); err != nil {
		return err
	}
	if err := h.Check(ctx); err != nil {
		return err
	}
	return h.process.signal(syscall.SIGUSR2)
}

// Check lets the program check its configuration.
func (h *haproxy) Check(ctx context.Context) error {
	return run(ctx, haproxyProgram, "-c", "-q", "-f", h.path("haproxy.cfg"))
}

// Workers implements Server.
func (h *haproxy) Workers() []int { return h.Processes()[1:] }

// Configuration implements Server.
func (h *haproxy) Configuration() (int64, error) {
	return sizes(h.path("haproxy.cfg"), h.path("exact.map"), h.path("prefixes.map"))
}
