package explain

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/pcre"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// value is a text with variables in place. A variable whose value shows only when the request is there stands in it by its
// name, and then the text is not known.
type value struct {
	text    string
	unknown bool
}

// deepest is how many maps may refer to each other.
const deepest = 20

// expand puts the values of variables into a word of a directive.
func (w *walk) expand(word string) value {
	var out strings.Builder
	var v value
	for {
		before, rest, has := strings.Cut(word, "$")
		out.WriteString(before)
		if !has {
			v.text = out.String()
			return v
		}
		name, after := cutName(rest)
		if name == "" {
			out.WriteByte('$')
		} else {
			one := w.variable(name)
			out.WriteString(one.text)
			v.unknown = v.unknown || one.unknown
		}
		word = after
	}
}

// cutName cuts off the name of the variable that follows a dollar.
func cutName(s string) (name, rest string) {
	if inner, braces := strings.CutPrefix(s, "{"); braces {
		name, rest, _ = strings.Cut(inner, "}")
		return name, rest
	}
	if s != "" && '1' <= s[0] && s[0] <= '9' {
		return s[:1], s[1:]
	}
	end := 0
	for end < len(s) && isWord(s[end]) {
		end++
	}
	return s[:end], s[end:]
}

// variable is the value of a variable at this point of the request.
func (w *walk) variable(name string) value {
	if v, is := w.set[name]; is {
		return v
	}
	if len(name) == 1 && isDigit(name[0]) {
		if n := int(name[0] - '0'); n < len(w.captures) {
			return value{text: w.captures[n]}
		}
		return value{}
	}
	if d, is := w.maps[name]; is && w.depth < deepest {
		w.depth++
		defer func() { w.depth-- }()
		if d.Name() == "geo" {
			return w.geo(d)
		}
		v := w.mapped(d)
		if !isVolatile(d) {
			w.set[name] = v // as in NGINX for the rest of the request
		}
		return v
	}
	for _, family := range families {
		if rest, is := strings.CutPrefix(name, family.prefix); is && rest != "" {
			return family.read(w, rest)
		}
	}
	if strings.HasPrefix(name, "proxy_protocol_") {
		return value{}
	}
	if strings.HasSuffix(name, "remote_addr") && !w.request.Client.IsValid() {
		return value{"$" + name, true}
	}
	if read := builtin[name]; read != nil {
		return value{text: read(w)}
	}
	if emptyAtFirst[name] {
		return value{}
	}
	return value{"$" + name, true}
}

// families are the variables whose names end in what is asked for.
var families = []struct {
	prefix string
	read   func(w *walk, rest string) value
}{
	{"http_", func(w *walk, rest string) value { return value{text: w.headerOf(rest)} }},
	{"arg_", func(w *walk, rest string) value { return value{text: request.Argument(w.args, rest)} }},
	{"cookie_", func(w *walk, rest string) value { return value{text: w.request.Cookie(rest)} }},
	{"ssl_client_", (*walk).certificate},
	{nginx.Capture(0)[:len(nginx.Capture(0))-1], func(*walk, string) value { return value{} }},
}

func (w *walk) headerOf(variable string) string {
	switch variable {
	case "host":
		return w.request.Host
	case "cookie":
		return w.request.Header("cookie", "; ")
	}
	return w.request.Header(variable, ", ")
}

// certificate is what NGINX says of the client's certificate, which is known if there is none.
func (w *walk) certificate(rest string) value {
	switch {
	case w.request.HasCertificate && w.request.Secure:
		return value{"$ssl_client_" + rest, true}
	case rest == "verify" && w.asksForCertificate():
		return value{text: "NONE"}
	}
	return value{}
}

// emptyAtFirst are variables that the configuration sets, before it does.
var emptyAtFirst = map[string]bool{
	"sluice_place": true, "path_type": true, "backend": true, "fallback": true, "proxy_alternative_upstream_name": true, "error_code": true, "subdomain": true,
}

