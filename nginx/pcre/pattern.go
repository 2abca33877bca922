// Package pcre finds in Go what the regular expressions of an NGINX configuration find: NGINX searches with PCRE2, which compares
// bytes, and takes nothing beyond ASCII for a letter, a digit or a blank.
//
// It is for explaining, not for serving: it searches by going back, as PCRE2 does, and gives up after a time.
package pcre

import (
	"fmt"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// Pattern is a regular expression.
type Pattern struct {
	engine *regexp2.Regexp
	// Nests means that something is repeated that repeats something itself, as in (a+)+. How many steps a search takes then may
	// double with every character.
	Nests bool
}

// Compile reads an expression that nginx.ParseRegex takes, or one of our own, which may have named groups. A search that takes
// longer than patience ends in an error.
func Compile(text string, anyCase bool, patience time.Duration) (*Pattern, error) {
	t := translator{text: text}
	if err := t.all(); err != nil {
		return nil, err
	}
	options := regexp2.RegexOptions(regexp2.None)
	if anyCase {
		options = regexp2.IgnoreCase
	}
	engine, err := regexp2.Compile(t.out.String(), options)
	if err != nil {
		return nil, fmt.Errorf("read the expression %q: %w", text, err)
	}
	engine.MatchTimeout = patience
	return &Pattern{engine, t.nests}, nil
}

// Match are the groups of what was found: by number, the whole first, and by name. A group that took no part is empty.
type Match struct {
	Groups []string
	Named  map[string]string
}

// Find searches a text; nil if the expression is not found in it. An error means that the search was given up.
func (p *Pattern) Find(text string) (*Match, error) {
	match, err := p.engine.FindStringMatch(toRunes(text))
	if err != nil || match == nil {
		return nil, err
	}
	f := &Match{Named: map[string]string{}}
	for n, group := range match.Groups() {
		value := toBytes(group.String())
		f.Groups = append(f.Groups, value)
		if group.Name != fmt.Sprint(n) {
			f.Named[group.Name] = value
		}
	}
	return f, nil
}

// Bytes beyond ASCII become characters for private use, which no engine takes for letters or anything else.
const private = 0xE000

func toRune(c byte) rune {
	if c < 0x80 {
		return rune(c)
	}
	return private + rune(c)
}

func toRunes(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteRune(toRune(text[i]))
	}
	return b.String()
}

func toBytes(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteByte(byte(r)) // 0xE0FF ends in 0xFF
	}
	return b.String()
}

// translator writes an expression of PCRE2 in the syntax of regexp2, which has lookaround and references, too, but writes some
// things in another way and others mean something else there.
type translator struct {
	text string
	at   int
	out  strings.Builder
	atom int   // where the last thing that can be repeated begins in out
	open []int // the same of groups that are not closed

	repeats []bool // of these, whether something in them is repeated
	within  bool   // the last thing that can be repeated is a group of which that is so
	nests   bool
}

func (t *translator) all() error {
	for t.at < len(t.text) {
		if err := t.next(); err != nil {
			return err
		}
	}
	return nil
}

func (t *translator) next() error {
	c := t.text[t.at]
	if strings.IndexByte("*+?{", c) < 0 {
		t.within = false
	}
	switch {
	case c == '\\':
		return t.escape()
	case c == '[':
		return t.class()
	case c == '(':
		t.group()
		return nil
	case c == ')':
		if len(t.open) == 0 {
			return fmt.Errorf("the expression %q closes a group that is not open", t.text)
		}
		last := len(t.open) - 1
		t.atom, t.within = t.open[last], t.repeats[last]
		t.open, t.repeats = t.open[:last], t.repeats[:last]
		if t.within && last > 0 {
			t.repeats[last-1] = true
		}
		t.out.WriteByte(')')
		t.at++
		return nil
	case c == '*' || c == '+' || c == '?':
		t.repeat(string(c), 1)
		return nil
	case c == '{':
		if quantifier, length := braces(t.text[t.at:]); length > 0 {
			t.repeat(quantifier, length)
			return nil
		}
		t.literal(c)
	case c == '|' || c == '^' || c == '$' || c == '.':
		t.atom = t.out.Len()
		t.out.WriteByte(c)
	default:
		t.literal(c)
	}
	t.at++
	return nil
}

func (t *translator) literal(c byte) {
	t.atom = t.out.Len()
	if isWord(c) {
		t.out.WriteByte(c)
		return
	}
	fmt.Fprintf(&t.out, `\u%04X`, toRune(c))
}

// group copies what opens a group.
func (t *translator) group() {
	end := t.at + 1
	if strings.HasPrefix(t.text[end:], "?") {
		end++
		for end < len(t.text) && strings.IndexByte(":=!>)", t.text[end]) < 0 {
			end++
		}
		if end < len(t.text) {
			end++
		}
	}
	prefix := t.text[t.at:end]
	if !strings.HasSuffix(prefix, ")") { // (?i) opens nothing
		t.open, t.repeats = append(t.open, t.out.Len()), append(t.repeats, false)
	}
	t.out.WriteString(prefix)
	t.at = end
}

// repeat writes a quantifier. One that gives nothing back is a group that does not.
func (t *translator) repeat(quantifier string, length int) {
	t.at += length
	t.nests = t.nests || t.within
	if len(t.repeats) > 0 {
		t.repeats[len(t.repeats)-1] = true
	}
	switch {
	case strings.HasPrefix(t.text[t.at:], "+"):
		before, atom := t.out.String()[:t.atom], t.out.String()[t.atom:]
		t.out.Reset()
		t.out.WriteString(before + "(?>" + atom + quantifier + ")")
		t.at++
	case strings.HasPrefix(t.text[t.at:], "?"):
		t.out.WriteString(quantifier + "?")
		t.at++
	default:
		t.out.WriteString(quantifier)
	}
}

// braces reads {n}, {n,}, {,m} or {n,m}, with or without blanks; a length of 0 means that the brace stands for itself.
func braces(text string) (quantifier string, length int) {
	inner, _, closed := strings.Cut(text[1:], "}")
	low, high, isRange := strings.Cut(strings.Map(dropBlanks, inner), ",")
	if !closed || low+high == "" || strings.Trim(low+high, "0123456789") != "" {
		return "", 0
	}
	if low == "" {
		low = "0"
	}
	quantifier = "{" + low
	if isRange {
		quantifier += "," + high
	}
	return quantifier + "}", len(inner) + 2
}

func dropBlanks(r rune) rune {
	if r == ' ' || r == '\t' {
		return -1
	}
	return r
}

func (t *translator) escape() error {
	if t.at+1 == len(t.text) {
		return fmt.Errorf(`the expression %q ends in a single \`, t.text)
	}
	c := t.text[t.at+1]
	t.at += 2
	switch {
	case strings.IndexByte("AbBGzZ", c) >= 0:
		t.atom = t.out.Len()
		t.out.WriteString(`\` + string(c))
	case '1' <= c && c <= '9':
		t.atom = t.out.Len()
		fmt.Fprintf(&t.out, `(?:\%c)`, c)
	case sets[c] != nil:
		t.atom = t.out.Len()
		writeSet(&t.out, sets[c], false)
	default:
		t.literal(escaped(c))
	}
	return nil
}
