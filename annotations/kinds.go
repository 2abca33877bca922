package annotations

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

// Bool is a switch, in the spellings of Go's strconv.ParseBool.
func Bool(key string, def bool) *Setting[bool] {
	return New(key, Kind[bool]{"a boolean", strconv.ParseBool, strconv.FormatBool}, def)
}

// parseBool and the like keep the error text short: the value is quoted beside it anyway.
var errSyntax = errors.New("wrong form")

// Int is a whole number between low and high.
func Int(key string, def, low, high int) *Setting[int] {
	parse := func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		switch {
		case err != nil:
			return 0, errSyntax
		case n < low || n > high:
			return 0, fmt.Errorf("it must lie between %d and %d", low, high)
		}
		return n, nil
	}
	return New(key, Kind[int]{"a whole number", parse, strconv.Itoa}, def)
}

// longest is the longest time that a setting takes; NGINX counts milliseconds in an int.
const longest = 10 * 365 * 24 * 60 * 60

// SecondsOf is a time in whole seconds, 0 included.
func SecondsOf(key string, def int) *Setting[time.Duration] {
	parse := func(s string) (time.Duration, error) {
		n, err := strconv.Atoi(s)
		switch {
		case err != nil:
			return 0, errSyntax
		case n < 0 || n > longest:
			return 0, fmt.Errorf("it must lie between 0 and %d", longest)
		}
		return time.Duration(n) * time.Second, nil
	}
	print := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	return New(key, Kind[time.Duration]{"a number of seconds", parse, print}, time.Duration(def)*time.Second)
}

// Size is a number of bytes.
type Size int64

// Arg writes the size with the largest unit that every directive takes: not all of them know g.
func (s Size) Arg() nginx.Arg {
	switch {
	case s != 0 && s%(1<<20) == 0:
		return nginx.Verbatim(strconv.FormatInt(int64(s>>20), 10) + "m")
	case s != 0 && s%(1<<10) == 0:
		return nginx.Verbatim(strconv.FormatInt(int64(s>>10), 10) + "k")
	}
	return nginx.Verbatim(strconv.FormatInt(int64(s), 10))
}

// String writes the size as NGINX has it.
func (s Size) String() string { return s.Arg().Value() }

// SizeOf is a number of bytes from low to high, with an optional unit b, k, m or g. A default of -1 means not set.
func SizeOf(key string, def, low, high Size) *Setting[Size] {
	parse := func(s string) (Size, error) {
		n, err := parseSize(s)
		if err == nil && (n < low || n > high) {
			err = fmt.Errorf("it must lie between %s and %s", low, high)
		}
		return n, err
	}
	print := func(s Size) string {
		if s < 0 {
			return ""
		}
		return s.String()
	}
	return New(key, Kind[Size]{"a size such as 8k or 1m", parse, print}, def)
}

func parseSize(s string) (Size, error) {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	unit := Size(1)
	if s != "" {
		switch s[len(s)-1] {
		case 'b':
			s = s[:len(s)-1]
		case 'k':
			unit, s = 1<<10, s[:len(s)-1]
		case 'm':
			unit, s = 1<<20, s[:len(s)-1]
		case 'g':
			unit, s = 1<<30, s[:len(s)-1]
		}
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errSyntax
	}
	return Size(n) * unit, nil
}

// Enum is one of the given words. With fold, case does not matter; the value is always the word as given here.
func Enum(key, def string, fold bool, words ...string) *Setting[string] {
	parse := func(s string) (string, error) {
		for _, w := range words {
			if s == w || fold && strings.EqualFold(s, w) {
				return w, nil
			}
		}
		return "", fmt.Errorf("it must be one of %s", strings.Join(words, ", "))
	}
	return New(key, Kind[string]{"one of " + strings.Join(words, ", "), parse, keep}, def)
}

func keep(s string) string { return s }

// CIDRs is a list of addresses and networks, IPv4 or IPv6, separated by commas.
func CIDRs(key string) *Setting[[]netip.Prefix] {
	print := func(list []netip.Prefix) string {
		texts := make([]string, len(list))
		for i, p := range list {
			texts[i] = p.String()
		}
		return strings.Join(texts, ",")
	}
	return New(key, Kind[[]netip.Prefix]{"a list of addresses or CIDRs", parseCIDRs, print}, nil)
}

// parseCIDRs sorts the list and drops repetitions, so that equal sets give equal bytes.
func parseCIDRs(s string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, item := range strings.Split(s, ",") {
		item = strings.TrimSpace(item)
		p, err := netip.ParsePrefix(item)
		if err != nil {
			a, errAddr := netip.ParseAddr(item)
			if errAddr != nil || a.Zone() != "" {
				return nil, fmt.Errorf("%s is neither an address nor a CIDR", printable(item))
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		list = append(list, p.Masked())
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list), nil
}

// Text is text of at most 1024 bytes that consists of letters, digits and the given further characters.
func Text(key, what, further string) *Setting[string] {
	return New(key, Kind[string]{what, func(s string) (string, error) { return only(s, further) }, keep}, "")
}

func only(s, further string) (string, error) {
	if len(s) > 1024 {
		return "", errors.New("it is longer than 1024 bytes")
	}
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(further, c)) {
			return "", fmt.Errorf("%q at byte %d is not allowed", c, i)
		}
	}
	return s, nil
}

// The character sets of ingress-nginx's validators, beside letters and digits. Values that it refused
// stay refused, so that an object means the same in both controllers.
const (
	basicChars   = "-._~/:"
	urlChars     = basicChars + ",?&="
	rewriteChars = basicChars + "$"
	regexChars   = basicChars + "^$[](){}*+?|&=\\"
)

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
	print := func(list []string) string { return strings.Join(list, ",") }
	return New(key, Kind[[]string]{"a list of words", parse, print}, def)
}
