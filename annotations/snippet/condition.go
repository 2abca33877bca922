package snippet

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// captures are the groups of a regular expression that has been found.
type captures struct {
	prefix string // of their names
	groups int
	unsafe bool // they may hold line ends
}

// capture is the name of the n-th.
func (c captures) capture(n int) string { return fmt.Sprintf("%s%d", c.prefix, n) }

// newCaptures names those of the next regular expression. Names are ours alone, so that no expression overwrites what another
// has found.
func (r *reader) newCaptures(groups int) captures {
	r.patterns++
	place := "l"
	if r.place == InServer {
		place = "s"
	}
	return captures{prefix: fmt.Sprintf("found_%s%d_", place, r.patterns), groups: groups}
}

// ownName is the name of a variable that a snippet may set.
func (r *reader) ownName(word string) (string, bool) {
	name, is := strings.CutPrefix(word, "$")
	if !is || name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || name[0] >= '0' && name[0] <= '9' {
		return "", false
	}
	return name, !r.readable(name) && !Lists(TestedVariables, name)
}

// ownVariable is what a variable that the snippet sets is really called: no other configuration sees it, whatever its name.
func ownVariable(name string) nginx.Arg { return nginx.Var("own_" + name) }

// text reads a text with variables.
func (r *reader) text(word string) (nginx.Arg, error) { return nginx.Expand(word, r.variable) }

func (r *reader) variable(name string) (nginx.Arg, error) {
	switch {
	case len(name) == 1 && name[0] >= '1' && name[0] <= '9':
		return r.group(int(name[0] - '0'))
	case r.own[name]:
		return ownVariable(name), nil
	case r.readable(name):
		return nginx.Var(name), nil
	case Lists(TestedVariables, name):
		return nginx.Arg{}, fmt.Errorf("uses $%s, which may hold a line end: write $request_uri", name)
	case strings.HasPrefix(name, "geoip2_"):
		return nginx.Arg{}, fmt.Errorf("uses $%.40s, which the databases that are there do not say (use-geoip2 in the controller's ConfigMap)", name)
	}
	return nginx.Arg{}, fmt.Errorf("uses $%.40s, which is not in the list of variables and not set in the snippet", name)
}

// group is a capture of the innermost regular expression around.
func (r *reader) group(n int) (nginx.Arg, error) {
	if len(r.captures) == 0 {
		return nginx.Arg{}, fmt.Errorf("uses $%d where no regular expression stands around it", n)
	}
	around := r.captures[len(r.captures)-1]
	switch {
	case around.unsafe:
		return nginx.Arg{}, fmt.Errorf("uses $%d of $uri, which may hold a line end: test $request_uri", n)
	case n > around.groups:
		return nginx.Arg{}, fmt.Errorf("uses $%d of an expression with %d groups", n, around.groups)
	}
	return nginx.Var(around.capture(n)), nil
}

// condition reads an if with its block.
func (r *reader) condition(p nginx.Parsed, in Place) (nginx.Directives, error) {
	if in == InIf || in == inServerIf {
		return nil, errors.New("cannot stand in another")
	}
	words, err := unwrap(p.Words[1:])
	if err != nil {
		return nil, err
	}
	args, found, err := r.test(words)
	if err != nil {
		return nil, err
	}
	args = slices.Concat([]nginx.Arg{nginx.Verbatim("(")}, args, []nginx.Arg{nginx.Verbatim(")")})
	if found != nil {
		r.captures = append(r.captures, *found)
		defer func() { r.captures = r.captures[:len(r.captures)-1] }()
	}
	inside := InIf
	if in == InServer {
		inside = inServerIf
	}
	return nginx.Directives{{Name: "if", Args: args, Block: r.block(p.Block, inside)}}, nil
}

// unwrap takes the parentheses off a condition.
func unwrap(words []string) ([]string, error) {
	bad := errors.New("has no condition in parentheses")
	if len(words) == 0 {
		return nil, bad
	}
	words = slices.Clone(words)
	first, opened := strings.CutPrefix(words[0], "(")
	if words[0] = first; first == "" {
		words = words[1:]
	}
	if !opened || len(words) == 0 {
		return nil, bad
	}
	end := len(words) - 1
	last, closed := strings.CutSuffix(words[end], ")")
	if words[end] = last; last == "" && end > 0 {
		words = words[:end]
	}
	if !closed {
		return nil, bad
	}
	return words, nil
}

// test reads what stands in the parentheses: $x, $x = text, $x ~ expression, and the like. It returns the groups of an
// expression, if that being found is what the test is about.
func (r *reader) test(words []string) ([]nginx.Arg, *captures, error) {
	name, is := strings.CutPrefix(words[0], "$")
	if !is {
		return nil, nil, fmt.Errorf("tests %.40q: only variables can be tested, not files", words[0])
	}
	tested := Lists(TestedVariables, name)
	variable, err := nginx.Var(name), error(nil)
	if !tested {
		if variable, err = r.variable(name); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case len(words) == 1:
		return []nginx.Arg{variable}, nil, nil
	case len(words) != 3:
		return nil, nil, fmt.Errorf("has a condition of %d words; put texts with blanks in quotes", len(words))
	}
	operator := nginx.Verbatim(words[1])
	switch words[1] {
	case "=", "!=":
		value, err := r.text(words[2])
		return []nginx.Arg{variable, operator, value}, nil, err
	case "~", "~*", "!~", "!~*":
		pattern, err := nginx.ParseRegex(words[2])
		if err != nil {
			return nil, nil, fmt.Errorf("has the regular expression %.80q, which %w", words[2], err)
		}
		if words[1][0] == '!' {
			return []nginx.Arg{variable, operator, pattern.Named(r.newCaptures(pattern.Groups()).capture).Arg()}, nil, nil
		}
		found := r.newCaptures(pattern.Groups())
		found.unsafe = tested
		return []nginx.Arg{variable, operator, pattern.Named(found.capture).Arg()}, &found, nil
	}
	return nil, nil, fmt.Errorf("has the operator %.20q; there are = != ~ ~* !~ !~*", words[1])
}
