package annotations

import "strings"

// configKindCases are those of kinds that only the ConfigMap has.
var configKindCases = []kindCase{
	{
		blockUserAgents,
		map[string]string{"Bot/1.0": `~*^Bot/1\.0$`, "~Bot, ~*bot|x": "~Bot,~*bot|x", ",": "", "default": "~*^default$", `a"$b{`: `~*^a"\$b\{$`, `\a`: `~*^\\a$`},
		[]string{"~", "~*", "a,~(", "~*(?<a>b)", "~[", "a\nb", "~a\x00", "~" + strings.Repeat("a", 4097)},
	},
	{
		gzipTypes,
		map[string]string{"text/plain  TEXT/css\ntext/plain": "text/plain text/css", "text/plain *": "*", "text/html": "text/html", "text/html a/b": "a/b"},
		[]string{"", "text", "/a", "a/", "a/b;c", "a,b", "a/$b", "**", "a/" + strings.Repeat("a", 45)},
	},
	{
		gzipDisable,
		map[string]string{"msie6": "msie6", "a|b c": "a|b c"},
		[]string{"(", "a\nb", "(?<a>b)", "["},
	},
	{
		clientHeaderTimeout,
		map[string]string{"1": "1", "2147483647": "2147483647"},
		[]string{"0", "-1", "60s", "2147483648", ""},
	},
	{
		largeHeaderBuffers,
		map[string]string{"4 8k": "4 8k", " 8\n16384 ": "8 16k", "1 1024": "1 1k"},
		[]string{"8k", "0 8k", "4 512", "4 2m", "129 8k", "4 8k 1", "a 8k", "4 8k;", ""},
	},
	{
		bindAddress,
		map[string]string{"10.0.0.2, 10.0.0.1,10.0.0.1": "10.0.0.1,10.0.0.2", "[2001:DB8::1]": "2001:db8::1", "::ffff:10.0.0.1": "10.0.0.1", "0.0.0.0": "0.0.0.0"},
		[]string{"10.0.0.0/8", "fe80::1%eth0", "224.0.0.1", "a.example.com", "10.0.0.1:80", "10.0.0.1;", "10.0.0.1,", ""},
	},
	{
		bindIPv4,
		map[string]string{"10.0.0.1": "10.0.0.1"},
		[]string{"::1"},
	},
	{
		bindIPv6,
		map[string]string{"::1": "::1"},
		[]string{"10.0.0.1", "::ffff:10.0.0.1"},
	},
	{
		workerProcesses,
		map[string]string{"auto": "auto", "1": "1", "256": "256"},
		[]string{"0", "-1", "257", "100000", "Auto", "2;", ""},
	},
	{
		workerAffinity,
		map[string]string{"auto": "auto", "auto  0101": "auto 0101", "01 10": "01 10"},
		[]string{"", "auto auto", "auto 01 10", "012", "0", "01;10", "01 auto", strings.Repeat("1", 1025)},
	},
	{
		workerShutdown,
		map[string]string{"240s": "240s", "1m 30s": "90s"},
		[]string{"0", "0s", "-1", "soon"},
	},
	{
		defaultType,
		map[string]string{"text/plain": "text/plain", "application/vnd.a+json": "application/vnd.a+json"},
		[]string{"text", "text/plain; charset=utf-8", "a/b c", "a/\"", ""},
	},
	{
		forwardedForHeader,
		map[string]string{"CF-Connecting-IP": "CF-Connecting-IP", "X-Real-IP": "X-Real-IP"},
		[]string{"proxy_protocol", "X_A", "a b", "", "a;b", "$a", "Connection", strings.Repeat("a", 101)},
	},
	{
		realIPFrom,
		map[string]string{"10.0.0.1, ::/0,localhost": "10.0.0.1,::/0,localhost", ",": ""},
		nil,
	},
	{
		addHeaders,
		map[string]string{"a/b": "a/b", "a-b/c.d": "a-b/c.d"},
		[]string{"a", "/a", "a/", "a/b/c", "a b/c", "a/$b", ""},
	},
	{
		cookieDomainRewrite,
		map[string]string{"off": "off", " off ": "off", "localhost  example.org": "localhost example.org", ".a b:8": ".a b:8", `~a.b c`: `~a.b c`},
		[]string{"", " ", "on", "a", "a b c", "a b;", "a $host", `a "b`, "a ü", "a off, b", "a\nb", "a\tb", "a b\n"},
	},
	{
		cookiePathRewrite,
		map[string]string{"off": "off", "/one/ /": "/one/ /", "~/a.? /b?c=d&e,": "~/a.? /b?c=d&e,"},
		[]string{"/", "/a", "~? /", "/a /b;", "/a /$1", "~*? /", "/ / /"},
	},
	{
		proxyRedirectFrom,
		map[string]string{"off": "off", "default": "default", " http://a/ ": "http://a/", "~/a.b": "~/a.b", "/": "/"},
		[]string{"", " ", "a b", "$scheme://a", "~?", "a;b", "a\"b"},
	},
	{
		logFormat,
		map[string]string{"$status": "$status", "a\nb$uri\n": "a b$uri", "${proxy_host}x": "${proxy_upstream_name}x", "\"';{}\\": "\"';{}\\"},
		[]string{"$", "${status", "$geoip2_planet", "$geoip_city", "$auth_cookie", "$1", "a\x00", "$http_", strings.Repeat("a", 5000)},
	},
	{
		accessLogPath,
		map[string]string{"/var/log/a.log": "/var/log/a.log", " /dev/stdout ": "/dev/stdout"},
		[]string{"/var/log/../a", "/var/log/", "/var/log", "/dev/sda", "a", "/var/log/$host", "/var/log/a b", "syslog:server=a", "off", "/var/log/" + strings.Repeat("a", 200)},
	},
	{
		accessLogParams,
		map[string]string{"buffer=16k  flush=1m gzip": "buffer=16k flush=1m gzip"},
		[]string{"flush=1m", "buffer=1k buffer=2k", "buffer=0", "if=$a", "buffer=1k;", "buffer=1g"},
	},
	{
		skippedURLs,
		map[string]string{"/a, ~^/b$,/a": "/a,~^/b$", "~*C": "~*C", ",": ""},
		[]string{"default", "a", "~(", "include /etc", "/a\nb", "/a,volatile"},
	},
	{
		syslogHost,
		map[string]string{"10.0.0.9": "10.0.0.9", "::1": "::1", "logs.example.com": "logs.example.com"},
		[]string{"unix:/a", "a,tag=b", "a:1", "", "a;b", "-a", "fe80::1%eth0"},
	},
}
