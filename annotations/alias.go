package annotations

import (
	"fmt"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var serverAliases = New("server-alias", aliasKind, nil).Bad(Refuse).Example("alias.example.com,*.alias.example.com").
	Doc("More names for the host: names, *.names, and regular expressions that start with ~. The oldest Ingress of the host that has the annotation decides.")

// Alias is one more name of a host.
type Alias struct {
	Name  string       // a host name, "*." before it for all below it
	Regex *nginx.Regex // instead of a name
}

var aliasKind = Kind[[]Alias]{
	Name: "a list of host names",
	Parse: func(s string) ([]Alias, error) {
		var list []Alias
		for _, item := range strings.Split(s, ",") {
			item = strings.TrimSpace(item)
			if item == "" {
				continue
			}
			a, err := parseAlias(item)
			if err != nil {
				return nil, err
			}
			list = append(list, a)
		}
		return list, nil
	},
	Print: func([]Alias) string { return "" },
}

func parseAlias(item string) (Alias, error) {
	if pattern, is := strings.CutPrefix(item, "~"); is {
		if _, err := only(pattern, regexChars); err != nil {
			return Alias{}, err
		}
		r, err := nginx.ParseRegex(pattern)
		if err != nil {
			return Alias{}, fmt.Errorf("%s %w", printable(item), err)
		}
		return Alias{Regex: &r}, nil
	}
	name := strings.ToLower(strings.TrimSuffix(item, "."))
	rest := strings.TrimPrefix(name, "*.")
	if _, err := only(rest, "-._"); err != nil || rest == "" || strings.HasPrefix(rest, ".") || strings.Contains(rest, "..") || len(rest) > 253 {
		return Alias{}, fmt.Errorf("%s is not a host name", printable(item))
	}
	return Alias{Name: name}, nil
}

var serverAlias = Feature{
	Name:     "Server aliases",
	Settings: Settings{serverAliases},
	Server: func(v Values, s *nginx.Server) error {
		if len(s.Aliases) > 0 {
			return nil
		}
		for _, a := range serverAliases.In(v) {
			if a.Regex != nil {
				s.Aliases = append(s.Aliases, nginx.ServerName{Pattern: a.Regex.String()})
				continue
			}
			s.Aliases = append(s.Aliases, nginx.ServerName{Name: a.Name})
		}
		return nil
	},
}
