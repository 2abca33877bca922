package snippet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// rewrite reads a rewrite. One that redirects and uses captures of the path becomes a return: NGINX would put the decoded path
// into the answer's header, line ends and all. In an if, which can have no other in it, it takes only paths without control
// characters.
func (r *reader) rewrite(words []string, inIf bool) (nginx.Directives, error) {
	if len(words) < 2 || len(words) > 3 {
		return nil, errors.New("has an expression, a target and perhaps a flag")
	}
	flag := ""
	if len(words) == 3 {
		if flag = words[2]; !slices.Contains([]string{"last", "break", "redirect", "permanent"}, flag) {
			return nil, fmt.Errorf("has the flag %.20q; there are last, break, redirect and permanent", flag)
		}
	}
	pattern, err := nginx.ParseRegex(words[0])
	if err != nil {
		return nil, fmt.Errorf("has the regular expression %.80q, which %w", words[0], err)
	}
	target := words[1]
	found := r.newCaptures(pattern.Groups())
	if flag == "redirect" || flag == "permanent" || isURL(target) {
		return r.redirect(pattern, found, target, flag, inIf)
	}
	value, err := r.path(found, target)
	if err != nil {
		return nil, err
	}
	args := []nginx.Arg{pattern.Named(found.capture).Arg(), value}
	if flag != "" {
		args = append(args, nginx.Verbatim(flag))
	}
	return nginx.Directives{nginx.D("rewrite", args...)}, nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "$scheme://")
}

// path reads the target of a rewrite that stays inside. In its query only what is fit for a URL can stand: NGINX sends that as
// it is.
func (r *reader) path(found captures, target string) (nginx.Arg, error) {
	if target == "" || target[0] != '/' && target[0] != '$' {
		return nginx.Arg{}, errors.New("has a target that is neither a path nor a URL")
	}
	path, query, has := strings.Cut(target, "?")
	value, err := r.with(found, path)
	if err != nil || !has {
		return value, err
	}
	if strings.ContainsAny(query, " \t#") {
		return nginx.Arg{}, errors.New("has a blank or # in the query")
	}
	rest, err := nginx.Expand(query, func(name string) (nginx.Arg, error) {
		if !Lists(queryVariables, name) || r.own[name] {
			return nginx.Arg{}, fmt.Errorf("uses $%.40s in the query, where it would not be encoded", name)
		}
		return nginx.Var(name), nil
	})
	return nginx.Concat(value, nginx.Text("?"), rest), err
}

// with reads a text with the captures of a regular expression.
func (r *reader) with(found captures, text string) (nginx.Arg, error) {
	r.captures = append(r.captures, found)
	defer func() { r.captures = r.captures[:len(r.captures)-1] }()
	return r.text(text)
}

// withoutControls begins an expression that is found where the one in its last group is, in texts without control characters.
const withoutControls = `^(?![\s\S]*[[:cntrl:]])[\s\S]*?(?:`

// usedIn tells whether a text has one of the captures in it.
func (c captures) usedIn(a nginx.Arg) bool {
	for n := 1; n <= c.groups; n++ {
		if a.Uses(c.capture(n)) {
			return true
		}
	}
	return false
}

// escapePath sets a variable to the path as a URL has it.
var escapePath = func() nginx.Directive {
	d, err := nginx.Raw("set_by_lua_block $escaped_uri { return ngx.escape_uri(ngx.var.uri, 0) }")
	if err != nil {
		panic(err)
	}
	return d
}()

func (r *reader) redirect(expression nginx.Regex, found captures, target, flag string, inIf bool) (nginx.Directives, error) {
	if strings.TrimSuffix(target, "?") == "" {
		return nil, errors.New("has no target")
	}
	code := 302
	if flag == "permanent" {
		code = 301
	}
	bare, drop := strings.CutSuffix(target, "?")
	value, err := r.with(found, bare)
	if err != nil {
		return nil, err
	}
	isUsed := found.usedIn(value)
	if isUsed && inIf {
		if expression, err = nginx.ParseRegex(withoutControls + expression.String() + ")"); err != nil {
			return nil, fmt.Errorf("has a regular expression that %w", err)
		}
	}
	pattern := expression.Named(found.capture).Arg()
	if !isUsed || inIf {
		if drop {
			value = nginx.Concat(value, nginx.Text("?"))
		}
		return nginx.Directives{nginx.D("rewrite", pattern, value, nginx.Verbatim(cmp.Or(flag, "redirect")))}, nil
	}
	switch {
	case drop:
	case strings.Contains(bare, "?"):
		value = nginx.Concat(value, nginx.Text("&"), nginx.Var("args"))
	default:
		value = nginx.Concat(value, nginx.Var("is_args"), nginx.Var("args"))
	}
	answer := nginx.D("return", nginx.Int(code), value)
	test := []nginx.Arg{nginx.Verbatim("("), nginx.Var("escaped_uri"), nginx.Verbatim("~"), pattern, nginx.Verbatim(")")}
	return nginx.Directives{escapePath, {Name: "if", Args: test, Block: nginx.Directives{answer}}}, nil
}
