package explain

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/request"
)

// run follows the directives of ngx_http_rewrite_module in a list: set, if, return, rewrite and break, in their order. All others
// act later.
func (w *walk) run(list []nginx.Parsed, name string, from []Source) progress {
	for _, d := range list {
		if p := w.do(d, name, from); p != wentOn {
			return p
		}
	}
	return wentOn
}

func (w *walk) do(d nginx.Parsed, name string, from []Source) progress {
	args := d.Words[1:]
	switch d.Name() {
	case "set":
		w.set[strings.TrimPrefix(args[0], "$")] = w.expand(args[1])
	case "break":
		w.restarts = false
		return stopped
	case "return":
		return w.returned(args, name, from)
	case "rewrite":
		return w.rewritten(args, name, from)
	case "if":
		holds, isKnown := w.holds(args)
		if !isKnown {
			w.notFollowed("the condition " + strings.Join(args, " "))
		}
		if holds && isKnown {
			if w.location != nil {
				w.inner = d.Block
			}
			return w.run(d.Block, name, from)
		}
	case "set_by_lua_block":
		if d.Lua == "return ngx.escape_uri(ngx.var.uri, 0)" { // ours; see location.tmpl
			w.set[strings.TrimPrefix(args[0], "$")] = value{text: nginx.EscapeForLua(w.uri)}
		} else {
			w.notFollowed(d.Name())
		}
	default:
		if strings.Contains(d.Name(), "_by_lua") {
			w.notFollowed(d.Name())
		}
	}
	return wentOn
}

// returned answers as return does.
func (w *walk) returned(args []string, name string, from []Source) progress {
	code, err := strconv.Atoi(args[0])
	text := ""
	switch {
	case err != nil:
		code, text = 302, args[0]
	case len(args) > 1:
		text = args[1]
	}
	w.step(name, Answers, "return "+strings.Join(args, " "), from...)
	switch {
	case code >= 300 && code < 309 && code != 304 && text != "":
		return w.redirect(code, w.expand(text))
	case text == "" && code >= 400:
		return w.fail(code)
	}
	w.d.Outcome.Status = code
	return ended
}

// rewritten replaces the path as rewrite does.
func (w *walk) rewritten(args []string, name string, from []Source) progress {
	groups, err := w.search(args[0], false, w.uri)
	if err != nil {
		w.notFollowed("the expression of a rewrite (" + err.Error() + ")")
		return wentOn
	}
	if groups == nil {
		return wentOn
	}
	w.keep(groups)
	flag := ""
	if len(args) > 2 {
		flag = args[2]
	}
	isURL := strings.HasPrefix(args[1], "http://") || strings.HasPrefix(args[1], "https://") || strings.HasPrefix(args[1], "$scheme")
	if isURL || flag == "redirect" || flag == "permanent" {
		code := 302
		if flag == "permanent" {
			code = 301
		}
		w.step(name, Answers, "rewrite "+strings.Join(args, " "), from...)
		return w.redirect(code, w.redirection(args[1]))
	}
	w.restarts = flag != "break"
	if p := w.replace(args[1], from); p != wentOn || flag == "" {
		return p
	}
	return stopped
}

// redirection is the Location of a rewrite: groups are escaped, and what was is unescaped as far as it can be.
func (w *walk) redirection(text string) value {
	text, drops := strings.CutSuffix(text, "?")
	v := w.expand(w.withGroups(text, w.target.IsEscaped || w.target.HasPlus))
	v.text = request.UnescapeRedirect(v.text)
	if !drops && w.args != "" {
		separator := "?"
		if strings.Contains(text, "?") {
			separator = "&"
		}
		v.text += separator + w.args
	}
	return v
}

// withGroups puts numbered groups into a text, escaped for a query if need be. Dollars in them are kept from being variables.
func (w *walk) withGroups(text string, escapes bool) string {
	var out strings.Builder
	for {
		before, rest, has := strings.Cut(text, "$")
		out.WriteString(before)
		if !has {
			return out.String()
		}
		if rest == "" || rest[0] < '1' || rest[0] > '9' {
			out.WriteByte('$')
			text = rest
			continue
		}
		group := w.variable(rest[:1]).text
		if escapes {
			group = nginx.EscapeArgument(group)
		}
		out.WriteString(strings.ReplaceAll(group, "$", "${literal_dollar}"))
		text = rest[1:]
	}
}

// replace gives the request another path and query.
func (w *walk) replace(text string, from []Source) progress {
	text, drops := strings.CutSuffix(text, "?")
	path, args, hasArgs := cutArguments(text)
	newPath := w.expand(w.withGroups(path, false))
	if newPath.unknown {
		w.notFollowed("the path of a rewrite, " + text)
	}
	switch {
	case hasArgs:
		newArgs := w.expand(w.withGroups(args, w.target.IsEscaped || w.target.HasPlus))
		if !drops && w.args != "" {
			newArgs.text += "&" + w.args
		}
		w.args = newArgs.text
	case drops:
		w.args = ""
	}
	if newPath.text == "" {
		w.step("rewrite", Answers, fmt.Sprintf("what %q comes to is empty", text), from...)
		return w.fail(500)
	}
	w.step("rewrite", Changes, fmt.Sprintf("path %q becomes %q", w.uri, newPath.text), from...)
	w.uri, w.isOwnURI = newPath.text, true
	return wentOn
}

// cutArguments takes the target of a rewrite apart as NGINX does: behind the last question mark are arguments, others are left out.
func cutArguments(text string) (path, args string, has bool) {
	at := strings.LastIndexByte(text, '?')
	if at < 0 {
		return text, "", false
	}
	return strings.ReplaceAll(text[:at], "?", ""), text[at+1:], true
}

// holds tells whether the condition of an if holds, and whether that can be known.
func (w *walk) holds(args []string) (holds, isKnown bool) {
	words := nginx.Condition(args)
	if len(words) == 0 || !strings.HasPrefix(words[0], "$") {
		return false, false // about files
	}
	left := w.expand(words[0])
	switch {
	case left.unknown:
		return false, false
	case len(words) == 1:
		return left.text != "" && left.text != "0", true
	case len(words) != 3:
		return false, false
	}
	switch operator := words[1]; operator {
	case "=", "!=":
		right := w.expand(words[2])
		return (left.text == right.text) == (operator == "="), !right.unknown
	case "~", "~*", "!~", "!~*":
		groups, err := w.search(words[2], strings.HasSuffix(operator, "*"), left.text)
		if groups != nil {
			w.keep(groups)
		}
		return (groups != nil) == (operator[0] == '~'), err == nil
	}
	return false, false
}
