//go:build integration

package equivalence

// hostPool are hosts of rules: names, wildcards of which some hide others, one to be spelt in lower case, one that is
// refused, and none.
var hostPool = []string{
	"a.test", "b.test", "c.test", "www.c.test", "www.d.test", "x.w.test", "*.w.test", "*.x.w.test", "*.test", "*.a.test", "UP.test", "no_host.test", "",
}

// alias is an item of server-alias, with names that ask for it or nearly so.
type alias struct {
	kind, text string
	names      []string
}

var aliases = []alias{
	{"name", "alias.test", []string{"alias.test", "ALIAS.test"}},
	{"name", "a.test", []string{"a.test"}},
	{"name", "www.b.test", []string{"www.b.test"}},
	{"name", "Mixed.Test", []string{"mixed.test"}},
	{"suffix", "*.many.org", []string{"p.many.org", "P.q.many.org", "many.org"}},
	{"suffix", "*.q.many.org", []string{"p.q.many.org", "q.many.org"}},
	{"suffix", "*.w.test", []string{"one.w.test", "one.two.w.test"}},
	{"suffix", ".both.org", []string{"both.org", "x.both.org", "x.y.both.org"}},
	{"prefix", "tail.*", []string{"tail.org", "tail.co.uk", "TAIL.x"}},
	{"prefix", "tail.co.*", []string{"tail.co.uk", "tail.co"}},
	{"pattern", `~^re-[0-9]+\.org$`, []string{"re-7.org", "RE-8.org", "re-.org"}},
	{"pattern", `~re-`, []string{"re-7.org", "are-.org", "Are-9.w.test"}},
	{"pattern", `~^[a-z]\.w\.test`, []string{"o.w.test", "o.w.test.org"}},
}

// plainPaths are no regular expressions, though some have characters that mean something in one.
var plainPaths = []string{
	"/", "", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/A", "/a.b", "/a+b", "/~u", "/\u00e9", "/\u00e9/b", "/a b", "/a%20b", "/a//b", "/b", "/b/c/d", "/c/",
	"/healthz", "/.well-known/acme-challenge", "/a;b", "/$x", `/q"q`, `/back\slash`, "/{x}", "/a/b/c/d/e/f/g/h",
}

// regexPath is a regular expression, with paths that it matches or nearly so.
type regexPath struct {
	text  string
	paths []string
}

var regexPaths = []regexPath{
	{"/a(/|$)(.*)", []string{"/a", "/a/", "/a/b/c", "/ab"}},
	{"/b/(.*)", []string{"/b/", "/b/x/y", "/b"}},
	{"/(.*)", []string{"/", "/x", "/x/y"}},
	{"/()(.*)", []string{"/", "/x/y"}},
	{"/v[0-9]+/([^/]+)/(.+)", []string{"/v1/x/y", "/v22/x/y/z", "/v/x/y"}},
	{"/a|/b", []string{"/a/x", "/b", "/c/b"}},
	{"/a.c", []string{"/abc", "/a.c", "/aXc/d"}},
	{"/x(?:y|z)/?$", []string{"/xy", "/xz/", "/xy/z"}},
	{`/d/\d{2,4}(\.html)?`, []string{"/d/12", "/d/1234.html", "/d/1"}},
	{"/[^/]+/b(.*)", []string{"/a/b", "/zz/bc/d"}},
	{"/A(B)(c)?", []string{"/ab", "/ABC", "/aBx"}},
	{"/look(?=b)(.)", []string{"/lookb", "/lookc"}},
	{"/a", []string{"/a", "/ab", "/a/b"}},
	{"/a/", []string{"/a/", "/a/b", "/a"}},
	{"/(", []string{"/("}},
	{"/(a)(b)(c)(d)(e)(f)(g)(h)(i)", []string{"/abcdefghi", "/abcdefghi/x"}},
}

// choice is an annotation with values to choose from.
type choice struct {
	key    string
	values []string
}

const (
	yes = "true"
	no  = "false"
)

// Targets of redirects say which annotation they come from; see redirectKind.
const (
	temporalHost  = "temporal.org"
	permanentHost = "permanent.org"
	rewriteHost   = "rewrite.org"
	rootTarget    = "/application"
)

