package pcre

import (
	"fmt"
	"strings"
)

// set are the bytes that a class of characters has.
type set [256]bool

func setOf(has func(c byte) bool) *set {
	var s set
	for c := range 256 {
		s[c] = has(byte(c))
	}
	return &s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isAlpha(c byte) bool { return isUpper(c) || isLower(c) }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
func isWord(c byte) bool  { return isAlnum(c) || c == '_' }
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
func isGraph(c byte) bool { return ' ' < c && c < 0x7f }
func isCntrl(c byte) bool { return c < ' ' || c == 0x7f }
func isBlank(c byte) bool { return c == ' ' || c == '\t' }
func isHorizontal(c byte) bool {
	return isBlank(c) || c == 0xa0
}
func isVertical(c byte) bool { return '\n' <= c && c <= '\r' || c == 0x85 }

func not(has func(c byte) bool) func(byte) bool { return func(c byte) bool { return !has(c) } }

// sets are those that a backslash and a letter stand for, as PCRE2 knows them without Unicode.
var sets = map[byte]*set{
	'd': setOf(isDigit), 'D': setOf(not(isDigit)), 'w': setOf(isWord), 'W': setOf(not(isWord)), 's': setOf(isSpace), 'S': setOf(not(isSpace)),
	'h': setOf(isHorizontal), 'H': setOf(not(isHorizontal)), 'v': setOf(isVertical), 'V': setOf(not(isVertical)),
}

// namedSets are those of [:name:].
var namedSets = map[string]*set{
	"alnum": setOf(isAlnum), "alpha": setOf(isAlpha), "ascii": setOf(func(c byte) bool { return c < 0x80 }), "blank": setOf(isBlank),
	"cntrl": setOf(isCntrl), "digit": setOf(isDigit), "graph": setOf(isGraph), "lower": setOf(isLower),
	"print": setOf(func(c byte) bool { return isGraph(c) || c == ' ' }), "punct": setOf(func(c byte) bool { return isGraph(c) && !isAlnum(c) }),
	"space": setOf(isSpace), "upper": setOf(isUpper), "word": setOf(isWord),
	"xdigit": setOf(func(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }),
}

// escaped is the character that a backslash before one stands for.
func escaped(c byte) byte {
	if at := strings.IndexByte("aefnrt0", c); at >= 0 {
		return "\a\x1b\f\n\r\t\x00"[at]
	}
	return c
}

// class reads [...] and writes the bytes that it has.
func (t *translator) class() error {
	t.atom = t.out.Len()
	start := t.at
	t.at++
	negated := strings.HasPrefix(t.text[t.at:], "^")
	if negated {
		t.at++
	}
	var all set
	for first := true; t.at < len(t.text); first = false {
		if t.text[t.at] == ']' && !first {
			t.at++
			writeSet(&t.out, &all, negated)
			return nil
		}
		t.members(&all)
	}
	return fmt.Errorf("the expression %q has a [ at byte %d that is not closed", t.text, start)
}

// members adds a character, a range or a set.
func (t *translator) members(all *set) {
	low, several := t.member()
	if several != nil {
		for c := range several {
			all[c] = all[c] || several[c]
		}
		return
	}
	high := low
	if rest := t.text[t.at:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
		t.at++
		high, _ = t.member()
	}
	for c := int(low); c <= int(high); c++ {
		all[c] = true
	}
}

// member reads one member of a class: a character, or else a set.
func (t *translator) member() (byte, *set) {
	c := t.text[t.at]
	t.at++
	if name, rest, is := strings.Cut(t.text[t.at:], ":]"); c == '[' && is && strings.HasPrefix(name, ":") {
		inner, negated := strings.CutPrefix(name[1:], "^")
		if known := namedSets[inner]; known != nil {
			t.at = len(t.text) - len(rest)
			if negated {
				return 0, setOf(func(c byte) bool { return !known[c] })
			}
			return 0, known
		}
	}
	if c != '\\' || t.at == len(t.text) {
		return c, nil
	}
	c = t.text[t.at]
	t.at++
	if several := sets[c]; several != nil {
		return 0, several
	}
	if c == 'b' {
		return '\b', nil
	}
	return escaped(c), nil
}

// writeSet writes a class of the bytes, or of all others.
func writeSet(out *strings.Builder, s *set, negated bool) {
	out.WriteByte('[')
	if negated {
		out.WriteByte('^')
	}
	for low := 0; low < len(s); low++ {
		if !s[low] {
			continue
		}
		high := low
		for high+1 < len(s) && s[high+1] && high+1 != 0x80 { // where characters for private use begin
			high++
		}
		fmt.Fprintf(out, `\u%04X-\u%04X`, toRune(byte(low)), toRune(byte(high)))
		low = high
	}
	out.WriteByte(']')
}
