package annotations

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	enableCORS = Bool("enable-cors", false).Example("true").
			Doc("Tells browsers which other sites may use the paths (CORS), and answers what browsers ask before (OPTIONS) with 204, before redirects, lists, limits and authentication.")
	corsOrigins = New("cors-allow-origin", originsKind, origins{any: true}).Bad(Deny).Example("https://*.example.com, https://app.example.org:8443").
			Doc("Sites that may, as `scheme://host:port` without a path. `*.` is one label, `*` is all sites. Requests of others are passed on without CORS headers, OPTIONS too. An item that is none of that is left out; without any other, no site may.")
	corsMethods = headerList("cors-allow-methods", "GET, PUT, POST, DELETE, PATCH, OPTIONS", "-_").Example("GET, POST").
			Doc("Value of Access-Control-Allow-Methods.")
	corsHeaders = headerList("cors-allow-headers", "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization", "-_").Example("Content-Type, X-Mine").
			Doc("Value of Access-Control-Allow-Headers.")
	corsExposed = headerList("cors-expose-headers", "", "-_*").Example("X-Total, X-Page").
			Doc("Value of Access-Control-Expose-Headers; by default there is none.")
	corsCredentials = Bool("cors-allow-credentials", true).Example("false").
			Doc("Whether requests may carry cookies and the like. Browsers allow that only to sites that cors-allow-origin names: never together with `*`.")
	corsMaxAge = Int("cors-max-age", 1728000, math.MinInt32, math.MaxInt32).Example("600").
			Doc("For how many seconds browsers may remember the answer.")
)

var cors = Feature{
	Name:     "CORS",
	Settings: Settings{enableCORS, corsOrigins, corsMethods, corsHeaders, corsExposed, corsCredentials, corsMaxAge},
	Location: allowOrigins,
}

// allowOrigins has NGINX say what browsers may do. Nothing makes it say the origin of a request that no item names.
func allowOrigins(v Values, l *nginx.Location) error {
	if !enableCORS.In(v) {
		return nil
	}
	allowed := corsOrigins.In(v)
	mistakes := allowed.mistakes()
	switch {
	case allowed.any:
		if corsCredentials.Given(v) && corsCredentials.In(v) {
			mistakes = append(mistakes, Mistake(corsCredentials, Conflict, "browsers send no cookies to a site that takes requests from all others; the origins have to be named in cors-allow-origin"))
		}
		answerPreflights(l, nginx.Var("request_method"), nginx.Verbatim("="), nginx.Verbatim("OPTIONS"))
		for _, h := range corsAnswer(v, nginx.Verbatim("*")) {
			l.Body.Add("more_set_headers", nginx.Concat(nginx.Verbatim(h.Name+": "), h.Value))
		}
	case len(allowed.list) > 0:
		allowSome(v, l, allowed.list)
	}
	return errors.Join(mistakes...)
}

// allowSome is for a list of origins. What the backend says itself stays where none of them fits; caches have to know that
// answers differ.
func allowSome(v Values, l *nginx.Location, list []string) {
	yes, no := nginx.Verbatim("1"), nginx.Verbatim("")
	entries := []nginx.Directive{nginx.Entry(nginx.Verbatim("default"), no)}
	for _, origin := range list {
		entries = append(entries, nginx.Entry(nginx.Verbatim("~*"+originPattern(origin)), yes))
	}
	fits := l.Derive("map", nginx.Var("http_origin"), entries)
	answerPreflights(l, l.Derive("map", nginx.Concat(nginx.Var("request_method"), fits), []nginx.Directive{
		nginx.Entry(nginx.Verbatim("default"), no), nginx.Entry(nginx.Verbatim("OPTIONS1"), yes),
	}))
	for _, h := range corsAnswer(v, nginx.Var("http_origin")) {
		value := l.Derive("map", fits, []nginx.Directive{
			nginx.Entry(nginx.Verbatim("default"), upstreamHeader(h.Name)), nginx.Entry(yes, h.Value),
		})
		l.Body.Add("more_set_headers", nginx.Concat(nginx.Verbatim(h.Name+": "), value))
	}
	l.Body.Add("add_header", nginx.Words("Vary", "Origin", "always")...)
}

// answerPreflights ends requests for which the condition of an if holds.
func answerPreflights(l *nginx.Location, condition ...nginx.Arg) {
	args := append([]nginx.Arg{nginx.Verbatim("(")}, condition...)
	l.Preflight = append(l.Preflight, nginx.Directive{Name: "if", Args: append(args, nginx.Verbatim(")")), Block: []nginx.Directive{
		nginx.D("more_set_headers", nginx.Verbatim("Content-Length: 0")),
		nginx.D("return", nginx.Int(204)),
	}})
}

