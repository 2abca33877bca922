package annotations

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	blockCIDRs = CIDRs("block-cidrs").ConfigOnly().Bad(Deny).Example("198.51.100.0/24,2001:db8::/32").
			Doc("Clients with these addresses get 403, also where an Ingress has lists of its own.")
	blockUserAgents = patternsOf("block-user-agents").Example("curl/8.0,~*crawler").
			Doc("Requests with these in User-Agent get 403, before anything else is looked at: whole texts without regard to case, or regular expressions behind ~ (with regard to case) or ~* (without).")
	blockReferers = patternsOf("block-referers").Example("~*casino").
			Doc("The same for Referer.")
)

// blocks keep out whom the administrator wants nowhere. Addresses are looked at among all lists of addresses, where a
// request would be passed on; the others before a location is chosen.
var blocks = Feature{
	Name:     "Whom nobody serves",
	Settings: Settings{blockCIDRs, blockUserAgents, blockReferers},
	Guards:   true,
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.Block(nginx.Var("http_user_agent"), nginx.Var("blocks_user_agent"), blockUserAgents.In(v))
		h.Block(nginx.Var("http_referer"), nginx.Var("blocks_referer"), blockReferers.In(v))
		return nil
	},
	Location: func(v Values, l *nginx.Location) error {
		for _, p := range blockCIDRs.In(v) {
			l.Body.Add("deny", network(p))
		}
		return nil
	},
}

// patternsOf is a list of texts and of regular expressions of which one has to be found.
func patternsOf(key string) *Setting[[]string] {
	edges := []string{
		"a", "~a", "~*a", "default", "hostnames,volatile,include", `\x,"y;{`, "$host", "~*" + strings.Repeat("a", maxText-2), strings.Repeat("a", maxText), "a,,~b",
		strings.Repeat("a b,", 400),
	}
	return New(key, Kind[[]string]{"a list of texts and, behind ~ or ~*, regular expressions", parsePatterns, showPatterns, edges}, nil).ConfigOnly().Bad(Deny)
}

// parsePatterns reads items as NGINX's map takes expressions. A text becomes one, too: the table of texts has a limit for
// their length, and words of its own.
func parsePatterns(s string) ([]string, error) {
	var list []string
	for _, item := range strings.Split(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		pattern, isExpression := strings.CutPrefix(item, "~")
		if !isExpression {
			item = "~*^" + regexp.QuoteMeta(item) + "$"
			pattern = item[1:]
		}
		pattern = strings.TrimPrefix(pattern, "*")
		if pattern == "" {
			return nil, fmt.Errorf("has the item %s, which is in everything", printable(item))
		}
		if _, err := nginx.ParseRegex(pattern); err != nil {
			return nil, fmt.Errorf("has the item %s, which is not a regular expression: it %w", printable(item), err)
		}
		if err := encodes(nginx.Verbatim(item)); err != nil {
			return nil, fmt.Errorf("has the item %s, which %w", printable(item), err)
		}
		list = append(list, item)
	}
	return list, nil
}

func showPatterns(list []string) string { return strings.Join(list, ",") }
