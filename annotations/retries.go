package annotations

import (
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	nextUpstream = Choices("proxy-next-upstream", []string{"error", "timeout"}, nextUpstreamWords...).Global().Example("error timeout http_503").
			Doc("In which cases a request is tried on another endpoint.")
	nextUpstreamTimeout = SecondsOf("proxy-next-upstream-timeout", 0).Global().Example("10").
				Doc("For how long further endpoints are tried, in seconds. 0 is no limit.")
	nextUpstreamTries = Int("proxy-next-upstream-tries", 3, 0, maxCount).Global().Example("2").
				Doc("How many endpoints are tried at most, the first included. 0 is no limit.")
	retryNonIdempotent = Bool("retry-non-idempotent", false).ConfigOnly().Example("true").
				Doc("Also retries POST, LOCK and PATCH after they were sent.")
)

// nextUpstreamWords are the conditions that proxy_next_upstream and grpc_next_upstream take.
var nextUpstreamWords = []string{
	"error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404", "http_429",
	"non_idempotent", "off",
}

var retries = Feature{
	Name:     "Retries",
	Settings: Settings{nextUpstream, nextUpstreamTimeout, nextUpstreamTries, retryNonIdempotent},
	Location: func(v Values, l *nginx.Location) error {
		l.Proxy("next_upstream", nginx.Words(conditions(v, l.Protocol)...)...)
		l.Proxy("next_upstream_timeout", nginx.Seconds(nextUpstreamTimeout.In(v)))
		l.Proxy("next_upstream_tries", nginx.Int(nextUpstreamTries.In(v)))
		return nil
	},
}

// conditions are when to retry. To NGINX, off outweighs all others.
func conditions(v Values, p nginx.Protocol) []string {
	words := nextUpstream.In(v)
	if p == nginx.FCGI {
		// The module knows no answers of these statuses, but counts failures that come to them as errors and timeouts.
		words = slices.DeleteFunc(slices.Clone(words), func(word string) bool { return word == "http_502" || word == "http_504" })
	}
	switch {
	case slices.Contains(words, "off"), len(words) == 0:
		return []string{"off"}
	case retryNonIdempotent.In(v) && !slices.Contains(words, "non_idempotent"):
		return append(slices.Clone(words), "non_idempotent")
	}
	return words
}
