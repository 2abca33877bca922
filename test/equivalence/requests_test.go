//go:build integration

package equivalence

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// request is what is sent, by hand: clients of the standard library refuse much of it.
type request struct {
	secure     bool
	from       string // address of the client
	serverName string // asked for in TLS; "" for none
	method     string
	target     string
	protocol   string
	host       string // "" sends no such header
	header     []string
	body       int // bytes
	chunked    bool

	hostKind string   // what the host was made of
	changes  []string // what was done to the path that the target was made of
}

func (r request) way() way { return way{r.secure, r.from, r.serverName} }

func (r request) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", r.method, r.target, r.protocol)
	if r.host != "" {
		fmt.Fprintf(&b, "Host: %s\r\n", r.host)
	}
	b.WriteString("X-Request-ID: equal\r\n")
	for _, h := range r.header {
		b.WriteString(h + "\r\n")
	}
	body := strings.Repeat("x", r.body)
	switch {
	case r.chunked:
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", r.body, body)
		b.WriteString("Transfer-Encoding: chunked\r\n")
	case r.body > 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", r.body)
	}
	return b.String() + "\r\n" + body
}

func (r request) String() string {
	scheme := "http"
	if r.secure {
		scheme = "https"
	}
	head, _, _ := strings.Cut(r.text(), "\r\n\r\n")
	return fmt.Sprintf("%s %s, from %s, body of %d bytes:\n%.2000q", scheme, r.serverName, r.from, r.body, head)
}

// asker makes requests for a set.
type asker struct {
	*rand.Rand
	hosts   []hostName
	paths   map[string][]string // by host as a rule has it, those of all others by anyHost
	corners []corner
}

// corner is a place that random requests seldom come to in the one way that matters there.
type corner struct{ kind, host, path string }

const (
	ofCanary       = "of a canary"        // header or cookie decides
	ofPrefixHeader = "of a prefix header" // captures in it must not end it
)

// hostName is a name to ask for, what it was made of, and the host of a rule whose paths it is asked for.
type hostName struct{ name, kind, rule string }

const anyHost = "*"

// randomRequests makes requests for a set: equal numbers give equal ones.
func randomRequests(random *rand.Rand, s set, count int) []request {
	a := &asker{Rand: random, paths: map[string][]string{}}
	for _, i := range s.ingresses {
		for _, r := range i.Spec.Rules {
			a.addHost(r.Host, i.Annotations[prefix+"server-alias"])
			for _, p := range r.HTTP.Paths {
				samples := samplesOf(p)
				a.paths[r.Host] = append(a.paths[r.Host], samples...)
				a.paths[anyHost] = append(a.paths[anyHost], samples...)
				c := corner{host: strings.Replace(cmp.Or(r.Host, "nobody.org"), "*", "x", 1), path: samples[0]}
				switch {
				case i.Annotations[prefix+"canary"] == yes:
					c.kind = ofCanary
				case strings.Contains(i.Annotations[prefix+"x-forwarded-prefix"], "$"):
					c.kind = ofPrefixHeader
				default:
					continue
				}
				a.corners = append(a.corners, c)
			}
		}
	}
	list := make([]request, count)
	for n := range list {
		list[n] = a.request()
	}
	return list
}

func samplesOf(p networkingv1.HTTPIngressPath) []string {
	at := slices.IndexFunc(regexPaths, func(r regexPath) bool { return r.text == p.Path })
	if at < 0 {
		return []string{"/" + strings.TrimPrefix(p.Path, "/")}
	}
	return regexPaths[at].paths
}

// addHost notes the names by which a host and its aliases can be asked for, and some that are near.
func (a *asker) addHost(host, aliasList string) {
	add := func(kind string, names ...string) {
		for _, name := range names {
			a.hosts = append(a.hosts, hostName{name, kind, host})
		}
	}
	for _, item := range aliases {
		if slices.Contains(strings.Split(aliasList, ","), item.text) {
			add("alias "+item.kind, item.names...)
		}
	}
	suffix, isWildcard := strings.CutPrefix(host, "*")
	switch {
	case host == "":
		add("unknown", "nobody.org", "127.0.0.1", "[::1]", "_")
	case isWildcard:
		add("wildcard", "one"+suffix, "Two-2_x"+suffix, "x"+suffix)
		add("two labels deep", "one.two"+suffix)
		add("odd label", "a$b"+suffix, "\u00e9"+suffix, "~"+suffix, "*"+suffix)
		add("wildcard bare", suffix[1:])
		add("port", "one"+suffix+":8080")
	default:
		name := strings.ToLower(host)
		add("exact", name, name, name)
		add("upper case", strings.ToUpper(name))
		add("port", name+":8080")
		add("dot", name+".")
		add("one label deeper", "x."+name)
		add("www", "www."+name, strings.TrimPrefix(name, "www."))
	}
}

