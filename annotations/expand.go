package annotations

import (
	"fmt"

	"github.com/sluice-ingress/sluice/annotations/snippet"
	"github.com/sluice-ingress/sluice/nginx"
)

// noCaptures is for texts in which captures mean nothing.
const noCaptures = -1

// expand reads a text in which $name and ${name} stand for variables and $1 to $9 for the captures of a path
// that has that many groups. As in NGINX a capture is one digit, and one that the path lacks is empty.
func expand(s string, groups int) (nginx.Arg, error) {
	return expandKnown(s, groups, isRequestVariable)
}

func isRequestVariable(name string) bool { return snippet.Lists(snippet.RequestVariables, name) }

// expandKnown is expand with another list of variables.
func expandKnown(s string, groups int, known func(name string) bool) (nginx.Arg, error) {
	whole, err := nginx.Expand(s, func(name string) (nginx.Arg, error) {
		switch {
		case groups != noCaptures && len(name) == 1 && name[0] >= '1' && name[0] <= '9':
			if n := int(name[0] - '0'); n <= groups {
				return nginx.Var(nginx.Capture(n)), nil
			}
			return nginx.Arg{}, nil
		case !known(name):
			return nginx.Arg{}, fmt.Errorf("uses $%.40s, which is no variable that can be used there", name)
		}
		return nginx.Var(name), nil
	})
	if err != nil {
		return whole, err
	}
	return whole, encodes(whole)
}