var rewriteTargets = []string{
	"/", "/$1", "/$2", "/new/$1", "/$2/$1", "/x$1y$2z", "//$1", "/a/../$2", "relative/$1", "$1", "/$9", "/$1$is_args$args", "/$namespace/$service_name/$2",
	"/$http_x_a/$2", "/$request_method/$host/$1", "/new?x=1", "/a/b", "/$location_path", "/%2F",
}

var regexTraits = [][]choice{
	{{"use-regex", []string{yes}}},
	{{"rewrite-target", rewriteTargets}},
	{{"rewrite-target", rewriteTargets}, {"use-regex", []string{yes, no}}},
	{{"rewrite-target", []string{"/$2", "/$1", "/x"}}, {"x-forwarded-prefix", []string{"/shop", "/a b", "/$", "$request_uri $args"}}},
	{{"rewrite-target", []string{"/$2", "/$1", "/x"}}, {"x-forwarded-prefix", []string{
		"/shop/$1", "$1-$2", "$host$server_name$location_path", "$subdomain:$scheme:$server_port:$cookie_canary",
	}}},
	{{"rewrite-target", []string{
		"http://" + rewriteHost + "/$1", "https://" + rewriteHost + "/$2", "https://" + rewriteHost, "$scheme://" + rewriteHost + "/$2/$http_x_a", "http://$host/x/$1",
		"https://" + rewriteHost + "/$1$2$3$4$5$6$7$8$9",
	}}},
}

var traits = [][]choice{
	{{"app-root", []string{rootTarget, rootTarget + "/x~y", "relative"}}},
	{{"permanent-redirect", []string{"https://" + permanentHost, "http://" + permanentHost + "/x?y=z", "/" + permanentHost}}, {"permanent-redirect-code", []string{"301", "308", "303", "299"}}},
	{{"temporal-redirect", []string{"https://" + temporalHost + "/a", "http://" + temporalHost, "/nowhere"}}, {"temporal-redirect-code", []string{"302", "307", "308"}}},
	{{"from-to-www-redirect", []string{yes}}},
	{{"from-to-www-redirect", []string{yes}}, {"ssl-redirect", []string{no}}},
	{{"ssl-redirect", []string{no, yes}}},
	{{"force-ssl-redirect", []string{yes}}, {"preserve-trailing-slash", []string{yes, no}}, {"use-port-in-redirects", []string{yes, no}}},
	{{"use-port-in-redirects", []string{yes}}, {"relative-redirects", []string{yes, no, "maybe"}}},
	{{"allowlist-source-range", []string{"127.0.0.0/8", "127.0.0.1,::1", "127.0.0.9", "10.0.0.0/8", "none"}}},
	{{"whitelist-source-range", []string{"127.0.0.9/32"}}},
	{{"denylist-source-range", []string{"127.0.0.9", "127.0.0.0/8", "10.0.0.0/8"}}},
	{{"upstream-vhost", []string{
		"vhost.org", "$service_name.$namespace.org", "$host", "$ingress_name-${service_port}x", "$subdomain.org", "$server_name", "v.$http_x_a", "$request_uri",
		"$location_path", "$arg_q.$cookie_canary.$scheme.$query_string", "$best_http_host-$proxy_upstream_name", "$unknown",
	}}},
	{{"upstream-vhost", []string{"$server_name.$host.$location_path.$service_name.$namespace.$ingress_name.$service_port"}}},
	{{"proxy-body-size", []string{"1k", "1000", "8k", "0", "1m", "lots"}}},
	{{"proxy-body-size", []string{"1k", "2k"}}, {"proxy-request-buffering", []string{"off", "on"}}},
	{{"backend-protocol", []string{"HTTPS", "AUTO_HTTP", "HTTP", "other"}}},
	{{"backend-protocol", []string{"GRPC", "GRPCS"}}},
	{{"custom-http-errors", []string{"404,502,503", "400,405,413,503"}}, {"default-backend", []string{"s0", "s1", "empty", "nowhere"}}},
	{{"custom-http-errors", []string{"403,404,503"}}, {"disable-proxy-intercept-errors", []string{yes, no}}},
	{{"default-backend", []string{"s0", "s2"}}},
	{{"relative-redirects", []string{yes}}},
	{{"connection-proxy-header", []string{"close", "keep-alive"}}},
	{{"proxy-http-version", []string{"1.0", "1.1"}}},
	{{"proxy-buffering", []string{"on"}}, {"proxy-buffer-size", []string{"8k", "16k"}}},
	{{"proxy-read-timeout", []string{"30", "31"}}, {"proxy-next-upstream", []string{"off", "http_503"}}},
	{{"auth-url", []string{"http://auth.org"}}},
	{{"auth-url", []string{"http://127.0.0.1:1/$request_uri"}}, {"auth-cache-key", []string{"$server_name$cookie_a", "all"}}, {"auth-cache-duration", []string{"200 1m", "lots"}}, {"auth-keepalive", []string{"1"}}},
	{{"mirror-target", []string{"http://127.0.0.1:1$request_uri", "nowhere"}}, {"mirror-request-body", []string{"off", "on"}}},
	{{"limit-rps", []string{"1000000", "0", "many"}}, {"limit-burst-multiplier", []string{"2", "0"}}},
	{{"server-snippet", []string{"root /;", "add_header X-Own $host;", "add_header X-Own other;", "if ($arg_q = z) { return 418; }"}}},
	{{"configuration-snippet", []string{
		"add_header X-A $host always; set $a $http_x_a; if ($request_method = POST) { return 204; } rewrite ^/a/(.*)$ /b/$1 last;",
		"rewrite ^/(.*)b(.*)$ /$2x$1 break; more_set_headers \"X-B: $request_uri\"; error_page 404 502 /a;",
		"rewrite ^/(a.*)$ https://" + permanentHost + "/$1 permanent; if ($arg_q ~ (.)) { add_header X-Q $1; } deny 127.0.0.9;",
		"client_max_body_size 2k; proxy_set_header X-S $server_name; if ($host ~ ^a) { break; } return 200 $namespace$location_path;",
	}}},
	{{"enable-cors", []string{yes}}, {"cors-allow-origin", []string{"https://a.org,http://*.b.org", "*", "a.org"}}, {"cors-allow-credentials", []string{no, yes}}},
	{{"canary-weight", []string{"50"}}},
	{{"server-alias", aliasTexts(1)}},
	{{"server-alias", aliasTexts(3)}},
	{{"server-alias", append(aliasTexts(5), "bad alias")}},
}

