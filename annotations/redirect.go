package annotations

import (
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	temporalRedirect = Text("temporal-redirect", "a URL", urlChars).Bad(Refuse).Example("https://example.com/maintenance").
				Doc("Redirects every request to this URL. Wins over permanent-redirect.")
	temporalRedirectCode = Int("temporal-redirect-code", 302, minInt, maxInt).Bad(Refuse).Example("307").
				Doc("Status of temporal-redirect, 300 to 307; other numbers mean 302.")
	permanentRedirect = Text("permanent-redirect", "a URL", urlChars).Bad(Refuse).Example("https://www.example.com").
				Doc("Redirects every request to this URL. The path and the query of the request are not added.")
	permanentRedirectCode = Int("permanent-redirect-code", 301, minInt, maxInt).Bad(Refuse).Example("308").
				Doc("Status of permanent-redirect, 300 to 308; other numbers mean 301.")
	relativeRedirects = Bool("relative-redirects", false).Global().Bad(Refuse).Example("true").
				Doc("Leaves scheme and host out of redirects that NGINX makes.")
)

const minInt, maxInt = -1 << 31, 1<<31 - 1

var redirects = Feature{
	Name: "Redirects",
	Settings: Settings{
		temporalRedirect, temporalRedirectCode, permanentRedirect, permanentRedirectCode, relativeRedirects,
	},
	Location: redirect,
}

func redirect(v Values, l *nginx.Location) error {
	l.Body.Add("absolute_redirect", nginx.OnOff(!relativeRedirects.In(v)))
	temporal, permanent := temporalRedirect.In(v), permanentRedirect.In(v)
	var mistake error
	if temporal != "" && !strings.HasPrefix(temporal, "http") {
		mistake = Mistake(temporalRedirect, "%s is not an http or https URL; it is not used", printable(temporal))
		temporal = ""
	}
	switch {
	case temporal != "":
		l.Return = &nginx.Redirect{Code: codeWithin(temporalRedirectCode.In(v), 307, 302), Target: nginx.Text(temporal)}
	case permanent != "":
		l.Return = &nginx.Redirect{Code: codeWithin(permanentRedirectCode.In(v), 308, 301), Target: nginx.Text(permanent)}
	}
	return mistake
}

// codeWithin returns the status if it lies between 300 and the last one allowed.
func codeWithin(code, last, otherwise int) int {
	if code < 300 || code > last {
		return otherwise
	}
	return code
}
