package nginx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Arg is one argument of a directive. Its text is data: whatever it holds, it is read back by NGINX as
// exactly one argument. The zero Arg is the empty string.
type Arg struct {
	parts []part
}

// part is a piece of an argument: literal text, or the name of a variable.
type part struct {
	text string
	kind partKind
}

type partKind uint8

const (
	// inert text is for places where NGINX expands variables: its dollars are written as a variable
	// that holds a dollar, because NGINX has no escape for them.
	inert partKind = iota
	// verbatim text is for places where NGINX does not expand variables (a location pattern, a
	// server name, the regex of a rewrite): a dollar is a dollar.
	verbatim
	variable
	// lines is inert text that may have line ends; they are written as \n.
	lines
	// verbatimLines is verbatim text that may have line ends.
	verbatimLines
)

// literalDollar is the variable that every configuration defines to hold "$" (templates/http.tmpl).
const literalDollar = "${literal_dollar}"

// Text is user or program text for an argument in which NGINX would expand variables; none is expanded.
func Text(s string) Arg { return Arg{[]part{{s, inert}}} }

// Verbatim is text for an argument in which NGINX expands no variables, such as a location path, a
// server name, a regular expression or a file name of an include.
func Verbatim(s string) Arg { return Arg{[]part{{s, verbatim}}} }

// VerbatimLines is Verbatim for text that may have line ends.
func VerbatimLines(s string) Arg { return Arg{[]part{{s, verbatimLines}}} }

// Var is the value of an NGINX variable at request time; name is without the dollar.
func Var(name string) Arg { return Arg{[]part{{name, variable}}} }

// Int is a number.
func Int[N ~int | ~int64 | ~uint16](n N) Arg { return Verbatim(strconv.FormatInt(int64(n), 10)) }

// OnOff is a switch.
func OnOff(b bool) Arg {
	if b {
		return Verbatim("on")
	}
	return Verbatim("off")
}

