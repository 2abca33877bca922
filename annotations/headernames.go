package annotations

import (
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	underscoresInHeaders = Bool("enable-underscores-in-headers", false).ConfigOnly().Example("true").
				Doc("Passes on headers of clients with underscores in their names, which are dropped otherwise. Those that pods could take for one of ours are dropped all the same.")
	ignoreInvalidHeaders = Bool("ignore-invalid-headers", true).ConfigOnly().Example("false").
				Doc("Drops headers of clients with other characters in their names than letters, digits and dashes. With false they are passed on, but for those that pods could take for one of ours.")
)

var requestHeaderNames = Feature{
	Name:     "Names of clients' headers",
	Settings: Settings{underscoresInHeaders, ignoreInvalidHeaders},
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.LooseNames = hasLooseNames(v)
		if underscoresInHeaders.In(v) {
			h.Clients.Add("underscores_in_headers", nginx.OnOff(true))
		}
		if !ignoreInvalidHeaders.In(v) {
			h.Clients.Add("ignore_invalid_headers", nginx.OnOff(false))
		}
		return nil
	},
}

// hasLooseNames tells whether clients' headers may have names with more than letters, digits and dashes.
func hasLooseNames(v Values) bool { return underscoresInHeaders.In(v) || !ignoreInvalidHeaders.In(v) }

// withoutLookalikes are headers and, where clients could send names that many pods take for the same, their removal: CGI, WSGI and
// others make one name of X-User and X_User. Workers themselves take out what looks like the headers that all pods get; see
// lookalikes.lua.
func withoutLookalikes(v Values, headers []nginx.Header) []nginx.Header {
	if !hasLooseNames(v) {
		return headers
	}
	var list []nginx.Header
	for _, h := range headers {
		list = append(list, h)
		for _, name := range lookalikes(h.Name) {
			if !slices.ContainsFunc(headers, func(other nginx.Header) bool { return strings.EqualFold(other.Name, name) }) {
				list = append(list, nginx.Header{Name: name, Value: nginx.Text("")})
			}
		}
	}
	return list
}

// mostSeparators bounds how many spellings are looked for.
const mostSeparators = 6

// lookalikes are the names that differ from a header's in dashes and underscores only.
func lookalikes(name string) []string {
	spellings := []string{""}
	separators := 0
	for _, c := range name {
		ends := []string{string(c)}
		if (c == '-' || c == '_') && separators < mostSeparators {
			separators, ends = separators+1, []string{"-", "_"}
		}
		var longer []string
		for _, end := range ends {
			for _, s := range spellings {
				longer = append(longer, s+end)
			}
		}
		spellings = longer
	}
	return slices.DeleteFunc(spellings, func(s string) bool { return s == name })
}
