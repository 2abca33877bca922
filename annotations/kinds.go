package annotations

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

// Kind is a type of values: how they are described, read and written. Reading is checking: a value that
// has been read needs no further look, and whatever it is, NGINX takes the configuration that it gives.
//
// Parse gets the text as it stands in the object. What a kind trims is what ingress-nginx trimmed, so that
// an object means the same in both controllers: numbers and booleans are not. Its error completes a sentence
// that begins with the value.
type Kind[T any] struct {
	Name  string
	Parse func(string) (T, error)
	Print func(T) string
	// Edges are values at the ends of what the kind takes. A test gives each to a real NGINX.
	Edges []string
}

// notA is the error of values whose form is wrong.
func notA(name string) error { return errors.New("is not " + name) }

// Bool is a switch, in the spellings of Go's strconv.ParseBool.
func Bool(key string, def bool) *Setting[bool] {
	const name = "true or false"
	parse := func(s string) (bool, error) {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return false, notA(name)
		}
		return b, nil
	}
	return New(key, Kind[bool]{name, parse, strconv.FormatBool, []string{"true", "false", "1", "F"}}, def)
}

// Int is a whole number between low and high.
func Int(key string, def, low, high int) *Setting[int] {
	name := "a whole number"
	if low != math.MinInt {
		name = fmt.Sprintf("a whole number from %d to %d", low, high)
	}
	parse := func(s string) (int, error) { return parseInt(s, low, high) }
	return New(key, Kind[int]{name, parse, strconv.Itoa, []string{strconv.Itoa(low), strconv.Itoa(high)}}, def)
}

// Counts and times beyond these are taken by no directive of NGINX.
const (
	maxCount   = math.MaxInt32
	maxSeconds = math.MaxInt32
)

func parseInt(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < low || n > high):
		return 0, fmt.Errorf("does not lie between %d and %d", low, high)
	case err != nil:
		return 0, notA("a whole number")
	}
	return n, nil
}

// SecondsOf is a time in whole seconds, 0 included.
func SecondsOf(key string, def int) *Setting[time.Duration] {
	const name = "a number of seconds"
	parse := func(s string) (time.Duration, error) {
		if _, err := strconv.Atoi(s); err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, notA(name)
		}
		n, err := parseInt(s, 0, maxSeconds)
		return time.Duration(n) * time.Second, err
	}
	show := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	return New(key, Kind[time.Duration]{name, parse, show, []string{"0", strconv.Itoa(maxSeconds)}}, time.Duration(def)*time.Second)
}

// Enum is one of the given words, blanks around it ignored. With fold, case does not matter; the value is
// always the word as given here.
func Enum(key, def string, fold bool, words ...string) *Setting[string] {
	name := words[len(words)-1]
	if others := words[:len(words)-1]; len(others) > 0 {
		name = strings.Join(others, ", ") + " or " + name
	}
	parse := func(s string) (string, error) {
		s = strings.TrimSpace(s)
		for _, w := range words {
			if s == w || fold && strings.EqualFold(s, w) {
				return w, nil
			}
		}
		return "", notA(name)
	}
	return New(key, Kind[string]{name, parse, keep, words}, def)
}

func keep(s string) string { return s }

// The character sets of ingress-nginx's validators, beside letters and digits. What it refused stays refused.
const (
	basicChars   = "-._~/:"
	urlChars     = basicChars + ",?&="
	rewriteChars = basicChars + "$"
	regexChars   = basicChars + "^$[](){}*+?|&=\\"
)

// maxText bounds texts, so that they fit NGINX's longest argument even if every byte has to be escaped.
const maxText = 1900

// only refuses texts with characters beside letters, digits and the given further ones.
func only(s, further string) (string, error) {
	if len(s) > maxText {
		return "", fmt.Errorf("is longer than %d bytes", maxText)
	}
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(further, c)) {
			return "", fmt.Errorf("has %q at byte %d, which cannot stand there", c, i)
		}
	}
	return s, nil
}

// Text is a text of letters, digits and the given further characters.
func Text(key, what, further string) *Setting[string] {
	return New(key, Kind[string]{
		Name:  what,
		Parse: func(s string) (string, error) { return only(s, further) },
		Print: keep,
		Edges: textEdges(further),
	}, "")
}

// textEdges are the longest texts of a character set, one for each character.
func textEdges(further string) []string {
	edges := []string{"a", strings.Repeat("z", maxText)}
	for _, c := range further {
		edges = append(edges, string(c), strings.Repeat(string(c), maxText))
	}
	return edges
}

// Words is a list of items separated by commas; empty items are dropped.
func Words(key string, def ...string) *Setting[[]string] {
	parse := func(s string) ([]string, error) {
		var list []string
		for _, item := range strings.Split(s, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		return list, nil
	}
	show := func(list []string) string { return strings.Join(list, ",") }
	return New(key, Kind[[]string]{"a list separated by commas", parse, show, []string{",", "/,/a b,\";}"}}, def)
}

// Choices is a list of the given words, separated by blanks. Its values are in the order given here and hold
// no word twice, so that lists that mean the same give the same bytes.
func Choices(key string, def []string, words ...string) *Setting[[]string] {
	parse := func(s string) ([]string, error) {
		given := strings.Fields(s)
		for _, word := range given {
			if !slices.Contains(words, word) {
				return nil, fmt.Errorf("has the word %s, which is not one of %s", printable(word), strings.Join(words, " "))
			}
		}
		var list []string
		for _, word := range words {
			if slices.Contains(given, word) {
				list = append(list, word)
			}
		}
		if len(list) == 0 {
			return nil, errors.New("has no word")
		}
		return list, nil
	}
	show := func(list []string) string { return strings.Join(list, " ") }
	edges := append(slices.Clone(words), show(words), show(append(slices.Clone(words), words...)))
	return New(key, Kind[[]string]{"any of the words " + strings.Join(words, ", "), parse, show, edges}, def)
}

// encodes checks that an argument can be written: what it is expanded to may be longer than the text.
func encodes(a nginx.Arg) error {
	if _, err := a.Encode(); err != nil {
		return errors.New("is too long")
	}
	return nil
}