// corsAnswer are the headers for an origin that is allowed.
func corsAnswer(v Values, origin nginx.Arg) []nginx.Header {
	list := []nginx.Header{{Name: "Access-Control-Allow-Origin", Value: origin}}
	if corsCredentials.In(v) {
		list = append(list, nginx.Header{Name: "Access-Control-Allow-Credentials", Value: nginx.Verbatim("true")})
	}
	list = append(list,
		nginx.Header{Name: "Access-Control-Allow-Methods", Value: nginx.Text(corsMethods.In(v))},
		nginx.Header{Name: "Access-Control-Allow-Headers", Value: nginx.Text(corsHeaders.In(v))},
		nginx.Header{Name: "Access-Control-Max-Age", Value: nginx.Int(corsMaxAge.In(v))},
	)
	if exposed := corsExposed.In(v); exposed != "" {
		list = append(list, nginx.Header{Name: "Access-Control-Expose-Headers", Value: nginx.Text(exposed)})
	}
	return list
}

// headerList is a header whose value is a list of tokens, written as it is given.
func headerList(key, def, further string) *Setting[string] {
	parse := func(s string) (string, error) {
		s = strings.TrimSpace(s)
		if s == "" {
			return "", errors.New("has nothing but blanks")
		}
		return only(s, further+", ")
	}
	return New(key, Kind[string]{"a list separated by commas", parse, keep, textEdges(further + ",")}, def)
}

// origins are sites as browsers call them (RFC 6454).
type origins struct {
	any  bool     // *
	list []string // in lower case, sorted
	odd  []string // items that are no origins
}

// mostOrigins bounds what one request is compared with.
const mostOrigins = 200

var originsKind = Kind[origins]{
	Name:  "a list of origins such as https://example.com, or *",
	Parse: func(s string) (origins, error) { return parseOrigins(s), nil },
	Print: func(o origins) string {
		if o.any {
			return "*"
		}
		return strings.Join(append(slices.Clone(o.list), o.odd...), ",")
	},
	Edges: []string{
		"*", "null", "https://a.example.com", "http://*.a-b.example.com:65535", "test+x-y.z://under_score", "http://[::1]:80", "https://a.example.com,*",
		"http://" + strings.Repeat("a.", 126) + "a", `"${host};}`, manyOrigins(mostOrigins + 1),
	},
}

func manyOrigins(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("https://*.%d.example.com", i))
	}
	return strings.Join(list, ",")
}

// isOrigin knows what ingress-nginx takes, and addresses of IPv6. Schemes may be those of applications.
var isOrigin = regexp.MustCompile(`^(?:null|[a-z][a-z0-9+.-]{0,31}://(?:\[[0-9a-f:.]{2,45}\]|(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*)(?::[0-9]{1,5})?)$`)

const longestOrigin = 32 + len("://") + 253 + len(":65535")

// parseOrigins refuses nothing: a mistake in one item must neither allow all sites, as ingress-nginx's default would, nor none.
func parseOrigins(s string) origins {
	var o origins
	for _, item := range strings.Split(s, ",") {
		item = strings.TrimSpace(item)
		lower := strings.ToLower(item)
		switch {
		case item == "":
		case item == "*":
			o.any = true
		case len(item) <= longestOrigin && isOrigin.MatchString(lower):
			o.list = append(o.list, lower)
		default:
			o.odd = append(o.odd, item)
		}
	}
	slices.Sort(o.list)
	o.list = slices.Compact(o.list)
	if len(o.list) > mostOrigins {
		o.list, o.odd = o.list[:mostOrigins], append(o.odd, o.list[mostOrigins:]...)
	}
	return o
}

func (o origins) mistakes() []error {
	var mistakes []error
	if len(o.odd) > 0 {
		mistakes = append(mistakes, Mistake(corsOrigins, InvalidValue,
			"it has the item %s, which is not *, null or scheme://host:port, or is beyond the first %d; it is left out, and so are all others like it", printable(o.odd[0]), mostOrigins))
	}
	if !o.any && len(o.list) == 0 {
		mistakes = append(mistakes, Mistake(corsOrigins, InvalidValue, "it names no origin; no other site may use the paths"))
	}
	return mistakes
}

// originPattern finds the origin, and with *. any one label in its place.
func originPattern(origin string) string {
	scheme, host, wildcard := strings.Cut(origin, "*.")
	if !wildcard {
		return "^" + regexp.QuoteMeta(origin) + "$"
	}
	return "^" + regexp.QuoteMeta(scheme) + `[a-z0-9-]+\.` + regexp.QuoteMeta(host) + "$"
}