// aliasTexts are lists of so many items each.
func aliasTexts(items int) []string {
	var list []string
	for first := range aliases {
		text := ""
		for n := range items {
			text += aliases[(first+4*n)%len(aliases)].text + ","
		}
		list = append(list, text[:len(text)-1])
	}
	return list
}

const (
	canaryHeader = "X-Canary"
	canaryCookie = "canary"
)

var canaryTraits = [][]choice{
	{{"canary-by-header", []string{canaryHeader}}},
	{{"canary-by-header", []string{canaryHeader}}, {"canary-by-header-value", []string{"blue"}}},
	{{"canary-by-header", []string{canaryHeader}}, {"canary-by-header-pattern", []string{"^de-[a-z]+$", "^de(", "blu"}}},
	{{"canary-by-cookie", []string{canaryCookie}}},
	{{"canary-by-header", []string{canaryHeader}}, {"canary-by-cookie", []string{canaryCookie}}},
	{{"canary-weight", []string{"100", "0", "120"}}},
}

var configPool = []choice{
	{"relative-redirects", []string{yes}},
	{"ssl-redirect", []string{no}},
	{"force-ssl-redirect", []string{yes}},
	{"preserve-trailing-slash", []string{yes}},
	{"use-port-in-redirects", []string{yes}},
	{"http-redirect-code", []string{"301", "302", "307", "999"}},
	{"no-tls-redirect-locations", []string{"/a,/b/", "/"}},
	{"hsts", []string{no}},
	{"hsts-preload", []string{yes}},
	{"proxy-body-size", []string{"1k", "3k"}},
	{"whitelist-source-range", []string{"127.0.0.1/32"}},
	{"allow-snippet-annotations", []string{"parsed"}},
	{"location-snippet", []string{"if ($arg_q = y) { add_header X-Own $host; }"}},
}
