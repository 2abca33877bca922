package nginx

import (
	"errors"
	"strings"
)

// Expand reads a text in which $name and ${name} stand for variables and $1 to $9, as in NGINX a single digit each, for
// captures. What a name stands for is asked of variable. Errors complete a sentence that begins with the text.
func Expand(text string, variable func(name string) (Arg, error)) (Arg, error) {
	var parts []Arg
	for {
		before, after, found := strings.Cut(text, "$")
		if before != "" {
			parts = append(parts, Text(before))
		}
		if !found {
			return Concat(parts...), nil
		}
		if after == "" {
			return Arg{}, errors.New("ends in a single $")
		}
		name, rest, closed := variableName(after)
		if !closed {
			return Arg{}, errors.New("has a ${ without a }")
		}
		value, err := variable(name)
		if err != nil {
			return Arg{}, err
		}
		parts = append(parts, value)
		text = rest
	}
}

// variableName cuts off the name that follows a dollar; closed is false if a brace is open.
func variableName(s string) (name, rest string, closed bool) {
	if inner, braces := strings.CutPrefix(s, "{"); braces {
		return strings.Cut(inner, "}")
	}
	if s[0] >= '1' && s[0] <= '9' {
		return s[:1], s[1:], true
	}
	end := strings.IndexFunc(s, func(c rune) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:], true
}
