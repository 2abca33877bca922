package annotations

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/annotations/snippet"
	"github.com/sluice-ingress/sluice/nginx"
)

var (
	authCacheKey = New("auth-cache-key", cacheKeyKind, "").GlobalAs("global-auth-cache-key").Example("$cookie_session").
			Doc("What clients are told apart by, so that answers of the service can be remembered. A request in which it is empty is asked about. Authorization, cookies, the client's certificate, the method, the host, the path of the Ingress and all that auth-url says are told apart in any case. Answers with Set-Cookie are not remembered, and Cache-Control of the service goes first.")
	authCacheDuration = New("auth-cache-duration", cacheDurationKind, []cacheDuration{{[]string{"200", "202", "401"}, 5 * time.Minute}}).
				GlobalAs("global-auth-cache-duration").Bad(Deny).Example("200 202 10m, 401 1m").
				Doc("How long answers are remembered, by status.")

	authKeepalive = Int("auth-keepalive", 0, 0, maxCount).Example("10").
			Doc("Above 0, connections to the service are kept for further questions: up to 320 per worker, those of all Ingresses together.")
	authKeepaliveRequests = Int("auth-keepalive-requests", 1000, 0, maxCount).Example("100").
				Doc("After how many questions such a connection is closed; 0 keeps none.")
	authKeepaliveTimeout = Int("auth-keepalive-timeout", 60, 0, maxIdle).Example("30").
				Doc("After how many idle seconds such a connection is closed; 0 keeps none.")
	authKeepaliveShareVars = Bool("auth-keepalive-share-vars", false).Example("true").
				Doc("Taken and needed for nothing: questions share the variables of the request in any case, X-Request-ID among them.")

	authSnippet = snippetOf("auth-snippet", snippet.InInquiry).Example("proxy_set_header X-Tenant shop;").
			Doc("Directives in NGINX's own language for the question. Refused unless allow-snippet-annotations says otherwise.")
	globalAuthSnippet = New("global-auth-snippet", Kind[string]{
		Name:  "directives of NGINX",
		Parse: func(s string) (string, error) { return s, nil },
		Print: keep,
		Edges: []string{"# nothing but\nproxy_set_header X-Tenant shop; # a comment"},
	}, "").ConfigOnly().Example("proxy_set_header X-Tenant shop;").
		Doc("The same for questions to global-auth-url, as it stands. If it is not whole directives, paths that global-auth-url guards answer 503.")
)

const maxIdle = 24 * 60 * 60 // seconds

// rememberAnswers adds to an inquiry what has answers of the service remembered. The key is a hash that workers make; see
// inquiry.lua.
func rememberAnswers(v Values, url serviceURL) (nginx.Directives, error) {
	text := authCacheKey.In(v)
	if text == "" {
		return nil, nil
	}
	key, err := expandKnown(text, noCaptures, inCacheKey)
	if err != nil {
		return nil, err // the kind has tried the same
	}
	var list nginx.Directives
	list.Add("set", nginx.Var("inquiry_key"), key)
	list.Add("set", nginx.Var("inquiry_uri"), url.uri)
	list.Add("set", nginx.Var("inquiry_digest"), nginx.Text(""))
	list.Add("set", nginx.Var("inquiry_unknown"), nginx.Text(""))
	list.Add("proxy_buffering", nginx.OnOff(true)) // nothing is remembered otherwise
	list.Add("proxy_cache", nginx.Verbatim(nginx.InquiryCache))
	list.Add("proxy_cache_key", nginx.Var("inquiry_digest"))
	list.Add("proxy_cache_bypass", nginx.Var("inquiry_unknown"))
	list.Add("proxy_no_cache", nginx.Var("inquiry_unknown"))
	for _, d := range authCacheDuration.In(v) {
		list.Add("proxy_cache_valid", append(nginx.Words(d.statuses...), nginx.Seconds(d.time))...)
	}
	return list, nil
}

// keepConnections adds to an inquiry what has connections to the service kept. Lua keeps them apart by settings and host.
func keepConnections(v Values) nginx.Directives {
	requests, timeout := authKeepaliveRequests.In(v), authKeepaliveTimeout.In(v)
	if authKeepalive.In(v) == 0 || requests == 0 || timeout == 0 {
		return nil
	}
	var list nginx.Directives
	list.Add("set", nginx.Var("inquiry_idle"), nginx.Int(timeout))
	list.Add("set", nginx.Var("inquiry_uses"), nginx.Int(requests))
	list.Add("proxy_http_version", nginx.Verbatim("1.1"))
	for _, name := range []string{"Connection", "Upgrade"} {
		list = append(list, nginx.HTTP1.SetHeader(nginx.Header{Name: name, Value: nginx.Text("")}))
	}
	return list
}

