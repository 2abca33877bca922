package annotations

import (
	"errors"
	"strconv"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

var (
	affinityOn = Enum("affinity", "", false, "cookie").Example("cookie").
			Doc("`cookie` keeps a client on the endpoint that it was sent to first. It comes before `upstream-hash-by`, and `load-balance` says where new clients go. The oldest Ingress with it decides for all that use the Service and port; cookies are given out on the paths of those that have it.")
	affinityMode = Enum("affinity-mode", "balanced", false, "balanced", "persistent").Example("persistent").
			Doc("What becomes of a cookie that Sluice has not made, such as one of ingress-nginx: with `balanced` the client keeps it, and its hash decides; with `persistent` the client gets another.")
	affinityCanary = Enum("affinity-canary-behavior", "sticky", false, "sticky", "legacy").Example("legacy").
			Doc("On a canary: with `sticky` the affinity of the main Ingress holds for the canary too, so that clients stay on the side they are on; with `legacy` clients of the canary get no cookie.")
	cookieName = New("session-cookie-name", basicText("a cookie's name", ""), "INGRESSCOOKIE").Example("route").
			Doc("Name of the cookie.")
	cookiePath = New("session-cookie-path", cookiePathKind, "").Example("/shop").
			Doc("Path of the cookie. By default it is that of the Ingress, as it stands there, even if it is a regular expression.")
	cookieDomain = New("session-cookie-domain", basicText("a domain", ""), "").Example("example.com").
			Doc("Domain of the cookie. By default there is none, so it is for the host only.")
	cookieExpires = New("session-cookie-expires", cookieSecondsKind, nil).Example("172800").
			Doc("Adds Expires, so many seconds from when the cookie is given out.")
	cookieMaxAge = New("session-cookie-max-age", cookieSecondsKind, nil).Example("172800").
			Doc("Adds Max-Age, in seconds.")
	cookieSameSite = Enum("session-cookie-samesite", "", true, "None", "Lax", "Strict").Example("Strict").
			Doc("Adds SameSite.")
	cookieConditionalNone = Bool("session-cookie-conditional-samesite-none", false).Example("true").
				Doc("Leaves out SameSite=None for browsers that are known to take it for Strict.")
	cookieSecure = Bool("session-cookie-secure", false).Example("true").
			Doc("Adds Secure over http, too. Over https it is always there.")
	cookieChangeOnFailure = Bool("session-cookie-change-on-failure", false).Example("true").
				Doc("Gives a client another cookie if its request had to be tried on another endpoint. Otherwise the next one is tried on the former again.")
)

var cookiePathKind = Kind[string]{
	Name:  "a path",
	Parse: func(s string) (string, error) { return basicText("", ",?&=").Parse(s) },
	Print: keep,
	Edges: textEdges(urlChars),
}

// cookieSecondsKind is a time from now, negative for one that is over, or nil: 0 is a value like others.
var cookieSecondsKind = Kind[*int]{
	Name: "a whole number of seconds",
	Parse: func(s string) (*int, error) {
		n, err := parseInt(s, -maxSeconds, maxSeconds)
		return &n, err
	},
	Print: func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	},
	Edges: []string{"0", strconv.Itoa(-maxSeconds), strconv.Itoa(maxSeconds)},
}

// affinityOptions mean something beside affinityOn only.
var affinityOptions = Settings{
	affinityMode, cookieName, cookiePath, cookieDomain, cookieExpires, cookieMaxAge, cookieSameSite, cookieConditionalNone, cookieSecure,
	cookieChangeOnFailure,
}

var affinity = Feature{
	Name:     "Session affinity",
	Settings: append(Settings{affinityOn, affinityCanary}, affinityOptions...),
	Backend: func(v Values, b *Backend) error {
		switch {
		case IsCanary(v): // like other annotations, all but one count on the main Ingress only
			b.SharesAffinity = affinityCanary.In(v) == "sticky"
			return nil
		case affinityOn.In(v) == "cookie":
			b.Affinity = &dynamic.Affinity{
				Persistent: affinityMode.In(v) == "persistent", ChangeOnFailure: cookieChangeOnFailure.In(v), Cookie: cookie(v),
			}
		}
		return affinityWithoutEffect(v)
	},
}

// affinityWithoutEffect finds what says something of a cookie that is not there, or of a canary on an Ingress that is none.
func affinityWithoutEffect(v Values) error {
	var mistakes []error
	if affinityCanary.Given(v) {
		mistakes = append(mistakes, Mistake(affinityCanary, Conflict, "it has no effect without canary: \"true\""))
	}
	for _, s := range affinityOptions {
		if _, given := v.own[s.about().key]; given && affinityOn.In(v) == "" {
			mistakes = append(mistakes, Mistake(s, Conflict, "it has no effect without affinity: cookie"))
		}
	}
	return errors.Join(mistakes...)
}

func cookie(v Values) dynamic.Cookie {
	return dynamic.Cookie{
		Name: cookieName.In(v), Path: cookiePath.In(v), Domain: cookieDomain.In(v), Expires: cookieExpires.In(v),
		MaxAge: cookieMaxAge.In(v), Secure: cookieSecure.In(v), SameSite: cookieSameSite.In(v),
		ConditionalSameSiteNone: cookieConditionalNone.In(v),
	}
}
