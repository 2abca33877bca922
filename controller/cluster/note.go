package cluster

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Severity says what a Note cost.
type Severity uint8

const (
	Info    Severity = iota // nothing is wrong; something was not for us
	Warning                 // the object is used, though not all that is written in it
	Error                   // the object is not used
)

func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	default:
		return "error"
	}
}

// Note is something the reader of manifests could not take as it is written. It is about text; what is
// wrong with the meaning of an object that was read is not said here. Its words are safe to print, and
// never hold a value of a Secret.
type Note struct {
	File     string
	Line     int    // where the document begins in the file; 0 when the file as a whole is meant
	Object   string // "Ingress shop/web", or "" when it is not known
	Field    string // "spec.rules[0].host", or ""
	Severity Severity
	Message  string
}

// maxPhrase bounds what one Note repeats of a file, so that a broken file cannot flood a log.
const maxPhrase = 400

// printable makes words of a manifest fit for a terminal and for one line of a log.
func printable(s string) string {
	// The most common case by far, and free.
	if len(s) <= maxPhrase && strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) <= maxPhrase {
		return s
	}
	cut := maxPhrase
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
