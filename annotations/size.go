package annotations

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// Size is a number of bytes.
type Size int64

// maxSize is the largest size that NGINX counts; in practice no limit.
const maxSize = Size(math.MaxInt64)

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

// unset is the default of sizes that have none.
const unset = Size(-1)

// SizeOf is a number of bytes from low to high, with an optional unit b, k, m or g.
func SizeOf(key string, def, low, high Size) *Setting[Size] {
	parse := func(s string) (Size, error) {
		n, err := parseSize(s)
		if errors.Is(err, strconv.ErrRange) || err == nil && (n < low || n > high) {
			return 0, fmt.Errorf("does not lie between %s and %s", low, high)
		}
		if err != nil {
			return 0, notA("a size such as 8k or 1m")
		}
		return n, nil
	}
	show := func(s Size) string {
		if s == unset {
			return ""
		}
		return s.String()
	}
	edges := []string{low.String(), strconv.FormatInt(int64(low), 10) + "b", strconv.FormatInt(int64(high), 10)}
	if high >= 1<<30 {
		edges = append(edges, strconv.FormatInt(int64(high>>30), 10)+"g", " 1 G ", "1025k", "1048577")
	}
	return New(key, Kind[Size]{"a size such as 8k or 1m", parse, show, edges}, def)
}

func parseSize(s string) (Size, error) {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	unit := uint64(1)
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
	n, err := strconv.ParseUint(s, 10, 63)
	if err == nil && n > uint64(maxSize)/unit {
		err = strconv.ErrRange
	}
	return Size(n * unit), err //nolint:gosec // it fits: see the line above
}
