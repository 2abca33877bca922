package golden

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/controller/explain"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// Explained is the request as package explain takes it.
func (r Request) Explained() request.Request {
	out := request.Request{
		Method: r.Method, Target: r.Target, Host: r.URL.Host, Secure: r.URL.Scheme == "https", Body: int64(len(r.Body)), HasCertificate: r.Client != "",
		Client: netip.MustParseAddr(cmp.Or(r.From, "127.0.0.1")),
	}
	if out.Secure {
		out.ServerName, _, _ = strings.Cut(r.URL.Host, ":")
	}
	if r.SNI != nil {
		out.ServerName = *r.SNI
	}
	if own, is := r.Header["Host"]; is {
		out.Host = own[0]
	}
	if r.HTTP2 || r.Header.Get("Content-Type") == "application/grpc" {
		out.Protocol = "HTTP/2.0"
	}
	for name, values := range r.Header {
		for _, v := range values {
			if name != "Host" {
				out.Headers = append(out.Headers, request.Header{Name: name, Value: v})
			}
		}
	}
	return out
}

// Contradictions are what a decision says that differs from the answer that the case expects.
func (r Request) Contradictions(d explain.Decision) []string {
	var wrong []string
	expect := func(what, got, want string) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s is %q, want %q", what, got, want))
		}
	}
	o := d.Outcome
	if r.Proxy != "" || r.Cipher != 0 || len(d.NotFollowed) > 0 || o.Assumed && len(r.Upstream) == 0 {
		return nil // nobody says that it knows
	}
	if o.NoHandshake || r.Status == noHandshake {
		expect("handshake refused", strconv.FormatBool(o.NoHandshake), strconv.FormatBool(r.Status == noHandshake))
		return wrong
	}
	if o.Backend == nil {
		expect("status", strconv.Itoa(o.Status), strconv.Itoa(r.Status))
		for _, h := range r.WantHeader {
			if h.Name == "Location" {
				expect("Location", o.Location, h.Value)
			}
		}
		if len(r.Upstream) > 0 {
			wrong = append(wrong, "a pod gets it")
		}
		return wrong
	}
	if r.NoUpstream && !r.isOfThePod() && !r.asksForError(o) {
		wrong = append(wrong, "no pod gets it")
	}
	if len(o.Backend.OnError) > 0 && r.asksForError(o) {
		return append(wrong, r.inItsPlace(o)...)
	}
	for _, p := range r.Upstream {
		got, known := predicted(o, p, r)
		if known && !(o.Assumed && p.Name == "service") { // a session, or who is asked, may have the request go elsewhere
			expect("pod sees "+p.Name, got, p.Value)
		}
	}
	return wrong
}

// asksForError tells whether the pod answers with an error, because the request asks it to, or not at all.
func (r Request) asksForError(o explain.Outcome) bool {
	return strings.Contains(r.Target, "__status=") || slices.ContainsFunc(o.Backend.Shares[0].Endpoints, func(e explain.Endpoint) bool {
		return strings.HasPrefix(e.Address, "127.0.21.")
	})
}

// inItsPlace compares who answers in place of errors of pods.
func (r Request) inItsPlace(o explain.Outcome) []string {
	for _, p := range r.Upstream {
		if p.Name != "service" {
			continue
		}
		shares := o.Backend.Shares
		for _, replacement := range o.Backend.OnError {
			shares = append(shares, replacement.Shares...)
		}
		if got, _ := service(shares, p.Value); got != p.Value {
			return []string{fmt.Sprintf("of an error, service is %q, want %q", got, p.Value)}
		}
	}
	return nil
}

// isOfThePod tells whether the status is one that NGINX makes of what a pod does: it refuses connections, is late or answers too
// much.
func (r Request) isOfThePod() bool { return r.Status == 502 || r.Status == 504 }

// predicted is what a decision says that the pod sees, if it says it.
func predicted(o explain.Outcome, p Pair, r Request) (text string, known bool) {
	b := o.Backend
	if p.IsHeader {
		at := slices.IndexFunc(b.Headers, func(h explain.SentHeader) bool { return strings.EqualFold(h.Name, p.Name) })
		if at >= 0 {
			return b.Headers[at].Value, !b.Headers[at].Unknown
		}
		if strings.ContainsAny(p.Name, "_.") || slices.ContainsFunc(slices.Collect(maps.Keys(r.Header)), func(name string) bool {
			return strings.Contains(name, "_") && strings.EqualFold(strings.ReplaceAll(name, "_", "-"), p.Name)
		}) {
			return "", false // whether they get through depends on more than Headers
		}
		return strings.Join(r.Header[textproto.CanonicalMIMEHeaderKey(p.Name)], ", "), !madeByNGINX[p.Name] && !strings.HasPrefix(p.Name, "Fastcgi-")
	}
	switch p.Name {
	case "service":
		return service(b.Shares, p.Value)
	case "path":
		return b.URI, b.Protocol != "FCGI"
	case "method":
		return b.Method, true
	case "host":
		at := slices.IndexFunc(b.Headers, func(h explain.SentHeader) bool { return h.Name == "Host" })
		return b.Headers[max(at, 0)].Value, at >= 0 && !b.Headers[at].Unknown
	case "tls":
		return map[bool]string{true: "yes", false: "no"}[strings.HasSuffix(b.Protocol, "S")], b.Protocol != "FCGI"
	}
	return "", false
}

// madeByNGINX are headers that it makes by itself, or keeps.
var madeByNGINX = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Keep-Alive": true, "Te": true, "TE": true, "Expect": true}

// service is the Service that got the request, by the name that its pods give: what answers there is what has the addresses.
func service(shares []explain.Share, want string) (string, bool) {
	var names []string
	for _, s := range shares {
		for _, e := range s.Endpoints {
			if e.Used {
				names = append(names, podsOf(e.Address))
			}
		}
	}
	if slices.Contains(names, want) || slices.Contains(names, "") {
		return want, true
	}
	return strings.Join(names, " or "), true
}

// podsOf is what the pods at an address call themselves; "" if it is a name, or nobody of base.yaml.
func podsOf(address string) string { return Pods[address] }

// Pods are those of base.yaml that speak HTTP in the clear, by address: what they call themselves.
var Pods = map[string]string{
	"127.0.20.1:9080": "echo", "127.0.20.2:9080": "echo", "127.0.20.1:9081": "echo-alt", "127.0.20.2:9081": "echo-alt",
	"127.0.20.11:9080": "echo-b", "127.0.20.21:9080": "echo-c", "127.0.20.41:9080": "mixed", "127.0.20.99:80": "echo-vip",
	"[::1]:9080": "echo-6",
}
