package annotations

import (
	"errors"
	"math"
	"net/url"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	temporalRedirect = Text("temporal-redirect", "a URL", urlChars).Bad(Refuse).Example("https://example.com/maintenance").
				Doc("Redirects every request to this http or https URL; any other is ignored. Wins over permanent-redirect.")
	temporalRedirectCode = Int("temporal-redirect-code", 302, math.MinInt, math.MaxInt).Bad(Refuse).Example("307").
				Doc("Status of temporal-redirect, 300 to 307; other numbers mean 302.")
	permanentRedirect = Text("permanent-redirect", "a URL", urlChars).Bad(Refuse).Example("https://www.example.com").
				Doc("Redirects every request to this URL or path. The path and the query of the request are not added.")
	permanentRedirectCode = Int("permanent-redirect-code", 301, math.MinInt, math.MaxInt).Bad(Refuse).Example("308").
				Doc("Status of permanent-redirect, 300 to 308; other numbers mean 301.")
	relativeRedirects = Bool("relative-redirects", false).Global().Bad(Refuse).Example("true").
				Doc("Leaves scheme and host out of redirects to paths of the same host.")
)

var redirects = Feature{
	Name: "Redirects",
	Settings: Settings{
		temporalRedirect, temporalRedirectCode, permanentRedirect, permanentRedirectCode, relativeRedirects,
	},
	Location: redirect,
}

// redirect comes after rewriting, whose redirects it replaces.
func redirect(v Values, l *nginx.Location) error {
	l.Body.Add("absolute_redirect", nginx.OnOff(!relativeRedirects.In(v)))
	temporal, permanent := temporalRedirect.In(v), permanentRedirect.In(v)
	var mistake error
	if temporal != "" && !isWebAddress(temporal) {
		mistake = Mistake(temporalRedirect, InvalidValue, "%s is not an http or https URL; it is ignored", printable(temporal))
		temporal = ""
	}
	switch {
	case temporal != "":
		code, outside := codeWithin(v, temporalRedirectCode, 307)
		l.Return = &nginx.Redirect{Code: code, Target: nginx.Text(temporal)}
		mistake = errors.Join(mistake, outside)
	case permanent != "":
		code, outside := codeWithin(v, permanentRedirectCode, 308)
		l.Return = &nginx.Redirect{Code: code, Target: nginx.Text(permanent)}
		mistake = errors.Join(mistake, outside)
	}
	return mistake
}

func isWebAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// codeWithin is the status of a redirect: what the setting says if that lies between 300 and last.
func codeWithin(v Values, setting *Setting[int], last int) (int, error) {
	code := setting.In(v)
	if code < 300 || code > last {
		return setting.def, Mistake(setting, InvalidValue, "%d does not lie between 300 and %d; %d is used", code, last, setting.def)
	}
	return code, nil
}