func (a *asker) request() request {
	host := pick(a, a.hosts)
	if a.chance(4) {
		host = pick(a, []hostName{{"nobody.org", "unknown", anyHost}, {"", "none", anyHost}, {"bad host", "malformed", anyHost}, {"a..test", "malformed", anyHost}})
	}
	r := request{
		secure: a.chance(35), from: "127.0.0.1", protocol: "HTTP/1.1", method: "GET", host: host.name, hostKind: host.kind,
	}
	if a.chance(10) {
		r.from = "127.0.0.9"
	}
	if a.chance(3) || r.host == "" && a.chance(70) {
		r.protocol = "HTTP/1.0"
	}
	if a.chance(35) {
		r.method = pick(a, []string{"POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE", "POST"})
	}
	// Few, as each costs a handshake, and certificates are no matter of routing.
	if r.secure && a.chance(10) {
		r.serverName = pick(a, []string{"a.test", "x.w.test", "one.w.test", "nobody.org"})
	}
	paths := a.paths[host.rule]
	if len(paths) == 0 || a.chance(15) {
		paths = a.paths[anyHost]
	}
	r.target = pick(a, paths)
	if len(a.corners) > 0 && a.chance(12) {
		a.turnInto(&r, pick(a, a.corners))
	}
	a.changePath(&r)
	a.addQuery(&r)
	a.addHeaders(&r)
	if r.method == "POST" || r.method == "PUT" || r.method == "PATCH" {
		r.body = pick(a, []int{0, 1, 999, 1001, 1023, 1024, 1025, 2049, 3073, 8192, 8193, 20000})
		r.chunked = a.chance(20)
	}
	return r
}

// turnInto makes a request one for a corner.
func (a *asker) turnInto(r *request, c corner) {
	r.host, r.target, r.hostKind = c.host, c.path, c.kind
	if c.kind == ofCanary {
		r.header = append(r.header, pick(a, []string{canaryHeader + ": always", canaryHeader + ": blue", canaryHeader + ": de-x", "Cookie: " + canaryCookie + "=always"}))
	} else if a.chance(50) {
		r.target += pick(a, []string{"%0A", "/%0D%0Ax", "%01", "%7F"})
		r.changes = append(r.changes, controlByte)
	}
}

func (a *asker) chance(percent int) bool { return a.IntN(100) < percent }

func (a *asker) addQuery(r *request) {
	if a.chance(55) {
		return
	}
	query := pick(a, []string{"?", "?a=b", "?q=x&r=/", "?a=%2F%20+%zz", "?x?y", "?q=\u00e9", "?/a/../b", "??", "?&", "?a=$1${host}", "?__status=404", "?__status=500&x"})
	r.target += query
	r.changes = append(r.changes, "query")
	if query == "?" {
		r.changes = append(r.changes, "empty query")
	}
}

func (a *asker) addHeaders(r *request) {
	for _, h := range []struct {
		percent int
		name    string
		values  []string
	}{
		{25, canaryHeader, []string{"always", "never", "blue", "de-x", "de-", "Always", ""}},
		{20, "Cookie", []string{"canary=always", "a=b; canary=never", "canary=x", "canary=always; canary=never"}},
		{20, "Origin", []string{"https://a.org", "http://x.b.org", "http://x.y.b.org", "null"}},
		{20, "X-A", []string{"a", "b/c", "x y", "\u00e9", "$host"}},
		{5, "X-Forwarded-For", []string{"192.0.2.7"}},
		{5, "X-Forwarded-Prefix", []string{"/client"}},
		{5, "X-Forwarded-Host", []string{"other.test"}},
		{5, "X-Forwarded-Proto", []string{"https", "http"}},
		{3, "X-Original-URI", []string{"/x"}},
		{2, "Connection", []string{"close"}},
	} {
		if a.chance(h.percent) {
			r.header = append(r.header, h.name+": "+pick(a, h.values))
		}
	}
}
