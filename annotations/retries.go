package annotations

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	nextUpstream = New("proxy-next-upstream", nextUpstreamConditions, []string{"error", "timeout"}).Global().Example("error timeout http_503").
			Doc("In which cases a request is tried on another endpoint.")
	nextUpstreamTimeout = SecondsOf("proxy-next-upstream-timeout", 0).Global().Example("10").
				Doc("For how long further endpoints are tried, in seconds. 0 is no limit.")
	nextUpstreamTries = Int("proxy-next-upstream-tries", 3, 0, 1000).Global().Example("2").
				Doc("How many endpoints are tried at most, the first included. 0 is no limit.")
	retryNonIdempotent = Bool("retry-non-idempotent", false).ConfigOnly().
				Doc("Also retries POST, LOCK and PATCH after they were sent.")
)

var retries = Feature{
	Name:     "Retries",
	Settings: Settings{nextUpstream, nextUpstreamTimeout, nextUpstreamTries, retryNonIdempotent},
	Location: func(v Values, l *nginx.Location) error {
		conditions := nextUpstream.In(v)
		if retryNonIdempotent.In(v) && !slices.Contains(conditions, "off") && !slices.Contains(conditions, "non_idempotent") {
			conditions = append(slices.Clone(conditions), "non_idempotent")
		}
		l.Proxy("next_upstream", nginx.Words(conditions...)...)
		l.Proxy("next_upstream_timeout", nginx.Seconds(nextUpstreamTimeout.In(v)))
		l.Proxy("next_upstream_tries", nginx.Int(nextUpstreamTries.In(v)))
		return nil
	},
}

// nextUpstreamWords are the conditions of the directive proxy_next_upstream of NGINX 1.26.
var nextUpstreamWords = []string{
	"error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404", "http_429",
	"non_idempotent", "off",
}

var nextUpstreamConditions = Kind[[]string]{
	Name: "a list of conditions separated by blanks",
	Parse: func(s string) ([]string, error) {
		var list []string
		for _, word := range strings.Fields(s) {
			switch {
			case !slices.Contains(nextUpstreamWords, word):
				return nil, fmt.Errorf("%s is not one of %s", printable(word), strings.Join(nextUpstreamWords, " "))
			case slices.Contains(list, word):
				continue // NGINX refuses a word that stands there twice
			}
			list = append(list, word)
		}
		return list, nil
	},
	Print: func(list []string) string { return strings.Join(list, " ") },
}
