package nginx

import (
	"fmt"
	"strings"
)

// Parsed is a directive as NGINX's own tokenizer would read it.
type Parsed struct {
	Words []string // name and arguments, unquoted
	Block []Parsed // nil without a block
	Line  int      // where the directive starts, from 1
	Lua   string   // the source of a *_by_lua_block
	// End is the line, from 1, of the ; or { behind its words, or of the } behind its Lua, if the line ends there: what is added to
	// that line as a comment is none of any word's. 0 if something follows.
	End int
}

// Name is the directive's name.
func (p Parsed) Name() string { return p.Words[0] }

// Parse reads configuration text by the rules of ngx_conf_read_token. It shares no code with the
// encoder: it is there to check it.
func Parse(text string) ([]Parsed, error) {
	p := &parser{text: text, line: 1}
	list, err := p.block(false)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", p.line, err)
	}
	return list, nil
}

type parser struct {
	text string
	at   int
	line int
}

// block reads directives until the closing brace, or the end of the text at the top level.
func (p *parser) block(inner bool) ([]Parsed, error) {
	list := []Parsed{}
	for {
		p.space()
		if p.at == len(p.text) {
			if inner {
				return nil, fmt.Errorf("unexpected end, a block is open")
			}
			return list, nil
		}
		if p.text[p.at] == '}' {
			if !inner {
				return nil, fmt.Errorf("unexpected }")
			}
			p.at++
			return list, nil
		}
		d, err := p.directive()
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
}

func (p *parser) directive() (Parsed, error) {
	d := Parsed{Line: p.line}
	for {
		p.space()
		if p.at == len(p.text) {
			return d, fmt.Errorf("unexpected end, expecting ; or }")
		}
		switch p.text[p.at] {
		case ';', '{':
			if len(d.Words) == 0 {
				return d, fmt.Errorf("unexpected %q", p.text[p.at])
			}
			p.at++
			d.End = p.lineEnd()
			if p.text[p.at-1] == ';' {
				return d, nil
			}
			return p.body(d)
		case '}':
			return d, fmt.Errorf("unexpected }")
		}
		word, err := p.word()
		if err != nil {
			return d, err
		}
		d.Words = append(d.Words, word)
	}
}

func (p *parser) body(d Parsed) (Parsed, error) {
	var err error
	if strings.HasSuffix(d.Name(), "_by_lua_block") {
		d.Lua, err = p.lua()
		d.Block, d.End = []Parsed{}, p.lineEnd()
		return d, err
	}
	d.Block, err = p.block(true)
	return d, err
}

// lineEnd is the line, if nothing but white space follows on it; else 0.
func (p *parser) lineEnd() int {
	rest, _, _ := strings.Cut(p.text[p.at:], "\n")
	if strings.Trim(rest, " \t\r") != "" {
		return 0
	}
	return p.line
}

// space skips white space and comments.
func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case '\n':
			p.line++
		case ' ', '\t', '\r':
		case '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
			continue
		default:
			return
		}
		p.at++
	}
}

func (p *parser) word() (string, error) {
	if c := p.text[p.at]; c == '"' || c == '\'' {
		return p.quoted(c)
	}
	r := run{start: p.at}
	dollar := false // what is before is a dollar, and not an escaped one, or braces after it
	for p.at < len(p.text) {
		c := p.text[p.at]
		after := dollar
		dollar = c == '$' || c == '{' && after
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';':
			return p.end(&r), nil
		case c == '{' && !after:
			return p.end(&r), nil
		case c == '\\':
			p.escape(&r)
		default:
			p.at++
		}
	}
	return "", fmt.Errorf("unexpected end in a word")
}

func (p *parser) quoted(quotes byte) (string, error) {
	p.at++
	r := run{start: p.at}
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case quotes:
			word := p.end(&r)
			p.at++
			if p.at < len(p.text) && !strings.ContainsRune(" \t\r\n;{)", rune(p.text[p.at])) {
				return "", fmt.Errorf("unexpected %q after a quoted word", p.text[p.at])
			}
			return word, nil
		case '\\':
			p.escape(&r)
		default:
			if c == '\n' {
				p.line++
			}
			p.at++
		}
	}
	return "", fmt.Errorf("unexpected end in a quoted word")
}

// run is a word that is being read. Most are a piece of the text as it stands there.
type run struct {
	read  strings.Builder
	start int // of what is not in read yet
}

func (p *parser) end(r *run) string {
	if r.read.Len() == 0 {
		return p.text[r.start:p.at]
	}
	r.read.WriteString(p.text[r.start:p.at])
	return r.read.String()
}

// escape reads a backslash and what follows it.
func (p *parser) escape(r *run) {
	b := &r.read
	b.WriteString(p.text[r.start:p.at])
	defer func() { r.start = p.at }()
	next := byte(0)
	if p.at+1 < len(p.text) {
		next = p.text[p.at+1]
	}
	switch next {
	case '"', '\'', '\\':
		b.WriteByte(next)
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'n':
		b.WriteByte('\n')
	case 0:
		b.WriteByte('\\')
		p.at++
		return
	default:
		b.WriteByte('\\')
		b.WriteByte(next)
	}
	p.at += 2
}
