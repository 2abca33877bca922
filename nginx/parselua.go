package nginx

import (
	"errors"
	"strings"
)

// lua skips Lua source to the brace that closes it. Braces in strings and comments do not count. Short strings that go over a
// line end are refused: whether they end there is for Lua to say.
func (p *parser) lua() (string, error) {
	start, depth := p.at, 1
	for p.at < len(p.text) {
		rest := p.text[p.at:]
		if level := longBracket(strings.TrimPrefix(rest, "--")); level >= 0 {
			if err := p.skipPast("]" + strings.Repeat("=", level) + "]"); err != nil {
				return "", err
			}
			continue
		}
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "--"):
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
			continue
		case c == '"' || c == '\'':
			if err := p.luaString(c); err != nil {
				return "", err
			}
			continue
		case c == '\n':
			p.line++
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		p.at++
		if depth == 0 {
			return strings.TrimSpace(p.text[start : p.at-1]), nil
		}
	}
	return "", errors.New("unexpected end in a Lua block")
}

// longBracket is the number of = in the [==[ that the text starts with, or -1.
func longBracket(s string) int {
	inner, is := strings.CutPrefix(s, "[")
	if !is {
		return -1
	}
	after := strings.TrimLeft(inner, "=")
	if !strings.HasPrefix(after, "[") {
		return -1
	}
	return len(inner) - len(after)
}

func (p *parser) skipPast(end string) error {
	length := strings.Index(p.text[p.at:], end)
	if length < 0 {
		return errors.New("unexpected end in a Lua string or comment")
	}
	p.line += strings.Count(p.text[p.at:p.at+length], "\n")
	p.at += length + len(end)
	return nil
}

func (p *parser) luaString(quotes byte) error {
	for p.at++; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case quotes:
			p.at++
			return nil
		case '\n', '\r':
			return errors.New("a Lua string goes over a line end")
		case '\\':
			p.at++
			if p.at < len(p.text) && strings.IndexByte("\r\n", p.text[p.at]) >= 0 {
				return errors.New("a Lua string goes over a line end")
			}
		}
	}
	return errors.New("unexpected end in a Lua string")
}
