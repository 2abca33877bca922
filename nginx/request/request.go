// Package request reads requests as NGINX does: the target in the request line, the host that is asked for, headers, cookies and
// arguments as its variables have them.
package request

import (
	"fmt"
	"net/netip"
	"strings"
)

// Request is a request as a client sends it.
type Request struct {
	Method   string
	Target   string // as in the request line: /path?query, or a whole URL for proxies
	Protocol string // HTTP/1.1 if empty
	Host     string // the header; "" for none
	Secure   bool   // over TLS
	// ServerName is what the client asks for in the handshake; "" for none.
	ServerName string
	// Headers are all others than Host, in their order.
	Headers []Header
	// Client is the address that the connection comes from; not valid if it does not matter.
	Client netip.Addr
	// Body is the length of the body in bytes.
	Body int64
	// HasCertificate means that the client shows a certificate. Whether it is good is not looked at.
	HasCertificate bool
}

// Header is one header of a request.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// New makes a request for a URL as clients write it, such as https://shop.example.com/cart?id=1. Without a scheme it is
// http.
func New(method, url string) (Request, error) {
	scheme, rest, has := strings.Cut(url, "://")
	if !has {
		scheme, rest = "http", url
	}
	secure := strings.EqualFold(scheme, "https")
	if !secure && !strings.EqualFold(scheme, "http") {
		return Request{}, fmt.Errorf("%q is neither an http nor an https URL", url)
	}
	if at := strings.IndexByte(rest, '#'); at >= 0 {
		rest = rest[:at] // clients keep it
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, target := rest[:end], rest[end:]
	if host == "" {
		return Request{}, fmt.Errorf("%q names no host", url)
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return Request{
		Method: method, Target: strings.ReplaceAll(target, " ", "%20"), Host: host, Secure: secure, ServerName: withoutPort(host),
		Client: netip.Addr{},
	}, nil
}

func withoutPort(host string) string {
	if strings.HasPrefix(host, "[") {
		return ""
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// Version is the protocol, HTTP/1.1 if none is given.
func (r *Request) Version() string {
	if r.Protocol == "" {
		return "HTTP/1.1"
	}
	return r.Protocol
}

// Scheme is http or https.
func (r *Request) Scheme() string {
	if r.Secure {
		return "https"
	}
	return "http"
}

// Line is the request line.
func (r *Request) Line() string { return r.Method + " " + r.Target + " " + r.Version() }

// Header are the values of the header with the name that a variable http_NAME has, joined as NGINX does. Headers with an underscore are left out, as by NGINX.
func (r *Request) Header(variable, separator string) string {
	var values []string
	for _, h := range r.Headers {
		if strings.ToLower(strings.ReplaceAll(h.Name, "-", "_")) == variable && !strings.Contains(h.Name, "_") {
			values = append(values, strings.Trim(h.Value, " \t"))
		}
	}
	return strings.Join(values, separator)
}

// Cookie is the value of a cookie, as ngx_http_parse_multi_header_lines finds it.
func (r *Request) Cookie(name string) string {
	text := r.Header("cookie", "; ")
	for text != "" {
		if len(text) > len(name) && strings.EqualFold(text[:len(name)], name) {
			if value, is := strings.CutPrefix(strings.TrimLeft(text[len(name):], " "), "="); is {
				value, _, _ = strings.Cut(strings.TrimLeft(value, " "), ";")
				return value
			}
		}
		at := strings.IndexAny(text, ";,")
		if at < 0 {
			return ""
		}
		text = strings.TrimLeft(text[at+1:], " ")
	}
	return ""
}

// Argument is the value of an argument of a query, as ngx_http_arg finds it.
func Argument(args, name string) string {
	for _, item := range strings.Split(args, "&") {
		key, value, has := strings.Cut(item, "=")
		if has && strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// LongestLine is how long a request line, or a header, may be in bytes, if large_client_header_buffers says nothing else.
const LongestLine = 8 << 10

// Target is what NGINX reads in a request line.
type Target struct {
	Host string // of a whole URL, as it stands there
	Sent string // the path with the query, as they were sent
	Path string // decoded, without dots and double slashes
	Args string

	IsEscaped bool // the path had a %
	HasPlus   bool // the path had a +
	IsEmpty   bool // a URL without a path
}

// ParseTarget reads a target, false for what NGINX answers 400, by the rules of ngx_http_parse_request_line and ngx_http_parse_complex_uri.
func ParseTarget(text string) (Target, bool) {
	t := Target{Sent: text}
	if !strings.HasPrefix(text, "/") {
		scheme, rest, has := strings.Cut(text, "://")
		if !has || !isScheme(scheme) {
			return t, false
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end, rest = len(rest), rest+"/"
		}
		t.Host, t.Sent = rest[:end], rest[end:]
		t.IsEmpty = strings.HasPrefix(t.Sent, "?")
	}
	return t, !HasControl(t.Sent) && t.normalize()
}

// HasControl tells whether a target, or the beginning of one, has a byte that NGINX takes in none: it says so when it comes to it.
func HasControl(target string) bool {
	for i := range len(target) {
		if target[i] <= ' ' || target[i] == 0x7f {
			return true
		}
	}
	return false
}

func isScheme(s string) bool {
	for i := range len(s) {
		if !isAlpha(s[i]) && (i == 0 || !isDigit(s[i]) && strings.IndexByte("+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// normalize decodes the path, merges slashes and resolves dots. It is false for what NGINX answers 400.
func (t *Target) normalize() bool {
	path, isValid := t.decode()
	if !isValid {
		return false
	}
	segments := strings.Split(string(path), "\x00")
	var kept []string
	last := len(segments) - 1
	for n, segment := range segments {
		switch {
		case segment == "" && n < last || segment == "." && n < last:
		case segment == ".":
			kept = append(kept, "")
		case segment == "..":
			if len(kept) == 0 {
				return false
			}
			kept = kept[:len(kept)-1]
			if n == last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	t.Path = "/" + strings.Join(kept, "/")
	return true
}

// decode cuts off the query and decodes the path, with a NUL in place of each slash but the first.
func (t *Target) decode() ([]byte, bool) {
	var path []byte
	text := strings.TrimPrefix(t.Sent, "/")
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '?', '#':
			if c == '?' {
				t.Args, _, _ = strings.Cut(text[i+1:], "#")
			}
			return path, true
		case '+':
			t.HasPlus = true
		case '%':
			if i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) {
				return nil, false
			}
			t.IsEscaped = true
			c = unhex(text[i+1])<<4 + unhex(text[i+2])
			if c == 0 {
				return nil, false
			}
			t.HasPlus = t.HasPlus || c == '+'
			i += 2
		}
		if c == '/' {
			c = 0
		}
		path = append(path, c)
	}
	return path, true
}

func unhex(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case isUpper(c):
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// IsMethod tells whether NGINX takes a method's name.
func IsMethod(name string) bool {
	for i := range len(name) {
		if !isUpper(name[i]) && name[i] != '_' && name[i] != '-' {
			return false
		}
	}
	return name != ""
}

// HostName is the name that a Host header or a URL asks for, by the rules of ngx_http_validate_host; false for what NGINX answers 400.
func HostName(text string) (string, bool) {
	end, dot, isLiteral, isRest := len(text), -2, false, false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.':
			if dot == i-1 {
				return "", false
			}
			dot = i
		case c == ':' && !isLiteral && !isRest:
			end, isRest = i, true
		case c == '[' && i == 0:
			isLiteral = true
		case c == ']' && isLiteral:
			end, isLiteral, isRest = i+1, false, true
		case c == '/' || c <= ' ' || c == 0x7f:
			return "", false
		}
	}
	if dot == end-1 {
		end--
	}
	return Lower(text[:max(end, 0)]), end > 0
}

// Lower is the text in lower case. It leaves bytes beyond ASCII as they are.
func Lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if isUpper(c) {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isAlpha(c byte) bool { return isUpper(c) || 'a' <= c && c <= 'z' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c|' ' && c|' ' <= 'f' }

// UnescapeRedirect undoes escapes as ngx_unescape_uri does for redirects: those of harmless characters, up to a question mark.
func UnescapeRedirect(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '?' {
			return b.String() + text[i:]
		}
		if c != '%' || i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) {
			b.WriteByte(c)
			continue
		}
		decoded := unhex(text[i+1])<<4 + unhex(text[i+2])
		switch {
		case decoded == '?':
			return b.String() + "?" + text[i+3:]
		case decoded > '%' && decoded < 0x7f:
			b.WriteByte(decoded)
		default:
			b.WriteString(text[i : i+3])
		}
		i += 2
	}
	return b.String()
}
