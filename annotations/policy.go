package annotations

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// risk is how much harm an annotation can do in the wrong hands, in ingress-nginx's judgement.
type risk uint8

const (
	low risk = iota
	medium
	high
	critical
)

var riskNames = []string{low: "Low", medium: "Medium", high: "High", critical: "Critical"}

func (r risk) String() string { return riskNames[r] }

// risks are those of ingress-nginx 1.15.1 that are not low, aliases included. Annotations without a feature are here too.
// configuration-snippet, server-snippet and auth-snippet have a policy of their own.
var risks = func() map[string]risk {
	m := map[string]risk{}
	for level, names := range map[risk]string{
		medium: `affinity-mode allowlist-source-range app-root auth-cache-duration auth-cache-key auth-proxy-set-headers auth-realm
			auth-request-redirect auth-response-headers auth-secret auth-signin-redirect-param auth-tls-secret auth-tls-verify-client
			canary-by-cookie canary-by-header canary-by-header-pattern canary-by-header-value cors-allow-headers cors-allow-methods
			cors-allow-origin cors-expose-headers custom-headers denylist-source-range force-ssl-redirect opentelemetry-operation-name permanent-redirect preserve-trailing-slash proxy-body-size proxy-cookie-domain
			proxy-cookie-path proxy-next-upstream proxy-redirect-from proxy-redirect-to proxy-ssl-ciphers proxy-ssl-secret rewrite-target
			session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-path temporal-redirect
			whitelist-source-range x-forwarded-prefix`,
		high: `auth-signin auth-tls-error-page auth-tls-match-cn auth-url mirror-host mirror-target modsecurity-transaction-id
			proxy-ssl-name server-alias upstream-hash-by`,
		critical: "modsecurity-snippet stream-snippet",
	} {
		for _, name := range strings.Fields(names) {
			m[name] = level
		}
	}
	return m
}()

var (
	riskLevel = New("annotations-risk-level", Kind[string]{
		Name: "Low, Medium, High or Critical", Parse: func(s string) (string, error) { return s, nil }, Print: keep, Edges: riskNames,
	}, high.String()).ConfigOnly().Example("Medium").
		Doc("The highest risk of annotations that Ingresses may have. Ingresses with others are refused. Any other word counts as Low. Critical, with allow-snippet-annotations, lets snippets through as they stand.")
	blockedWords = Words("annotation-value-word-blocklist").ConfigOnly().Example("load_module,_by_lua").
			Doc("Ingresses with one of these in the value of an annotation are refused. Nothing here depends on it: values are data.")
)

var strictPaths = Bool("strict-validate-path-type", false).ConfigOnly().Example("true").
	Doc("Has the admission webhook refuse Exact and Prefix paths with characters other than letters, digits and ._-/. Nothing here depends on it: paths are data.")

// RefusesPath tells whether the administrator wants no new Exact or Prefix path of that text.
func RefusesPath(v Values, path string) bool {
	_, err := only(path, "._-/")
	return strictPaths.In(v) && (err != nil || !strings.HasPrefix(path, "/"))
}

// level is the highest risk that is allowed, and whether it is said in a word that exists.
func level(v Values) (risk, bool) {
	at := slices.Index(riskNames, riskLevel.In(v))
	return risk(max(at, 0)), at >= 0 //nolint:gosec // an index of four names
}

// forbids says why an Ingress must not have an annotation, or nothing.
func (v Values) forbids(name, text string) string {
	if allowed, _ := level(v); risks[name] > allowed {
		return fmt.Sprintf("its risk is %s, and the controller's ConfigMap allows %s (annotations-risk-level)", risks[name], allowed)
	}
	for _, word := range blockedWords.In(v) {
		if strings.Contains(text, word) {
			return fmt.Sprintf("it has the word %s, which the controller's ConfigMap does not allow (annotation-value-word-blocklist)", printable(word))
		}
	}
	return ""
}

var policy = Feature{
	Name:     "What Ingresses may say",
	Settings: Settings{allowSnippets, riskLevel, blockedWords, strictPaths},
	HTTP: func(v Values, _ *nginx.HTTP) error {
		if _, known := level(v); !known {
			return Mistake(riskLevel, InvalidValue, "%s is not Low, Medium, High or Critical; Low is used", printable(riskLevel.In(v)))
		}
		return nil
	},
}
