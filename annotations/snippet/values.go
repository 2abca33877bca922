package snippet

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

// Readers of arguments. Their errors complete a sentence that begins with the directive's name.

func none(_ *reader, words []string) ([]nginx.Arg, error) {
	if len(words) > 0 {
		return nil, errors.New("takes no argument")
	}
	return nil, nil
}

// one checks that there is one argument.
func one(words []string) (string, error) {
	if len(words) != 1 {
		return "", fmt.Errorf("has %d arguments, not one", len(words))
	}
	return words[0], nil
}

// words takes one or more of the given.
func words(list ...string) func(*reader, []string) ([]nginx.Arg, error) {
	return func(_ *reader, given []string) ([]nginx.Arg, error) {
		if len(given) == 0 {
			return nil, errors.New("has no argument")
		}
		for i, word := range given {
			if !slices.Contains(list, word) || slices.Contains(given[:i], word) {
				return nil, fmt.Errorf("has %.40q, which is not one of %s, or there twice", word, strings.Join(list, ", "))
			}
		}
		return nginx.Words(given...), nil
	}
}

func onOff(_ *reader, given []string) ([]nginx.Arg, error) {
	word, err := one(given)
	if err == nil && word != "on" && word != "off" {
		err = errors.New("is neither on nor off")
	}
	return nginx.Words(word), err
}

// texts takes so many texts with variables.
func texts(count int) func(*reader, []string) ([]nginx.Arg, error) {
	return func(r *reader, words []string) ([]nginx.Arg, error) {
		if len(words) != count || words[0] == "" {
			return nil, fmt.Errorf("takes %d texts, the first of them not empty", count)
		}
		args := make([]nginx.Arg, count)
		for i, word := range words {
			var err error
			if args[i], err = r.text(word); err != nil {
				return nil, err
			}
		}
		return args, nil
	}
}

func readSet(r *reader, words []string) ([]nginx.Arg, error) {
	if len(words) != 2 {
		return nil, errors.New("takes a variable and a text")
	}
	name, ok := r.ownName(words[0])
	if !ok {
		return nil, fmt.Errorf("sets %.40q: only variables of its own can be, with names of small letters, digits and _", words[0])
	}
	value, err := r.text(words[1])
	return []nginx.Arg{ownVariable(name), value}, err
}

func readReturn(r *reader, words []string) ([]nginx.Arg, error) {
	if len(words) == 0 || len(words) > 2 {
		return nil, errors.New("takes a code and perhaps a text")
	}
	if len(words) == 1 && isURL(words[0]) {
		words = []string{"302", words[0]}
	}
	code, err := parseCode(words[0], 200, 599)
	if err != nil {
		return nil, err
	}
	if len(words) == 1 {
		return []nginx.Arg{nginx.Int(code)}, nil
	}
	text, err := r.text(words[1])
	if !slices.Contains([]int{301, 302, 303, 307, 308}, code) {
		text = text.Multiline()
	}
	return []nginx.Arg{nginx.Int(code), text}, err
}

func parseCode(s string, low, high int) (int, error) {
	code, err := strconv.Atoi(s)
	if err != nil || code < low || code > high || len(s) != 3 {
		return 0, fmt.Errorf("has %.20q, which is no code from %d to %d", s, low, high)
	}
	return code, nil
}

// guards are the codes by which guards refuse requests: nothing may turn them into success.
var guards = []int{401, 403, 407, 429, 495, 496, 497, 503}

func readErrorPage(r *reader, words []string) ([]nginx.Arg, error) {
	if len(words) < 2 {
		return nil, errors.New("takes codes and a path or URL")
	}
	target, words := words[len(words)-1], words[:len(words)-1]
	var args []nginx.Arg
	answer, changes := strings.CutPrefix(words[len(words)-1], "=")
	if changes {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return nil, errors.New("has no codes")
	}
	for _, word := range words {
		code, err := parseCode(word, 400, 599)
		switch {
		case err != nil:
			return nil, err
		case code == 499:
			return nil, errors.New("has the code 499, which is never answered")
		case changes && slices.Contains(guards, code) && !isURL(target):
			return nil, fmt.Errorf("changes the code %d, by which requests are kept out", code)
		}
		args = append(args, nginx.Int(code))
	}
	if changes {
		low, high := 200, 599
		if isURL(target) {
			low, high = 301, 308
		}
		if answer != "" || isURL(target) {
			if _, err := parseCode(answer, low, high); err != nil {
				return nil, err
			}
		}
		args = append(args, nginx.Verbatim("="+answer))
	}
	if !strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "http://") && !strings.HasPrefix(target, "https://") {
		return nil, errors.New("leads to what is neither a path nor a URL that starts with http:// or https://")
	}
	value, err := r.text(target)
	return append(args, value), err
}

// replacement reads "off", or a prefix and what takes its place. Regular expressions would need captures that are not encoded.
func replacement(r *reader, words []string) ([]nginx.Arg, error) {
	if len(words) == 1 && words[0] == "off" {
		return nginx.Words("off"), nil
	}
	if len(words) != 2 || words[0] == "" || words[0][0] == '~' {
		return nil, errors.New("takes off, or a text that is no regular expression and another in its place")
	}
	return texts(2)(r, words)
}

