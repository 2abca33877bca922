package nginx

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Regex is a regular expression that is well formed for PCRE2, the library NGINX uses.
type Regex struct {
	text   string
	groups []int    // where each numbered group opens
	names  []string // of groups, if Named has given them
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

// MostCaptures is how many groups of a path its rewrite can refer to.
const MostCaptures = 9

// Capture is the variable that holds what a group of a path has found.
func Capture(n int) string { return "capture_" + strconv.Itoa(n) }

// NamedGroups gives every numbered group the name of its Capture. Rewrites refer to
// captures by name only: numbered ones are the ground of CVE-2026-42945, and a later regex would
// overwrite them.
func (r Regex) NamedGroups() Regex { return r.Named(Capture) }

// Named gives every numbered group a name, by its number from 1.
func (r Regex) Named(name func(group int) string) Regex {
	var b strings.Builder
	var names []string
	last := 0
	for i, at := range r.groups {
		names = append(names, name(i+1))
		b.WriteString(r.text[last : at+1])
		b.WriteString("?<" + names[i] + ">")
		last = at + 1
	}
	b.WriteString(r.text[last:])
	return Regex{text: b.String(), names: names}
}

// Names are those that Named or NamedGroups has given.
func (r Regex) Names() []string { return r.names }

// regexReader reads a pattern as PCRE2 10.46 does, and adds up what it comes to when it is compiled.
type regexReader struct {
	text   string
	at     int
	groups []int
	atom   bool // the last thing read can be repeated
	size   int  // what has been read of the innermost group comes to
	last   int  // what the last atom comes to
	open   []openGroup
}

// openGroup is a group that is not closed yet.
type openGroup struct {
	outside    int  // size of what stands before it
	lookbehind bool // it, or one around it, looks behind
}

// Bounds of PCRE2, with room to spare: compiled code of 64 KiB and 250 groups within each other. Sizes of items are
// what they come to at most.
const (
	maxCompiled = 48 << 10
	maxNested   = 200

	charSize  = 3
	classSize = 36
	groupSize = 12
)

func (r *regexReader) read() error {
	for r.at < len(r.text) {
		if err := r.next(); err != nil {
			return err
		}
		if r.size > maxCompiled {
			return fmt.Errorf("is too large at byte %d, with all that it repeats", r.at)
		}
	}
	if len(r.open) > 0 {
		return fmt.Errorf("has a ( that is not closed")
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
		return r.group()
	case ')':
		return r.closeGroup()
	case '|', '^', '$':
		r.item(groupSize, false)
	case '*', '+', '?':
		return r.quantifier(1, 0, 1)
	case '{':
		if n, low, high := braces(r.text[r.at:]); n > 0 {
			return r.quantifier(n, low, high)
		}
		r.item(charSize, true)
	default:
		r.item(charSize, true)
	}
	r.at++
	return nil
}

// item notes something of that size.
func (r *regexReader) item(size int, atom bool) {
	r.size += size
	r.last, r.atom = size, atom
}

func (r *regexReader) escape() error {
	if r.at+1 == len(r.text) {
		return fmt.Errorf(`ends in a single \`)
	}
	c := r.text[r.at+1]
	switch {
	case c >= 0x80:
		return fmt.Errorf(`has a \ at byte %d before a character that is not ASCII`, r.at)
	case isLetter(c) && strings.IndexByte("aAbBdDefGhHnrsStvVwWzZ", c) < 0:
		return fmt.Errorf(`has \%c at byte %d, which is not supported`, c, r.at)
	case '1' <= c && c <= '9' && int(c-'0') > len(r.groups):
		return fmt.Errorf(`has \%c at byte %d for a group that does not exist`, c, r.at)
	case '1' <= c && c <= '9' && r.looksBehind():
		return fmt.Errorf(`has \%c at byte %d in what looks behind, which is not supported`, c, r.at)
	}
	r.at += 2
	r.item(2*charSize, strings.IndexByte("AbBGzZ", c) < 0)
	return nil
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// class reads [...]; a ] right after the opening (or after ^) is a member.
func (r *regexReader) class() error {
	start := r.at
	if posixEnd(r.text[r.at+1:]) >= 0 {
		return fmt.Errorf("has a named class outside of [] at byte %d", start)
	}
	r.at++
	if r.at < len(r.text) && r.text[r.at] == '^' {
		r.at++
	}
	for first := true; r.at < len(r.text); first = false {
		if r.text[r.at] == ']' && !first {
			r.at++
			r.item(classSize, true)
			return nil
		}
		if err := r.members(); err != nil {
			return err
		}
	}
	return fmt.Errorf("has a [ at byte %d that is not closed", start)
}

// members reads a character, a range or a named class.
func (r *regexReader) members() error {
	start := r.at
	low, err := r.member()
	if err != nil || r.at+1 >= len(r.text) || r.text[r.at] != '-' || r.text[r.at+1] == ']' {
		return err
	}
	r.at++
	high, err := r.member()
	switch {
	case err != nil:
		return err
	case low < 0 || high < 0:
		return fmt.Errorf("has a range at byte %d between what are not single characters", start)
	case high < low:
		return fmt.Errorf("has a range at byte %d that is out of order", start)
	}
	if r.at+1 < len(r.text) && r.text[r.at] == '-' && r.text[r.at+1] != ']' {
		r.at++ // stands for itself and starts no range
	}
	return nil
}

// member reads one member of a class and returns its character, or -1 if it is several.
func (r *regexReader) member() (int, error) {
	c := r.text[r.at]
	switch {
	case c == '[':
		if end := posixEnd(r.text[r.at+1:]); end >= 0 {
			name := r.text[r.at+2 : r.at+1+end]
			if r.text[r.at+1] != ':' || !posixClasses[strings.TrimPrefix(name, "^")] {
				return 0, fmt.Errorf("has an unknown class at byte %d", r.at)
			}
			r.at += end + 3
			return -1, nil
		}
	case c == '\\':
		if r.at+1 == len(r.text) {
			return 0, fmt.Errorf(`ends in a single \`)
		}
		c = r.text[r.at+1]
		r.at += 2
		switch {
		case strings.IndexByte("dDhHsSvVwW", c) >= 0:
			return -1, nil
		case isLetter(c) || c >= 0x80 || '0' <= c && c <= '9':
			value := strings.IndexByte("abefnrt", c)
			if value < 0 {
				return 0, fmt.Errorf(`has \%c at byte %d, which is not supported`, c, r.at-2)
			}
			return int("\a\b\x1b\f\n\r\t"[value]), nil
		}
		return int(c), nil
	}
	r.at++
	return int(c), nil
}

// posixEnd tells whether s, what follows a [, makes it [:name:], [.x.] or [=x=], and where the second : . or = is.
func posixEnd(s string) int {
	if s == "" || strings.IndexByte(":.=", s[0]) < 0 {
		return -1
	}
	for i := 1; i+1 < len(s); i++ {
		switch {
		case s[i] == '\\' && (s[i+1] == ']' || s[i+1] == '\\'):
			i++
		case s[i] == '[' && s[i+1] == s[0] || s[i] == ']':
			return -1
		case s[i] == s[0] && s[i+1] == ']':
			return i
		}
	}
	return -1
}

var posixClasses = map[string]bool{
	"alnum": true, "alpha": true, "ascii": true, "blank": true, "cntrl": true, "digit": true, "graph": true,
	"lower": true, "print": true, "punct": true, "space": true, "upper": true, "word": true, "xdigit": true,
}

// group reads ( and the prefix that says what kind of group it opens.
func (r *regexReader) group() error {
	start := r.at
	rest := r.text[r.at+1:]
	if strings.HasPrefix(rest, "*") {
		return fmt.Errorf("has a verb at byte %d, which is not supported", start)
	}
	if strings.HasPrefix(rest, "?i)") || strings.HasPrefix(rest, "?-i)") {
		r.at += 2 + strings.IndexByte(rest, ')')
		r.atom = false
		return nil
	}
	opened := openGroup{outside: r.size, lookbehind: r.looksBehind()}
	if !strings.HasPrefix(rest, "?") {
		r.groups = append(r.groups, start)
		r.at++
	} else {
		kinds := []string{"?:", "?=", "?!", "?<=", "?<!", "?>", "?i:", "?-i:"}
		kind := slices.IndexFunc(kinds, func(k string) bool { return strings.HasPrefix(rest, k) })
		if kind < 0 {
			return fmt.Errorf("has a group at byte %d of a kind that is not supported", start)
		}
		r.at += 1 + len(kinds[kind])
		opened.lookbehind = opened.lookbehind || strings.HasPrefix(rest, "?<")
	}
	if r.open = append(r.open, opened); len(r.open) > maxNested {
		return fmt.Errorf("has more than %d groups within each other", maxNested)
	}
	r.size, r.atom = 0, false
	return nil
}

func (r *regexReader) looksBehind() bool { return len(r.open) > 0 && r.open[len(r.open)-1].lookbehind }

func (r *regexReader) closeGroup() error {
	if len(r.open) == 0 {
		return fmt.Errorf("has a ) at byte %d that closes nothing", r.at)
	}
	whole := r.size + groupSize
	r.size = r.open[len(r.open)-1].outside
	r.open = r.open[:len(r.open)-1]
	r.item(whole, true)
	r.at++
	return nil
}

// quantifier reads a quantifier of n bytes and a ? or + that makes it lazy or possessive. What is repeated is
// compiled once for each time.
func (r *regexReader) quantifier(n, low, high int) error {
	switch {
	case !r.atom:
		return fmt.Errorf("has a quantifier at byte %d with nothing to repeat", r.at)
	case low > 1000 || high > 1000 || high < low:
		return fmt.Errorf("has counts at byte %d that are out of range", r.at)
	case r.looksBehind():
		return fmt.Errorf("has a quantifier at byte %d in what looks behind, which is not supported", r.at)
	}
	r.at += n
	if r.at < len(r.text) && (r.text[r.at] == '?' || r.text[r.at] == '+') {
		r.at++
	}
	r.item(r.last*max(low, high)+groupSize*(high+1), false)
	return nil
}

var braceQuantifier = regexp.MustCompile(`^\{[ \t]*([0-9]*)[ \t]*(?:(,)[ \t]*([0-9]*)[ \t]*)?\}`)

// braces reads {n}, {n,}, {,m} or {n,m} at the start of s, with or without blanks. A length of 0 means that { is a
// character.
func braces(s string) (length, low, high int) {
	m := braceQuantifier.FindStringSubmatch(s)
	if m == nil || m[1] == "" && m[3] == "" {
		return 0, 0, 0
	}
	low, high = count(m[1]), count(m[3])
	if m[3] == "" {
		high = low
	}
	return len(m[0]), low, high
}

// count reads a number; one that is too long for a number is too large as well.
func count(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil && digits != "" {
		return 1 << 30
	}
	return n
}