// builtin are NGINX's own variables that a request decides.
var builtin = map[string]func(w *walk) string{
	"args": func(w *walk) string { return w.args }, "query_string": func(w *walk) string { return w.args },
	"is_args":        func(w *walk) string { return questionMark(w.args) },
	"uri":            func(w *walk) string { return w.uri },
	"document_uri":   func(w *walk) string { return w.uri },
	"request_uri":    func(w *walk) string { return w.target.Sent },
	"request":        func(w *walk) string { return w.request.Line() },
	"request_method": func(w *walk) string { return w.request.Method },
	"scheme":         func(w *walk) string { return w.request.Scheme() },
	"host":           func(w *walk) string { return w.host },
	"content_type":   func(w *walk) string { return w.headerOf("content_type") },
	"content_length": func(w *walk) string { return w.contentLength() },
	"remote_addr":    func(w *walk) string { return w.client() }, "realip_remote_addr": func(w *walk) string { return addressText(w.request.Client) },
	"binary_remote_addr": func(w *walk) string { return w.client() },
	"server_protocol":    func(w *walk) string { return w.request.Version() },
	"server_port":        func(w *walk) string { return strconv.Itoa(w.port()) },
	"server_name": func(w *walk) string {
		if w.server == nil || len(w.server.Names()) == 0 {
			return ""
		}
		return w.server.Names()[0].Value()
	},
	"ssl_server_name": func(w *walk) string {
		if !w.request.Secure {
			return ""
		}
		return strings.ToLower(w.request.ServerName)
	},
	"https": func(w *walk) string {
		if w.request.Secure {
			return "on"
		}
		return ""
	},
	"proxy_add_x_forwarded_for": func(w *walk) string {
		if before := w.headerOf("x_forwarded_for"); before != "" {
			return before + ", " + w.client()
		}
		return w.client()
	},
}

func questionMark(args string) string {
	if args == "" {
		return ""
	}
	return "?"
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

func (w *walk) port() int {
	if w.request.Secure {
		return w.render.HTTPSPort
	}
	return w.render.HTTPPort
}

func (w *walk) contentLength() string {
	if w.isChunked() || w.request.Body == 0 {
		return w.headerOf("content_length")
	}
	return strconv.FormatInt(w.request.Body, 10)
}

func (w *walk) isChunked() bool { return strings.EqualFold(w.headerOf("transfer_encoding"), "chunked") }

// isVolatile tells whether a map is looked up each time it is asked for.
func isVolatile(d nginx.Parsed) bool {
	return slices.ContainsFunc(d.Block, func(p nginx.Parsed) bool { return p.Name() == "volatile" && len(p.Words) == 1 })
}

// mapped is the value of a map. Of its keys, texts come before expressions, and those are tried in their order.
func (w *walk) mapped(d nginx.Parsed) value {
	source := w.expand(d.Words[1])
	if source.unknown {
		return value{"$" + strings.TrimPrefix(d.Words[2], "$"), true}
	}
	var byDefault *nginx.Parsed
	for i := range d.Block {
		entry := &d.Block[i]
		key := entry.Words[0]
		if key == "default" && len(entry.Words) == 2 {
			byDefault = entry
		} else if len(entry.Words) == 2 && !strings.HasPrefix(key, "~") && strings.EqualFold(strings.TrimPrefix(key, `\`), source.text) {
			return w.expand(entry.Words[1])
		}
	}
	for _, entry := range d.Block {
		expression, is := strings.CutPrefix(entry.Words[0], "~")
		if !is || len(entry.Words) != 2 {
			continue
		}
		bare, anyCase := strings.CutPrefix(expression, "*")
		groups, err := w.search(bare, anyCase, source.text)
		if err != nil {
			return w.lost(d.Words[2], err)
		}
		if groups != nil {
			w.keep(groups)
			return w.expand(entry.Words[1])
		}
	}
	if byDefault == nil {
		return value{}
	}
	return w.expand(byDefault.Words[1])
}

// lost is a variable that cannot be followed.
func (w *walk) lost(variable string, err error) value {
	w.notFollowed("the variable " + variable + " (" + err.Error() + ")")
	return value{variable, true}
}

// keep sets variables to the groups of an expression that has been found.
func (w *walk) keep(groups *pcre.Match) {
	for name, text := range groups.Named {
		w.set[name] = value{text: text}
	}
	w.captures = groups.Groups
}

// geo is the value for an address: that of the longest network that has it.
func (w *walk) geo(d nginx.Parsed) value {
	source := w.client()
	if len(d.Words) == 3 {
		v := w.expand(d.Words[1])
		if v.unknown {
			return value{d.Words[2], true}
		}
		source = v.text
	}
	address, err := netip.ParseAddr(source)
	best, text := -1, ""
	for _, entry := range d.Block {
		if len(entry.Words) != 2 {
			continue
		}
		if entry.Words[0] == "default" && best < 0 {
			text = entry.Words[1]
			continue
		}
		network, is := networkOf(entry.Words[0])
		if err == nil && is && network.Contains(address.Unmap()) && network.Bits() > best {
			best, text = network.Bits(), entry.Words[1]
		}
	}
	return value{text: text}
}

// networkOf reads an address or a network; all has every address of IPv4 only, and is asked for apart.
func networkOf(text string) (netip.Prefix, bool) {
	if network, err := netip.ParsePrefix(text); err == nil {
		return network, true
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(address, address.BitLen()), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c|' ' && c|' ' <= 'z' || c == '_'
}