func network(_ *reader, words []string) ([]nginx.Arg, error) {
	word, err := one(words)
	if err != nil || word == "all" {
		return nginx.Words(word), err
	}
	if address, err := netip.ParseAddr(word); err == nil && address.Zone() == "" {
		return nginx.Words(address.Unmap().String()), nil
	}
	prefix, err := netip.ParsePrefix(word)
	if err != nil || prefix.Addr().Is4In6() {
		return nil, fmt.Errorf("has %.40q, which is neither an address nor a network nor all", word)
	}
	return nginx.Words(prefix.Masked().String()), nil
}

var timePattern = regexp.MustCompile(`^(?:(\d{1,3})y)?(?:(\d{1,4})M)?(?:(\d{1,4})w)?(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s?)?$`)

// parseTime reads a time as NGINX writes them, up to ten years.
func parseTime(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	units := []time.Duration{365 * day, 30 * day, 7 * day, day, time.Hour, time.Minute, time.Second}
	m := timePattern.FindStringSubmatch(s)
	var sum time.Duration
	if ms, is := strings.CutSuffix(s, "ms"); is {
		n, err := strconv.ParseUint(ms, 10, 31)
		if err != nil {
			return 0, fmt.Errorf("has %.40q, which is no time such as 30s, 5m or 1h30m", s)
		}
		return time.Duration(n) * time.Millisecond, nil //nolint:gosec // 31 bits fit
	}
	if m == nil || s == "" {
		return 0, fmt.Errorf("has %.40q, which is no time such as 30s, 5m or 1h30m", s)
	}
	for i, unit := range units {
		n, _ := strconv.Atoi(m[i+1]) // digits, or none
		sum += time.Duration(n) * unit
	}
	if sum < 0 || sum > 10*365*day {
		return 0, fmt.Errorf("has the time %s, which is longer than ten years", s)
	}
	return sum, nil
}

// times takes one to so many times.
func times(most int) func(*reader, []string) ([]nginx.Arg, error) {
	return func(_ *reader, words []string) ([]nginx.Arg, error) {
		if len(words) == 0 || len(words) > most {
			return nil, fmt.Errorf("has %d arguments, at most %d can stand there", len(words), most)
		}
		var args []nginx.Arg
		for _, word := range words {
			d, err := parseTime(word)
			if err == nil && most > 1 && d%time.Second != 0 {
				err = fmt.Errorf("has the time %s, which is not in whole seconds", word)
			}
			if err == nil && d > math.MaxInt32*time.Millisecond {
				err = fmt.Errorf("has the time %s, which is longer than 24 days", word)
			}
			if err != nil {
				return nil, err
			}
			args = append(args, nginx.Seconds(d))
		}
		return args, nil
	}
}

func readExpires(_ *reader, given []string) ([]nginx.Arg, error) {
	word, err := one(given)
	if err != nil || word == "epoch" || word == "max" || word == "off" {
		return nginx.Words(word), err
	}
	bare, negative := strings.CutPrefix(word, "-")
	d, err := parseTime(strings.TrimPrefix(bare, "+"))
	switch {
	case err != nil || strings.HasSuffix(word, "ms"):
		return nil, fmt.Errorf("has %.40q, which is no time, epoch, max or off", word)
	case negative:
		return nginx.Words("-" + nginx.Seconds(d).Value()), nil
	}
	return []nginx.Arg{nginx.Seconds(d)}, nil
}

func sizes(_ *reader, words []string) ([]nginx.Arg, error) {
	word, err := one(words)
	if err != nil {
		return nil, err
	}
	n, err := parseBytes(word)
	if err != nil {
		return nil, err
	}
	return []nginx.Arg{nginx.Int(n)}, nil
}

// parseBytes reads a size, up to 8 EiB.
func parseBytes(s string) (int64, error) {
	digits, unit := s, int64(1)
	if s != "" {
		if i := strings.IndexByte("kmg", s[len(s)-1]|0x20); i >= 0 {
			digits, unit = s[:len(s)-1], 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/unit { //nolint:gosec // 63 bits fit
		return 0, fmt.Errorf("has %.40q, which is no size such as 8k, 10m or 1g", s)
	}
	return int64(n) * unit, nil //nolint:gosec // 63 bits fit
}

var (
	mimePattern    = regexp.MustCompile(`^[a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+$`)
	charsetPattern = regexp.MustCompile(`^[a-zA-Z0-9_.:-]{1,64}$`)
)

func mimeTypes(_ *reader, words []string) ([]nginx.Arg, error) {
	if len(words) == 0 {
		return nil, errors.New("has no MIME type")
	}
	for i, word := range words {
		if word != "*" && !mimePattern.MatchString(word) || slices.Contains(words[:i], word) {
			return nil, fmt.Errorf("has %.40q, which is no MIME type, or there twice", word)
		}
	}
	return nginx.Words(words...), nil
}

func mimeType(_ *reader, words []string) ([]nginx.Arg, error) {
	word, err := one(words)
	if err == nil && !mimePattern.MatchString(word) {
		err = fmt.Errorf("has %.40q, which is no MIME type", word)
	}
	return nginx.Words(word), err
}

func readCharset(_ *reader, words []string) ([]nginx.Arg, error) {
	word, err := one(words)
	if err == nil && !charsetPattern.MatchString(word) {
		err = fmt.Errorf("has %.40q, which is no character set", word)
	}
	return nginx.Words(word), err
}
