package nginx

import (
	"fmt"
	"strconv"
	"strings"
)

// Regex is a regular expression that is well formed for PCRE2, the library NGINX uses.
type Regex struct {
	text   string
	groups []int // where each numbered group opens
}

// maxRegex bounds a pattern's length; PCRE2 itself gives up at 64 KiB of compiled code.
const maxRegex = 4096

// ParseRegex checks the pattern against PCRE2's syntax: brackets and classes closed, quantifiers with
// something to repeat and in order, group prefixes that exist. Constructs that run code, recurse or
// change the engine's limits are refused.
func ParseRegex(pattern string) (Regex, error) {
	if len(pattern) > maxRegex {
		return Regex{}, fmt.Errorf("is longer than %d bytes", maxRegex)
	}
	if i := strings.IndexAny(pattern, "\x00\r\n"); i >= 0 {
		return Regex{}, fmt.Errorf("has a control character at byte %d", i)
	}
	r := regexReader{text: pattern}
	if err := r.read(); err != nil {
		return Regex{}, err
	}
	return Regex{text: pattern, groups: r.groups}, nil
}

// Groups is the number of numbered capture groups.
func (r Regex) Groups() int { return len(r.groups) }

func (r Regex) String() string { return r.text }

// Arg is the pattern as an argument of a directive that takes a regular expression.
func (r Regex) Arg() Arg { return Verbatim(r.text) }

// NamedGroups gives every numbered group a name, prefix followed by its number. Rewrites refer to
// captures by name only: numbered ones are the ground of CVE-2026-42945, and a later regex would
// overwrite them.
func (r Regex) NamedGroups(prefix string) Regex {
	var b strings.Builder
	last := 0
	for i, at := range r.groups {
		b.WriteString(r.text[last : at+1])
		b.WriteString("?<" + prefix + strconv.Itoa(i+1) + ">")
		last = at + 1
	}
	b.WriteString(r.text[last:])
	return Regex{text: b.String()}
}

type regexReader struct {
	text   string
	at     int
	depth  int
	groups []int
	atom   bool // the last thing read can be repeated
}

func (r *regexReader) read() error {
	for r.at < len(r.text) {
		if err := r.next(); err != nil {
			return err
		}
	}
	if r.depth > 0 {
		return fmt.Errorf("a ( is not closed")
	}
	return nil
}

func (r *regexReader) next() error {
	switch c := r.text[r.at]; c {
	case '\\':
		return r.escape()
	case '[':
		return r.class()
	case '(':
		return r.open()
	case ')':
		if r.depth == 0 {
			return fmt.Errorf("a ) at byte %d closes nothing", r.at)
		}
		r.depth--
		r.atom = true
	case '|', '^':
		r.atom = false
	case '*', '+', '?':
		return r.quantifier(1)
	case '{':
		if n := braceQuantifier(r.text[r.at:]); n > 0 {
			return r.quantifier(n)
		}
		r.atom = true
	default:
		r.atom = true
	}
	r.at++
	return nil
}