// withSnippet adds what the snippet of the question says, Ingress's or administrator's. Raw text takes the place of what is
// said once.
func withSnippet(v Values, list nginx.Directives, headers []nginx.Header) (nginx.Directives, []nginx.Header, error) {
	given := authSnippet.In(v)
	raw := given.raw
	if text := globalAuthSnippet.In(v); text != "" {
		d, err := nginx.Raw(text)
		if err != nil {
			return nil, nil, Denial(authURL, InvalidValue, "the key global-auth-snippet of the controller's ConfigMap %s", err)
		}
		raw = nginx.Directives{d}
	}
	var kept nginx.Directives
	for _, d := range list {
		if d.Name == "set" || !raw.Say(d.Name) {
			kept = append(kept, d)
		}
	}
	kept = append(append(append(kept, given.Early...), given.Body...), keepGroups(raw)...)
	return kept, nginx.MergeHeaders(headers, given.Headers), nil
}

// checkGlobalSnippet reports an administrator's snippet that cannot be used.
func checkGlobalSnippet(v Values, _ *nginx.HTTP) error {
	text := globalAuthSnippet.In(v)
	if text == "" {
		return nil
	}
	if _, err := nginx.Raw(text); err != nil {
		return Mistake(globalAuthSnippet, InvalidValue, "it %s; paths that global-auth-url guards answer 503", err)
	}
	return nil
}

// inCacheKey tells whether a variable may tell clients apart.
func inCacheKey(name string) bool {
	return isRequestVariable(name) || name == "remote_user" || name == "ssl_client_fingerprint" || name == "ssl_client_s_dn"
}

// cacheKeyKind ignores blanks, as ingress-nginx does. A key without variables would tell nobody apart.
var cacheKeyKind = Kind[string]{
	Name: "a text with variables of the request",
	Parse: func(s string) (string, error) {
		text, err := only(strings.Join(strings.Fields(s), ""), "-_${}")
		if err == nil && !strings.Contains(text, "$") {
			err = errors.New("has no variable, and so tells no client from another")
		}
		if err == nil {
			_, err = expandKnown(text, noCaptures, inCacheKey)
		}
		return text, err
	},
	Print: keep,
	Edges: []string{"$remote_user$http_authorization", "${cookie_session}-x", "$ssl_client_fingerprint"},
}

// cacheDuration says how long answers with some statuses are remembered.
type cacheDuration struct {
	statuses []string // none means 200, 301 and 302
	time     time.Duration
}

var cacheDurationKind = Kind[[]cacheDuration]{
	Name:  "a list of statuses and times, such as 200 202 10m, 401 1m",
	Parse: parseCacheDurations,
	Print: func(list []cacheDuration) string {
		var items []string
		for _, d := range list {
			items = append(items, strings.Join(append(d.statuses[:len(d.statuses):len(d.statuses)], timeKind.Print(d.time)), " "))
		}
		return strings.Join(items, ", ")
	},
	Edges: []string{"1s", "200 202 401 5m", "200 1m,401 1s, any 1h", "0s"},
}

func parseCacheDurations(s string) ([]cacheDuration, error) {
	var list []cacheDuration
	seen := map[string]bool{}
	for _, item := range strings.Split(s, ",") {
		words := strings.Fields(item)
		if len(words) == 0 {
			continue
		}
		last := len(words) - 1
		length, err := timeKind.Parse(words[last])
		if err != nil || last == 0 && !strings.ContainsAny(words[0], "ywdhms") {
			return nil, errors.New("has an item that does not end in a time") // a number alone may be meant as a status
		}
		for _, status := range words[:last] {
			n, err := strconv.Atoi(status)
			if status != "any" && (err != nil || n < 200 || n > 599 || strconv.Itoa(n) != status) {
				return nil, errors.New("has the status " + printable(status))
			}
			if seen[status] {
				return nil, errors.New("has the status " + status + " twice")
			}
			seen[status] = true
		}
		list = append(list, cacheDuration{words[:last], length})
	}
	if len(list) == 0 || len(list) > 100 {
		return nil, notA("a list of statuses and times, such as 200 202 10m, 401 1m")
	}
	return list, nil
}
