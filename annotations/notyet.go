package annotations

// foreign is an annotation of ingress-nginx that has no feature here yet. What would guard paths denies
// them, and what would replace traffic by other traffic refuses the Ingress: being parsed and doing
// nothing is not an option.
type foreign struct {
	outcome Outcome
}

func (f foreign) message() string {
	if f.outcome == UseDefault {
		return "this annotation is not supported yet and has no effect"
	}
	return "this annotation is not supported yet"
}

// notYet lists them by outcome. A feature that comes takes its names out of here.
var notYet = func() map[string]foreign {
	m := map[string]foreign{}
	for outcome, names := range map[Outcome][]string{
		Deny: {
			"auth-type", "auth-url", "auth-tls-secret", "limit-connections", "limit-rps", "limit-rpm", "proxy-ssl-secret",
			"enable-modsecurity", "custom-headers", "auth-proxy-set-headers",
		},
		Refuse: {
			"canary", "configuration-snippet", "server-snippet", "stream-snippet", "auth-snippet", "modsecurity-snippet",
		},
		UseDefault: {
			"auth-secret", "auth-secret-type", "auth-realm", "satisfy", "auth-method", "auth-signin", "auth-signin-redirect-param",
			"auth-response-headers", "auth-request-redirect", "auth-cache-key", "auth-cache-duration", "auth-keepalive",
			"auth-keepalive-share-vars", "auth-keepalive-requests", "auth-keepalive-timeout", "auth-always-set-cookie",
			"enable-global-auth", "auth-tls-verify-client", "auth-tls-verify-depth", "auth-tls-error-page",
			"auth-tls-pass-certificate-to-upstream", "auth-tls-match-cn", "proxy-ssl-ciphers", "proxy-ssl-protocols", "proxy-ssl-name",
			"proxy-ssl-verify", "proxy-ssl-verify-depth", "proxy-ssl-server-name", "canary-weight", "canary-weight-total",
			"canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie", "affinity", "affinity-mode",
			"affinity-canary-behavior", "session-cookie-name", "session-cookie-secure", "session-cookie-expires",
			"session-cookie-max-age", "session-cookie-path", "session-cookie-domain", "session-cookie-samesite",
			"session-cookie-conditional-samesite-none", "session-cookie-change-on-failure", "load-balance", "upstream-hash-by",
			"upstream-hash-by-subset", "upstream-hash-by-subset-size", "proxy-cookie-domain", "proxy-cookie-path",
			"proxy-redirect-from", "proxy-redirect-to", "connection-proxy-header", "http2-push-preload", "fastcgi-index",
			"fastcgi-params-configmap", "limit-burst-multiplier", "limit-rate", "limit-rate-after", "limit-allowlist",
			"limit-whitelist", "enable-cors", "cors-allow-origin", "cors-allow-methods", "cors-allow-headers",
			"cors-allow-credentials", "cors-expose-headers", "cors-max-age", "custom-http-errors", "disable-proxy-intercept-errors",
			"default-backend", "mirror-target", "mirror-request-body", "mirror-host", "ssl-ciphers", "ssl-prefer-server-ciphers",
			"ssl-passthrough", "enable-owasp-core-rules", "modsecurity-transaction-id", "enable-opentelemetry",
			"opentelemetry-trust-incoming-span", "opentelemetry-operation-name", "enable-access-log", "enable-rewrite-log",
		},
	} {
		for _, name := range names {
			m[name] = foreign{outcome}
		}
	}
	return m
}()

