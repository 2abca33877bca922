package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sluice-ingress/sluice/test/fleet"
)

const (
	nginxProgram = "/usr/sbin/nginx"
	modules      = "/usr/lib/nginx/modules/"
)

// plain is NGINX with one file for each host, as in sites-enabled.
type plain struct {
	base
	hosts hosts
}

func openPlain(o Options) Server { return &plain{base{Options: o}, newHosts(o)} }

// Start implements Server.
func (p *plain) Start(ctx context.Context) error {
	pair, err := wildcard()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.path("sites"), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(p.path("wildcard.pem"), append(pair.certificate, pair.key...), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(p.path("nginx.conf"), []byte(p.main()), 0o600); err != nil {
		return err
	}
	for _, n := range p.hosts.numbers() {
		if err := p.writeSite(n); err != nil {
			return err
		}
	}
	return p.run(ctx, nginxProgram, "-c", p.path("nginx.conf"))
}

// main is what all hosts share: the log, headers and TLS that Sluice has.
func (p *plain) main() string {
	return fmt.Sprintf(`load_module %[2]sngx_http_headers_more_filter_module.so;
daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1; worker_rlimit_nofile 65536; worker_shutdown_timeout 240s;
events { worker_connections 16384; multi_accept on; }
http {
  log_format full '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_host] [] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $request_id';
  access_log %[1]s/access.log full;
  server_tokens off; more_clear_headers Server; keepalive_requests 1000; tcp_nopush on; http2 on; reset_timedout_connection on;
  server_names_hash_max_size 32768; server_names_hash_bucket_size 128; proxy_headers_hash_bucket_size 128;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  ssl_certificate %[1]s/wildcard.pem; ssl_certificate_key %[1]s/wildcard.pem;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on; ssl_session_cache shared:SSL:10m; ssl_session_tickets off; ssl_buffer_size 4k;
  ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  map $https $hsts { on "max-age=31536000; includeSubDomains"; default $upstream_http_strict_transport_security; }
  more_set_headers "Strict-Transport-Security: $hsts";
  proxy_http_version 1.1; proxy_buffering off; proxy_connect_timeout 5s; proxy_next_upstream error timeout; proxy_next_upstream_tries 3;
  proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
  proxy_set_header X-Request-ID $request_id; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Scheme $scheme; proxy_set_header X-Scheme $scheme;
  proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for; proxy_set_header X-Original-Forwarded-Host $http_x_forwarded_host;
  proxy_set_header Proxy "";
  server { listen %[3]d default_server reuseport backlog=4096; listen %[4]d ssl default_server reuseport backlog=4096; return 404; }
  include %[1]s/sites/*.conf;
}
`, p.Dir, modules, p.Port, p.Port+1)
}

func (p *plain) site(n int) string { return p.path(fmt.Sprintf("sites/%d.conf", n)) }

func (p *plain) writeSite(n int) error {
	var b strings.Builder
	for _, service := range []string{"root", "api"} {
		fmt.Fprintf(&b, "upstream %s-%d {", service, n)
		for _, pod := range p.hosts[n] {
			fmt.Fprintf(&b, " server %s:%d;", pod, PodPort)
		}
		b.WriteString(" keepalive 64; }\n")
	}
	fmt.Fprintf(&b, `server { listen %[1]d; listen %[2]d ssl; server_name %[3]s;
  location / { proxy_pass http://root-%[4]d; }
  location = /api { proxy_pass http://api-%[4]d; }
  location /api/ { proxy_pass http://api-%[4]d; }
}
`, p.Port, p.Port+1, fleet.Host(n), n)
	return os.WriteFile(p.site(n), []byte(b.String()), 0o600)
}

// SetHost implements Server.
func (p *plain) SetHost(ctx context.Context, n int, pods ...string) error {
	p.hosts[n] = pods
	if err := p.writeSite(n); err != nil {
		return err
	}
	return p.reload(ctx)
}

// RemoveHost implements Server.
func (p *plain) RemoveHost(ctx context.Context, n int) error {
	delete(p.hosts, n)
	if err := os.Remove(p.site(n)); err != nil {
		return err
	}
	return p.reload(ctx)
}

// reload does what a careful engineer does.
func (p *plain) reload(ctx context.Context) error {
	if err := p.Check(ctx); err != nil {
		return err
	}
	return p.process.signal(syscall.SIGHUP)
}

// Check lets the program check its configuration.
func (p *plain) Check(ctx context.Context) error {
	return run(ctx, nginxProgram, "-t", "-q", "-c", p.path("nginx.conf"))
}

// Workers implements Server.
func (p *plain) Workers() []int { return p.Processes()[1:] }

// Configuration implements Server.
func (p *plain) Configuration() (int64, error) {
	files, err := filepath.Glob(p.path("sites/*.conf"))
	if err != nil {
		return 0, err
	}
	return sizes(append(files, p.path("nginx.conf"))...)
}
