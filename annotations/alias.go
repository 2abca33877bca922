package annotations

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var serverAliases = New("server-alias", aliasKind, nil).Bad(Refuse).Example("alias.example.com,*.alias.example.com").
	Doc("More names for the host: names, *.names, names.* and regular expressions that start with ~. The oldest Ingress of the host that has the annotation decides.")

var aliasKind = Kind[[]nginx.ServerName]{
	Name:  "a list of host names",
	Parse: parseAliases,
	Print: func(list []nginx.ServerName) string {
		texts := make([]string, len(list))
		for i, name := range list {
			texts[i] = name.Arg().Value()
		}
		return strings.Join(texts, ",")
	},
	Edges: []string{
		"a", "a,a, a ,A", "*.a.b", "www.a.*", ".a.b", "a_b.c", "~a", `~^[a-z]+(\d{2}|x)\.(a|b)$`, "~" + strings.Repeat("a", maxText-1),
		"~" + strings.Repeat(`\.`, maxText/2-1), strings.Repeat("a.", 126) + "a", "*." + strings.Repeat("a.", 125) + "a", strings.Repeat("a", 253),
		strings.Repeat("a.", 125) + "a.*",
	},
}

// parseAliases sorts the list and drops repetitions, so that equal sets give equal bytes.
func parseAliases(s string) ([]nginx.ServerName, error) {
	var list []nginx.ServerName
	for _, item := range strings.Split(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		names, err := parseAlias(item)
		if err != nil {
			return nil, err
		}
		list = append(list, names...)
	}
	if len(list) == 0 {
		return nil, errors.New("has no name")
	}
	slices.SortFunc(list, func(a, b nginx.ServerName) int { return strings.Compare(a.Arg().Value(), b.Arg().Value()) })
	return slices.Compact(list), nil
}

// parseAlias reads one name. NGINX's ".name" is two of them, which must not be hidden: names of other hosts
// are found by comparing.
func parseAlias(item string) ([]nginx.ServerName, error) {
	if pattern, is := strings.CutPrefix(item, "~"); is {
		return parsePattern(item, pattern)
	}
	name := strings.ToLower(strings.TrimSuffix(item, "."))
	bare, below := strings.CutPrefix(name, "*.")
	if !below {
		bare = strings.TrimSuffix(name, ".*")
	}
	if both, is := strings.CutPrefix(name, "."); is && isName(both) {
		return []nginx.ServerName{{Name: both}, {Name: "*." + both}}, nil
	}
	if !isName(bare) {
		return nil, fmt.Errorf("has the item %s, which is not a host name", printable(item))
	}
	return []nginx.ServerName{{Name: name}}, nil
}

func parsePattern(item, pattern string) ([]nginx.ServerName, error) {
	_, err := only(pattern, regexChars)
	if err == nil && pattern == "" {
		err = errors.New("is empty")
	}
	if err == nil {
		_, err = nginx.ParseRegex(pattern)
	}
	if err != nil {
		return nil, fmt.Errorf("has the item %s, which is not a regular expression: it %w", printable(item), err)
	}
	return []nginx.ServerName{{Pattern: pattern}}, nil
}

// isName tells whether the text is labels of letters, digits, hyphens and underscores.
func isName(s string) bool {
	_, err := only(s, "-_.")
	return err == nil && s != "" && len(s) <= 253 && s[0] != '.' && !strings.Contains(s, "..")
}

var serverAlias = Feature{
	Name:     "Server aliases",
	Settings: Settings{serverAliases},
	Server: func(v Values, s *nginx.Server) error {
		// The default server takes all names that nobody else has: more of them would only take them
		// from hosts with wildcards.
		if !s.IsDefault() && len(s.Aliases) == 0 {
			s.Aliases = slices.Clone(serverAliases.In(v))
		}
		return nil
	},
}
