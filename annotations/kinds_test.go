package annotations

import (
	"slices"
	"strings"
	"testing"
)

// kindCase says for a kind, by a setting that has it, what it takes, with what it makes of it, and what it refuses.
type kindCase struct {
	setting AnySetting
	takes   map[string]string
	refuses []string
}

// kindCases are those of all kinds.
var kindCases = slices.Concat(configKindCases, []kindCase{
	{
		sslRedirect,
		map[string]string{"true": "true", "True": "true", "TRUE": "true", "t": "true", "T": "true", "1": "true", "false": "false", "F": "false", "0": "false"},
		[]string{" true", "true ", "true\n", "yes", "on", "tRUE", "2", " "},
	},
	{
		proxyBuffersNumber,
		map[string]string{"2": "2", "+8": "8", "0016": "16", "65536": "65536"},
		[]string{"1", "65537", "-4", " 4", "4 ", "4k", "0x10", "1_000", "4.0", "99999999999999999999", "", " "},
	},
	{
		permanentRedirectCode,
		map[string]string{"308": "308", "-1": "-1", "99999999999": "99999999999"},
		[]string{"abc", "301 ", "3e2", "99999999999999999999"},
	},
	{
		readTimeout,
		map[string]string{"0": "0", "60": "60", "2147483647": "2147483647"},
		[]string{"-1", "1s", "1m", "2147483648", "99999999999999999999", "0.5", " 1", "60\n"},
	},
	{
		proxyBodySize,
		map[string]string{
			"0": "0", "8m": "8m", "8M": "8m", "8 m": "8m", " 8m ": "8m", "100": "100", "100b": "100", "1024B": "1k", "2g": "2048m", "5000000000": "5000000000",
			"9223372036854775807": "9223372036854775807", "8589934591g": "8796093021184m",
		},
		[]string{"-1", "15r", "8mb", "8kk", "m", "1.5m", "8\tm", "8m\n", "", " ", "b", "9223372036854775808", "8589934592g", "99999999999999999999m", "+8m"},
	},
	{
		proxyBufferSize,
		map[string]string{"1024": "1k", "1k": "1k", "1g": "1024m", "1025": "1025"},
		[]string{"1023", "1025m", "2g", "0"},
	},
	{
		protocol,
		map[string]string{"HTTP": "HTTP", "https": "HTTPS", " Grpc ": "GRPC", "grpcs": "GRPCS", "auto_http": "AUTO_HTTP", "FCGI": "FCGI"},
		[]string{"XYZ", "AJP", "HTTP/2", "H TTP", " "},
	},
	{
		proxyBuffering,
		map[string]string{"on": "on", "off": "off", " on ": "on"},
		[]string{"On", "true", "1", "on;"},
	},
	{
		nextUpstream,
		map[string]string{
			"error": "error", " timeout  error ": "error timeout", "http_503 http_503": "http_503", "off": "off", "error\nhttp_429": "error http_429",
			"error off non_idempotent": "error non_idempotent off",
		},
		[]string{"http_400", "error,timeout", "error;", " ", "OFF", "updating"},
	},
	{
		allowlist,
		map[string]string{
			"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "192.0.2.7": "192.0.2.7", "192.0.2.7/32": "192.0.2.7", "2001:DB8::1": "2001:db8::1",
			"b::/16, a::/16 ,10.0.0.1,\n10.0.0.1": "10.0.0.1,a::/16,b::/16", "::ffff:10.0.0.1": "10.0.0.1", "::ffff:10.0.0.0/104": "10.0.0.0/8",
			"0.0.0.0/0,::/0": "0.0.0.0/0,::/0",
		},
		[]string{
			" ", ",", "10.0.0.0/8,", "nope", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0", "10.0.0.0/8;", "fe80::1%eth0", "fe80::%eth0/64", "10.0.0.1-10.0.0.9",
			"::ffff:0.0.0.0/90", "all", "10.0.0.0/8 10.1.0.0/16", "255.255.255.255", "::ffff:255.255.255.255/128", "010.0.0.1", "unix:",
		},
	},
	{
		temporalRedirect,
		map[string]string{"https://example.com/a?b=c&d=e": "https://example.com/a?b=c&d=e", "/login": "/login", "ftp://x": "ftp://x", strings.Repeat("a", maxText): strings.Repeat("a", maxText)},
		[]string{
			"not a url", "https://example.com/$request_uri", "https://example.com/ ", "https://example.com\n", "https://x/%20", "https://x/#a", "https://x;", "https://x\"",
			"https://ü.example.com", "https://[::1]/", strings.Repeat("a", maxText+1), " ",
		},
	},
	{
		appRootPath,
		map[string]string{"/": "/", "/foo": "/foo", "/foo/bar~": "/foo/bar~", "//foo": "//foo"},
		[]string{"foo", "http://example.com/", "/foo;bar", "/foo bar", "/$host", "/foo?a", " /foo", ""},
	},
	{
		rewriteTarget,
		map[string]string{"/": "/", "/$2": "/$2", "$1": "$1", "x": "x", "/a-$1.$9": "/a-$1.$9", "https://example.com/$1": "https://example.com/$1", "/$namespace/$1": "/$namespace/$1"},
		[]string{"/x y", "/x?a=$1", "/x&", "/%20", "/$", "/$0", "/$nope", "/${host}", "/$1 ", "/x\"", "/x;", "/$uri", strings.Repeat("$1", 400)},
	},
	{
		forwardedPrefix,
		map[string]string{"/shop": "/shop", "prefix": "prefix", "/$1/$2": "/$1/$2", " /a b ": "/a b"},
		[]string{"/a;b", "/a\"", "/a\nb", "/a\n", "/$uri", "/$", " ", "/a?b"},
	},
	{
		upstreamVhostHost,
		map[string]string{"a.example.com": "a.example.com", "a:8080": "a:8080", "$service_name.${namespace}.svc": "$service_name.${namespace}.svc", "$http_x_tenant": "$http_x_tenant"},
		[]string{"a b", "$", "a$", "${host", "$1", "$uri", "$document_uri", "$nope", "$http_", "${}", "a;b", "a\"", "$upstream_addr", "$ssl_server_name"},
	},
	{
		serverAliases,
		map[string]string{
			"b.example.com, A.example.com ,a.example.com": "a.example.com,b.example.com", "*.example.com": "*.example.com", "www.example.*": "www.example.*",
			".example.com": "*.example.com,example.com", `~^a\d+\.example\.com$`: `~^a\d+\.example\.com$`, "a.example.com.": "a.example.com", "a,,b": "a,b",
			"under_score.example.com": "under_score.example.com",
		},
		[]string{
			"~", "~(", "~a b", "a b", "*", "*.*", "a.*.b", "*a.example.com", "..", ".", "a..b", "a/b", "http://a", "a:80", "a;b", `a"b`, " ", ",", "~(?<x>a)",
			strings.Repeat("a", 254), "a.example.com,~[", "~" + strings.Repeat("a", maxText+1), "$host",
		},
	},
	{
		hashBy,
		map[string]string{
			"$request_uri": "$request_uri", "${arg_a}-x": "$arg_a-x", "${host}x": "${host}x", "$uri$host": "$uri$host", " $binary_remote_addr ": "$binary_remote_addr",
			"a-_{}": "a-_{}", "$http_x_key": "$http_x_key", "$ssl_session_id": "$ssl_session_id",
		},
		[]string{"a b;", "$", "${host", "$nope", "$server_name", "$ssl_client_raw_cert", "$1", "a.b", "\"", "\\$host", "$host\n", " ", strings.Repeat("a", maxText+1)},
	},
	{
		hashBySubsetSize,
		map[string]string{"0": "3", "1": "1", "5": "5"},
		[]string{"-1", "a", "2147483648"},
	},
	{
		affinityOn,
		map[string]string{"cookie": "cookie", " cookie ": "cookie"},
		[]string{"Cookie", "ip", "cookies"},
	},
	{
		cookieMaxAge,
		map[string]string{"0": "0", "-1": "-1", "+3": "3", "2147483647": "2147483647"},
		[]string{"abc", "1d", " 1", "2147483648", "-2147483648", ""},
	},
	{
		cookiePath,
		map[string]string{"/": "/", " /a?b=c&d,e ": "/a?b=c&d,e", "a": "a"},
		[]string{"no slash;", "/a b", "/\"", "/a\nb", " "},
	},
	{
		cookieSameSite,
		map[string]string{"none": "None", "LAX": "Lax", "Strict": "Strict"},
		[]string{"all", "None;"},
	},
	{
		keepaliveTime,
		map[string]string{"1h": "3600s", "1h 30m": "5400s", "1h30m": "5400s", "90": "90s", "1M 1d": "2678400s", "1y": "31536000s"},
		[]string{"soon", "1 h", "-1", "1ms", "2y", "99999999999999999999", "9999999999", " ", "", "1.5h"},
	},
	{
		canaryHeader,
		map[string]string{"X-Canary": "X-Canary", " X_Canary\n": "X_Canary", "a.b~c/d:e": "a.b~c/d:e"},
		[]string{"X Canary", "X-Canary;", "X-Canary\nY", "\"x\"", "$x", " ", "ü", strings.Repeat("a", maxText+1)},
	},
	{
		canaryHeaderValue,
		map[string]string{" deep blue ": "deep blue", "always": "always"},
		[]string{"a,b", "a;b", "a=b", "a\nb", "a\tb", "  ", "(a)"},
	},
	{
		canaryHeaderPattern,
		map[string]string{"^Do[A-Z]{2}$": "^Do[A-Z]{2}$", "a|b": "a|b", "(": "("},
		[]string{"a b", " a", "a\n", "a,b", "a#b", "a;b", "'a'", "<a>", strings.Repeat("a", maxText+1)},
	},
	{
		corsOrigins,
		map[string]string{
			"*": "*", "https://a.b, *": "*", " https://B.example.com:8443,http://*.a.b\n": "http://*.a.b,https://b.example.com:8443", "null": "null", "a.b": "a.b",
			"https://a.b/c": "https://a.b/c", "https://*": "https://*", "https://a.*.b": "https://a.*.b", "https://": "https://", "//a": "//a", ",": "",
		},
		nil,
	},
	{
		corsMethods,
		map[string]string{" GET, POST\n": "GET, POST", "M-SEARCH,GET": "M-SEARCH,GET"},
		[]string{"G!T", " ", "GET;POST", "GET\nPOST", "$host", "\""},
	},
	{
		corsExposed,
		map[string]string{"*": "*", "X_A, X-B": "X_A, X-B"},
		[]string{"a;b", "a: b", "$host"},
	},
	{
		limitRPS,
		map[string]string{"0": "0", "-1": "-1", "+5": "5", "2147483647": "2147483647"},
		[]string{"2147483648", " 5", "5r/s", "1.5", ""},
	},
	{
		limitConnections,
		map[string]string{"-1": "-1", "65535": "65535"},
		[]string{"65536", "x"},
	},
	{
		noTLSRedirect,
		map[string]string{"/a, /b": "/a,/b", ",": "", "/a b": "/a b"},
		nil,
	},
	{
		sslCiphers,
		map[string]string{
			"HIGH:!aNULL": "HIGH:!aNULL", " AES128-SHA ": "AES128-SHA", "DEFAULT@SECLEVEL=0": "DEFAULT@SECLEVEL=0", "@STRENGTH:ECDHE+AESGCM": "@STRENGTH:ECDHE+AESGCM",
			"-ALL:AES256-SHA": "-ALL:AES256-SHA", "UNKNOWN:kRSA+AES": "UNKNOWN:kRSA+AES", "HIGH:!PSK:!aNULL+AES": "HIGH:!PSK:!aNULL+AES",
			"TLSv1:-ECDSA": "TLSv1:-ECDSA", "ALL:!DHE:!kRSA:!SHA:!AES": "ALL:!DHE:!kRSA:!SHA:!AES",
		},
		[]string{
			"A;B", "A:B", "", ":", "HIGH:", "HIGH::AES", "HIGH:!", "HIGH+:AES", "HIGH@SECLEVEL=3", "@SECLEVEL=6", "@FOO:HIGH", "@STRENGTH", "AES:!AES", "!AES:!CHACHA20:ALL", "UNKNOWN:DEFAULT",
			"HIGH:!UNKNOWN", "TLSv1:!ECDHE", "HIGH:-ALL", "aNULL", "HIGH\n:a\"", "ECDHE+kRSA",
		},
	},
	{
		sslSessionTimeout,
		map[string]string{"90": "90s", "0": "0s", "1h 30m": "5400s", "1d12h": "129600s", "10m": "600s", "1y": "31536000s"},
		[]string{"", " ", "h", "1h1h", "30m 1h", "1x", "-1", "2y", "99999999999999999999", "1.5h", "10ms"},
	},
	{
		sslCurves,
		map[string]string{"auto": "auto", "P-256:prime256v1:X25519": "prime256v1:X25519"},
		[]string{"", "auto:X25519", "x", "X25519:", "X25519;"},
	},
	{
		authTLSSecret,
		map[string]string{"a/b": "a/b", " a / b\n": "a/b", "b": "/b", "a/b/c": "a/b/c"},
		[]string{"a;b", "a b/ü", " ", "$a/b"},
	},
	{
		authTLSMatchCN,
		map[string]string{"CN=a": "CN=a", "CN=(a|b) c,O=d": "CN=(a|b) c,O=d"},
		[]string{"CN=", "cn=a", "a", " CN=a", "CN=a)(?:b", "CN=(", `CN=a\`, "CN=(?<namespace>a)", "CN=(?x)a #", "CN=a\n", `CN=\Qa`, "CN=" + strings.Repeat("a", maxText)},
	},
	{
		authTLSErrorPage,
		map[string]string{"/a": "/a", "https://a.b:1/c": "https://a.b:1/c"},
		[]string{"@a", "//a.b", "ftp://a", "/a?b", "/a b", "https://a/$uri", "", "a", "https://"},
	},
	{
		authType,
		map[string]string{"basic": "basic", " basic ": "basic"},
		[]string{"digest", "Basic", "basics", "none", " "},
	},
	{
		authURL,
		map[string]string{
			"http://a": "http://a", " https://a.b:8443/c?d=$host ": "https://a.b:8443/c?d=$host", "https://$host/x": "https://$host/x", "http://$service_name.$namespace.svc": "http://$service_name.$namespace.svc",
		},
		[]string{
			"bar", "//a", "ftp://a", "http://", "http://a..b/", "http://a:0/", "http://a:65536/", "http://a:b/", "http://$http_host/", "http://$http_x/", "http://$arg_a/", "http://a/$uri",
			"http://a/?$http_x", "http://a/?$cookie_a", "http://a/#b", "http://a\"b", "http://a;b", "http://u@a/", "http://[::1]/", "$scheme://a/", "http://a/$", "http://a$server_name",
		},
	},
	{
		authCacheKey,
		map[string]string{" $remote_user $http_authorization ": "$remote_user$http_authorization", "${cookie_a}-b": "${cookie_a}-b", "$ssl_client_s_dn": "$ssl_client_s_dn"},
		[]string{"a", "", "$uri", "$secret", "$cookie_", "${cookie_a", "$", "$host;", "$host\"", strings.Repeat("$host", maxText)},
	},
	{
		authCacheDuration,
		map[string]string{"200 202 401 5m": "200 202 401 300s", "5m": "300s", " 200 1m ,any 30s,": "200 60s, any 30s"},
		[]string{"", ",", "200", "200 x", "99 1m", "600 1m", "200 1m, 200 2m", "0200 1m", "+200 1m", "200 1m;", "any any 1m", "200 -1s"},
	},
	{
		mirrorHost,
		map[string]string{"a.b": "a.b", " a:8080 ": "a:8080", "$host": "$host", "x-$http_host": "x-$http_host"},
		[]string{"", " ", "a b", "a/b", "$uri", "$http_x", "a;b", "a\nb", "$"},
	},
	{
		authSignin,
		map[string]string{"https://a/b?c=$escaped_request_uri": "https://a/b?c=$escaped_request_uri", "$scheme://$host/a": "$scheme://$host/a"},
		[]string{"/a", "a", "javascript:a", "https://", "https://a/$uri", "https://a;b", "https://a/$http_x"},
	},
	{
		authSigninParam,
		map[string]string{" rd ": "rd"},
		[]string{"$a", "a b", " ", "a;"},
	},
	{
		authResponseHeaders,
		map[string]string{"X-A, x-b,,X-a": "X-A,x-b", ",": ""},
		[]string{"a b", "a:b", "$a", "Content-Length", "transfer-encoding,a", strings.Repeat("a", 3) + ";"},
	},
	{
		authRealm,
		map[string]string{"": "", " Shop - a.b ": "Shop - a.b", "Off": "Off", "off off": "off off"},
		[]string{"off", " off\n", "a\"b", "a;b", "$realm", "a\nb", strings.Repeat("a", maxText+1)},
	},
	{
		httpRedirectCode,
		map[string]string{"301": "301", "302": "302", "307": "307", "308": "308"},
		[]string{"303", "999", "30", "", "abc"},
	},
})

func TestKinds(t *testing.T) {
	for _, c := range kindCases {
		key := c.setting.about().key
		for text, want := range c.takes {
			value, err := c.setting.parse(text)
			if err != nil {
				t.Errorf("%s: %.80q is refused: it %v", key, text, err)
				continue
			}
			v := Values{own: map[string]any{key: value}}
			if got := c.setting.textIn(v); got != want {
				t.Errorf("%s: %.80q becomes %.80q, want %.80q", key, text, got, want)
			}
		}
		for _, text := range c.refuses {
			if value, err := c.setting.parse(text); err == nil {
				t.Errorf("%s: %.80q is taken, as %v", key, text, value)
			}
		}
	}
}

// What a kind says of itself is true: its edges, examples and defaults are values it takes, and what it
// prints it reads back as the same.
func TestSettingsTakeWhatTheyShow(t *testing.T) {
	for _, f := range features {
		for _, s := range f.Settings {
			about := s.about()
			texts := append([]string{about.example}, s.edges()...)
			if text := s.textIn(Values{}); text != "" {
				texts = append(texts, text)
			}
			for _, text := range texts {
				value, err := s.parse(text)
				if err != nil {
					t.Errorf("%s: %.80q is refused: it %v", about.key, text, err)
					continue
				}
				printed := s.textIn(Values{own: map[string]any{about.key: value}})
				if printed == "" {
					continue // an empty list: an empty annotation is never read
				}
				again, err := s.parse(printed)
				if err != nil {
					t.Errorf("%s: %.80q is printed as %.80q, which is refused: it %v", about.key, text, printed, err)
				} else if twice := s.textIn(Values{own: map[string]any{about.key: again}}); twice != printed {
					t.Errorf("%s: %.80q is printed as %.80q, read and printed again as %.80q", about.key, text, printed, twice)
				}
			}
		}
	}
}

// Every setting can be looked up: it has a description, an example and edges to try.
func TestSettingsAreDescribed(t *testing.T) {
	for _, f := range features {
		if f.Name == "" {
			t.Errorf("a feature has no name: %v", f.Settings[0].about().key)
		}
		for _, s := range f.Settings {
			about := s.about()
			if !strings.HasSuffix(about.doc, ".") || about.example == "" || s.kindName() == "" || len(s.edges()) == 0 {
				t.Errorf("%s lacks a description that ends in a full stop, an example, the name of its kind or edges", about.key)
			}
			if s.textIn(Values{}) == about.example {
				t.Errorf("%s: the example %q is the default", about.key, about.example)
			}
		}
	}
}

// The outcomes of bad values are those of the column "bad" in the reference of ingress-nginx.
func TestOutcomesOfBadValues(t *testing.T) {
	refused := []string{
		"auth-realm", "auth-secret-type", "auth-snippet", "auth-type", "http2-push-preload",
		"auth-tls-error-page", "auth-tls-match-cn", "auth-tls-pass-certificate-to-upstream", "auth-tls-secret",
		"client-body-buffer-size", "configuration-snippet", "connection-proxy-header", "custom-http-errors", "default-backend",
		"fastcgi-index", "fastcgi-params-configmap", "from-to-www-redirect", "limit-allowlist", "limit-connections", "limit-rpm", "limit-rps", "load-balance", "modsecurity-snippet", "opentelemetry-operation-name", "permanent-redirect",
		"permanent-redirect-code", "proxy-ssl-secret", "relative-redirects", "server-alias", "server-snippet", "ssl-ciphers", "stream-snippet",
		"temporal-redirect", "temporal-redirect-code", "upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size",
		"upstream-vhost", "x-forwarded-prefix",
	}
	want := map[string]Outcome{
		"allowlist-source-range": Deny, "denylist-source-range": Deny, "auth-secret": Deny, "auth-url": Deny, "auth-method": Deny,
		"enable-modsecurity": Deny, "enable-owasp-core-rules": Deny, "enable-owasp-modsecurity-crs": Deny, "global-modsecurity-snippet": Deny,
		"block-cidrs": Deny, "block-user-agents": Deny, "block-referers": Deny,
		"auth-response-headers": Deny, "auth-cache-duration": Deny, "auth-proxy-set-headers": Deny, "cors-allow-origin": Deny, "limit-burst-multiplier": Deny,
	}
	for _, key := range refused {
		want[key] = Refuse
	}
	for _, f := range features {
		for _, s := range f.Settings {
			about := s.about()
			if about.outcome != want[about.key] {
				t.Errorf("%s: a bad value has outcome %d, want %d", about.key, about.outcome, want[about.key])
			}
			if f.Guards && about.outcome == UseDefault {
				t.Errorf("%s guards, and a bad value means the default", about.key)
			}
			delete(want, about.key)
		}
	}
	for key := range want {
		t.Errorf("there is no setting %s", key)
	}
}