// configKeysNotYet are ConfigMap keys of ingress-nginx that have no feature here yet.
var configKeysNotYet = func() map[string]bool {
	m := map[string]bool{}
	for _, key := range []string{
		"allow-snippet-annotations", "annotations-risk-level", "annotation-value-word-blocklist", "allow-cross-namespace-resources",
		"strict-validate-path-type", "global-allowed-response-headers", "block-cidrs", "block-user-agents", "block-referers",
		"hide-headers", "server-tokens", "allow-backend-server-header", "ssl-protocols", "ssl-ciphers", "ssl-ecdh-curve", "ssl-dh-param",
		"ssl-early-data", "ssl-session-cache", "ssl-session-cache-size", "ssl-session-timeout", "ssl-session-tickets",
		"ssl-session-ticket-key", "ssl-buffer-size", "ssl-reject-handshake", "enable-ocsp", "proxy-ssl-location-only", "use-http2",
		"use-forwarded-headers", "compute-full-forwarded-for", "forwarded-for-header", "forwarded-host-header",
		"forwarded-for-proxy-protocol-header", "enable-real-ip", "proxy-real-ip-cidr", "use-proxy-protocol",
		"proxy-protocol-header-timeout", "proxy-add-original-uri-header", "generate-request-id", "proxy-cookie-path",
		"proxy-cookie-domain", "proxy-redirect-from", "proxy-redirect-to", "proxy-set-headers", "add-headers",
		"proxy-headers-hash-max-size", "proxy-headers-hash-bucket-size", "upstream-keepalive-connections", "upstream-keepalive-time",
		"upstream-keepalive-timeout", "upstream-keepalive-requests", "load-balance", "upstream-hash-by", "upstream-hash-by-subset",
		"upstream-hash-by-subset-size", "grpc-buffer-size-kb", "disable-proxy-intercept-errors", "custom-http-errors", "default-type",
		"disable-ipv6-dns", "limit-rate", "limit-rate-after", "limit-conn-zone-variable", "limit-req-status-code",
		"limit-conn-status-code", "global-auth-url", "global-auth-method", "global-auth-signin", "global-auth-signin-redirect-param",
		"global-auth-response-headers", "global-auth-request-redirect", "global-auth-snippet", "global-auth-cache-key",
		"global-auth-cache-duration", "global-auth-always-set-cookie", "no-auth-locations", "bind-address", "bind-address-ipv4",
		"bind-address-ipv6", "disable-ipv6", "reuse-port", "keep-alive", "keep-alive-requests", "http2-max-concurrent-streams",
		"http2-max-field-size", "http2-max-header-size", "http2-max-requests", "client-header-buffer-size", "client-header-timeout",
		"client-body-timeout", "large-client-header-buffers", "enable-underscores-in-headers", "ignore-invalid-headers",
		"worker-processes", "worker-cpu-affinity", "worker-shutdown-timeout", "enable-serial-reloads", "max-worker-connections",
		"max-worker-open-files", "enable-multi-accept", "enable-aio-write", "map-hash-bucket-size", "server-name-hash-max-size",
		"server-name-hash-bucket-size", "variables-hash-bucket-size", "variables-hash-max-size", "lua-shared-dicts",
		"debug-connections", "nginx-status-ipv4-whitelist", "nginx-status-ipv6-whitelist", "use-gzip", "gzip-level", "gzip-min-length",
		"gzip-disable", "gzip-types", "enable-brotli", "brotli-level", "brotli-min-length", "brotli-types", "use-geoip2",
		"geoip2-autoreload-in-minutes", "disable-access-log", "disable-http-access-log", "disable-stream-access-log",
		"access-log-path", "http-access-log-path", "stream-access-log-path", "access-log-params",
		"enable-access-log-for-default-backend", "enable-auth-access-log", "skip-access-log-urls", "log-format-upstream",
		"log-format-stream", "log-format-escape-json", "log-format-escape-none", "error-log-path", "error-log-level", "enable-syslog",
		"syslog-host", "syslog-port", "proxy-stream-timeout", "proxy-stream-next-upstream", "proxy-stream-next-upstream-timeout",
		"proxy-stream-next-upstream-tries", "proxy-stream-responses", "enable-modsecurity", "enable-owasp-modsecurity-crs",
		"modsecurity-snippet", "enable-opentelemetry", "opentelemetry-config", "opentelemetry-operation-name",
		"opentelemetry-trust-incoming-span", "otlp-collector-host", "otlp-collector-port", "otel-service-name", "otel-sampler",
		"otel-sampler-ratio", "otel-sampler-parent-based", "otel-max-queuesize", "otel-schedule-delay-millis",
		"otel-max-export-batch-size", "main-snippet", "http-snippet", "server-snippet", "location-snippet", "stream-snippet",
	} {
		m[key] = true
	}
	return m
}()