// Seconds is a duration, rounded up to whole seconds or, below a second, milliseconds: NGINX takes
// both, and a timeout must not become 0, which often means none at all.
func Seconds(d time.Duration) Arg {
	if d%time.Second != 0 {
		return Verbatim(strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms")
	}
	return Verbatim(strconv.FormatInt(int64(d/time.Second), 10) + "s")
}

// Concat joins arguments to one, as in "https://$host".
func Concat(args ...Arg) Arg {
	var out Arg
	for _, a := range args {
		out.parts = append(out.parts, a.parts...)
	}
	return out
}

// Words makes one Verbatim argument of each word; for keywords that we write ourselves.
func Words(words ...string) []Arg {
	args := make([]Arg, len(words))
	for i, w := range words {
		args[i] = Verbatim(w)
	}
	return args
}

// Value is the argument as NGINX reads it, before it expands variables.
func (a Arg) Value() string {
	if len(a.parts) == 1 && a.parts[0].kind == verbatim {
		return a.parts[0].text
	}
	var b strings.Builder
	for _, p := range a.parts {
		switch p.kind {
		case inert, lines:
			b.WriteString(strings.ReplaceAll(p.text, "$", literalDollar))
		case verbatim, verbatimLines:
			b.WriteString(p.text)
		case variable:
			b.WriteString("${" + p.text + "}")
		}
	}
	return b.String()
}

// Pieces are literal texts and names of variables by turns, a literal first. Without any there are none.
func (a Arg) Pieces() []string {
	var list []string
	for _, p := range a.parts {
		switch isLiteral := len(list)%2 == 1; {
		case p.kind == variable && isLiteral:
			list = append(list, p.text)
		case p.kind == variable:
			list = append(list, "", p.text)
		case isLiteral:
			list[len(list)-1] += p.text
		default:
			list = append(list, p.text)
		}
	}
	return list
}

// Renamed is the argument with other variables in place of its own.
func (a Arg) Renamed(name func(string) string) Arg {
	if !slices.ContainsFunc(a.parts, func(p part) bool { return p.kind == variable }) {
		return a
	}
	parts := slices.Clone(a.parts)
	for i, p := range parts {
		if p.kind == variable {
			parts[i].text = name(p.text)
		}
	}
	return Arg{parts}
}

// Multiline is the argument with its literal text allowed to have line ends; for what becomes the body of an answer, never for
// what becomes part of a header or of a request.
func (a Arg) Multiline() Arg {
	parts := slices.Clone(a.parts)
	for i := range parts {
		if parts[i].kind == inert {
			parts[i].kind = lines
		}
	}
	return Arg{parts}
}

// Uses tells whether the argument refers to a variable.
func (a Arg) Uses(name string) bool {
	return slices.ContainsFunc(a.parts, func(p part) bool { return p.kind == variable && p.text == name })
}

// check refuses what has no place in a configuration whatever the quoting: NUL, CR and LF, and
// variable names that are none.
func (a Arg) check() error {
	for _, p := range a.parts {
		bad := "\x00\r\n"
		if p.kind == lines || p.kind == verbatimLines {
			bad = "\x00\r"
		}
		if i := strings.IndexAny(p.text, bad); i >= 0 {
			return fmt.Errorf("%q has a control character at byte %d", shorten(p.text), i)
		}
		if p.kind == variable && !isVariableName(p.text) {
			return fmt.Errorf("%q is not a variable name", shorten(p.text))
		}
	}
	return nil
}

// Encode writes the argument so that NGINX reads Value back: bare where that is possible, else in
// double quotes.
func (a Arg) Encode() (string, error) {
	if err := a.check(); err != nil {
		return "", err
	}
	if len(a.parts) == 1 && a.parts[0].kind == variable {
		return "$" + a.parts[0].text, nil
	}
	s := quote(a.Value())
	if len(s) > maxArg {
		return "", fmt.Errorf("%q is longer than %d bytes", shorten(s), maxArg)
	}
	return s, nil
}

// maxArg is the longest argument, written out, that NGINX's configuration buffer of 4 KiB takes for sure.
const maxArg = 4000

func quote(s string) string {
	if isBare(s) || s == "(" || s == ")" {
		return s
	}
	return `"` + escapeIn(s, '"') + `"`
}

// escapeIn escapes text for the inside of a string in the given quotes. NGINX drops a backslash before
// quotes and backslashes and turns \t, \r and \n into control characters, so every backslash is doubled.
func escapeIn(s string, quotes byte) string {
	if strings.IndexByte(s, '\\') < 0 && strings.IndexByte(s, quotes) < 0 && strings.IndexByte(s, '\n') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\n':
			b.WriteString(`\n`)
			continue
		case '\\', quotes:
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// EncodeInside writes text for the inside of a quoted string that is already open, as a template may have
// it; no variable in it is expanded.
func EncodeInside(s string, quotes byte) (string, error) {
	a := Text(s)
	if err := a.check(); err != nil {
		return "", err
	}
	return escapeIn(a.Value(), quotes), nil
}

// EncodePart writes text for the middle of a bare word, where only harmless characters may stand.
func EncodePart(s string) (string, error) {
	if s == "" || !isBare(s) {
		return "", fmt.Errorf("%q cannot stand inside a word; give it an argument of its own", shorten(s))
	}
	return s, nil
}

// bareBytes are the characters a word may consist of without quotes. It leaves out everything that
// means something to NGINX's tokenizer ({ } ; # quotes, backslash, dollar) and everything not ASCII.
var bareBytes = func() (set [256]bool) {
	for c := range 256 {
		set[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	for _, c := range "-_./:=@*~^+,%?&!" {
		set[c] = true
	}
	return set
}()

func isBare(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !bareBytes[s[i]] {
			return false
		}
	}
	return true
}

func isVariableName(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

// shorten keeps error texts short when the offending value is not.
func shorten(s string) string {
	if len(s) > 64 {
		return s[:61] + "..."
	}
	return s
}