func (r *regexReader) escape() error {
	if r.at+1 == len(r.text) {
		return fmt.Errorf(`ends in a single \`)
	}
	switch c := r.text[r.at+1]; {
	case strings.IndexByte("LlUuNCRKgkQEopPxX", c) >= 0:
		return fmt.Errorf(`\%c at byte %d is not supported`, c, r.at)
	case c >= 0x80:
		return fmt.Errorf(`\ at byte %d is followed by a character that is not ASCII`, r.at)
	case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
		if strings.IndexByte("aAbBcdDefGhHnrsStvVwWzZ", c) < 0 {
			return fmt.Errorf(`\%c at byte %d is no escape`, c, r.at)
		}
		if c == 'c' {
			return fmt.Errorf(`\c at byte %d is not supported`, r.at)
		}
	case '1' <= c && c <= '9':
		if int(c-'0') > len(r.groups) {
			return fmt.Errorf(`\%c at byte %d refers to a group that does not exist`, c, r.at)
		}
	}
	r.at += 2
	r.atom = true
	return nil
}

// class reads [...]; a ] right after the opening (or after ^) is a member.
func (r *regexReader) class() error {
	start := r.at
	r.at++
	if r.at < len(r.text) && r.text[r.at] == '^' {
		r.at++
	}
	for first := true; r.at < len(r.text); first = false {
		switch c := r.text[r.at]; {
		case c == ']' && !first:
			r.at++
			r.atom = true
			return nil
		case c == '\\':
			if r.at+1 == len(r.text) {
				return fmt.Errorf(`ends in a single \`)
			}
			if strings.IndexByte("LlUuNCRKgkQEopPxXcBGzZA", r.text[r.at+1]) >= 0 {
				return fmt.Errorf(`\%c at byte %d is not supported`, r.text[r.at+1], r.at)
			}
			r.at++
		case c == '[' && r.at+1 < len(r.text) && strings.IndexByte(":.=", r.text[r.at+1]) >= 0:
			end := strings.Index(r.text[r.at+2:], r.text[r.at+1:r.at+2]+"]")
			if r.text[r.at+1] != ':' || end < 0 || !posixClasses[strings.TrimPrefix(r.text[r.at+2:r.at+2+end], "^")] {
				return fmt.Errorf("the class at byte %d is unknown", r.at)
			}
			r.at += 2 + end + 1
		case r.at+2 < len(r.text) && r.text[r.at+1] == '-' && r.text[r.at+2] != ']' &&
			r.text[r.at+2] != '\\' && r.text[r.at+2] != '[' && r.text[r.at+2] < c:
			return fmt.Errorf("the range at byte %d is out of order", r.at)
		}
		r.at++
	}
	return fmt.Errorf("the [ at byte %d is not closed", start)
}

var posixClasses = map[string]bool{
	"alnum": true, "alpha": true, "ascii": true, "blank": true, "cntrl": true, "digit": true, "graph": true,
	"lower": true, "print": true, "punct": true, "space": true, "upper": true, "word": true, "xdigit": true,
}

// open reads ( and the prefix that says what kind of group it opens.
func (r *regexReader) open() error {
	start := r.at
	rest := r.text[r.at+1:]
	r.depth++
	r.atom = false
	switch {
	case strings.HasPrefix(rest, "*"):
		return fmt.Errorf("the verb at byte %d is not supported", start)
	case !strings.HasPrefix(rest, "?"):
		r.groups = append(r.groups, start)
		r.at++
		return nil
	}
	for _, prefix := range []string{"?:", "?=", "?!", "?<=", "?<!", "?>", "?i:", "?-i:"} {
		if strings.HasPrefix(rest, prefix) {
			r.at += 1 + len(prefix)
			return nil
		}
	}
	if strings.HasPrefix(rest, "?i)") || strings.HasPrefix(rest, "?-i)") {
		r.at += 2 + strings.IndexByte(rest, ')')
		r.depth--
		return nil
	}
	return fmt.Errorf("the group at byte %d is of a kind that is not supported", start)
}

// quantifier reads a quantifier of n bytes and a ? or + that makes it lazy or possessive.
func (r *regexReader) quantifier(n int) error {
	if !r.atom {
		return fmt.Errorf("the quantifier at byte %d has nothing to repeat", r.at)
	}
	r.at += n
	if r.at < len(r.text) && (r.text[r.at] == '?' || r.text[r.at] == '+') {
		r.at++
	}
	r.atom = false
	return checkBraces(r.text[r.at-n : r.at])
}

// braceQuantifier is the length of {n}, {n,} or {n,m} at the start of s, or 0: then { is a character.
func braceQuantifier(s string) int {
	end := strings.IndexByte(s, '}')
	if end < 2 {
		return 0
	}
	low, high, _ := strings.Cut(s[1:end], ",")
	if low == "" || strings.Trim(low+high, "0123456789") != "" {
		return 0
	}
	return end + 1
}

func checkBraces(s string) error {
	if !strings.HasPrefix(s, "{") {
		return nil
	}
	low, high, two := strings.Cut(s[1:strings.IndexByte(s+"}", '}')], ",")
	from, err := strconv.Atoi(low)
	to := from
	if err == nil && two && high != "" {
		to, err = strconv.Atoi(high)
	}
	if err != nil || from > 1000 || to > 1000 || to < from {
		return fmt.Errorf("the counts of %s are out of range", shorten(s))
	}
	return nil
}
