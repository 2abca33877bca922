package annotations

import (
	"errors"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// compressed are the types that are compressed by default, besides text/html, which always is.
var compressed = strings.Fields(`application/atom+xml application/javascript application/x-javascript application/json application/rss+xml
	application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype
	image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component`)

var (
	useGzip = Bool("use-gzip", false).ConfigOnly().Example("true").
		Doc("Compresses answers with gzip for clients that take it.")
	gzipLevel = Int("gzip-level", 1, 1, 9).ConfigOnly().Example("5").
			Doc("How hard gzip tries.")
	gzipMinLength = Int("gzip-min-length", 256, 0, maxCount).ConfigOnly().Example("1000").
			Doc("Shortest answer that is compressed, in bytes of Content-Length.")
	gzipTypes = mediaTypes("gzip-types", compressed).ConfigOnly().Example("text/plain application/json").
			Doc("Types of answers that are compressed besides text/html; * is all.")
	gzipDisable = New("gzip-disable", Kind[string]{"a regular expression", parseBareRegex, keep, []string{"a", "msie6", `MSIE [1-6]\.|Opera`, "$host;\"{"}}, "").ConfigOnly().
			Example("msie6").Doc("Clients whose User-Agent has this in it, in any case, get nothing compressed by gzip.")
	enableBrotli = Bool("enable-brotli", false).ConfigOnly().Example("true").
			Doc("Compresses answers with Brotli for clients that take it. They prefer it to gzip.")
	brotliLevel = Int("brotli-level", 4, 0, 11).ConfigOnly().Example("6").
			Doc("How hard Brotli tries.")
	brotliMinLength = Int("brotli-min-length", 20, 0, maxCount).ConfigOnly().Example("1000").
			Doc("Shortest answer that is compressed, in bytes of Content-Length.")
	brotliTypes = mediaTypes("brotli-types", append([]string{"application/xml+rss"}, compressed...)).ConfigOnly().Example("text/plain application/json").
			Doc("Types of answers that are compressed besides text/html; * is all.")
)

var compression = Feature{
	Name: "Compression",
	Settings: Settings{
		useGzip, gzipLevel, gzipMinLength, gzipTypes, gzipDisable, enableBrotli, brotliLevel, brotliMinLength, brotliTypes,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		if useGzip.In(v) {
			h.Directives.Add("gzip", nginx.OnOff(true))
			h.Directives.Add("gzip_comp_level", nginx.Int(gzipLevel.In(v)))
			h.Directives.Add("gzip_http_version", nginx.Verbatim("1.1"))
			h.Directives.Add("gzip_min_length", nginx.Int(gzipMinLength.In(v)))
			h.Directives.Add("gzip_types", nginx.Words(gzipTypes.In(v)...)...)
			h.Directives.Add("gzip_proxied", nginx.Verbatim("any"))
			h.Directives.Add("gzip_vary", nginx.OnOff(true))
			if pattern := gzipDisable.In(v); pattern != "" {
				h.Directives.Add("gzip_disable", nginx.Verbatim(pattern))
			}
		}
		if enableBrotli.In(v) {
			h.Process.Modules = append(h.Process.Modules, "ngx_http_brotli_filter_module.so")
			h.Directives.Add("brotli", nginx.OnOff(true))
			h.Directives.Add("brotli_comp_level", nginx.Int(brotliLevel.In(v)))
			h.Directives.Add("brotli_min_length", nginx.Int(brotliMinLength.In(v)))
			h.Directives.Add("brotli_types", nginx.Words(brotliTypes.In(v)...)...)
		}
		return nil
	},
}

// mediaTypes is a list of media types, separated by blanks. NGINX takes text/html for granted, and would warn of types that
// stand there twice.
func mediaTypes(key string, def []string) *Setting[[]string] {
	const name = "a list of media types separated by blanks"
	parse := func(s string) ([]string, error) {
		var list []string
		for _, item := range strings.Fields(s) {
			if err := checkMediaType(item); item != "*" && err != nil {
				return nil, err
			}
			if item = strings.ToLower(item); item != "text/html" && !slices.Contains(list, item) {
				list = append(list, item)
			}
		}
		switch {
		case strings.TrimSpace(s) == "":
			return nil, notA(name)
		case slices.Contains(list, "*"):
			return []string{"*"}, nil
		case len(list) == 0:
			return []string{"text/html"}, nil
		}
		return list, nil
	}
	show := func(list []string) string { return strings.Join(list, " ") }
	edges := []string{"*", "text/html", "text/plain *", "a/b A/B", "a/" + strings.Repeat("a", longestMediaType-2), strings.Join(compressed, " ")}
	return New(key, Kind[[]string]{name, parse, show, edges}, def)
}

// longestMediaType is what fits the tables that NGINX makes of types; their size cannot be set.
const longestMediaType = 46

func checkMediaType(s string) error {
	kind, rest, found := strings.Cut(s, "/")
	_, err := only(kind+rest, "!#&^_.+-")
	if !found || kind == "" || rest == "" || err != nil || len(s) > longestMediaType {
		return errors.New("has the item " + printable(s) + ", which is not a media type such as text/plain")
	}
	return nil
}

// parseBareRegex reads a regular expression that stands alone.
func parseBareRegex(s string) (string, error) {
	r, err := nginx.ParseRegex(s)
	if err != nil {
		return "", err
	}
	return s, encodes(r.Arg())
}
