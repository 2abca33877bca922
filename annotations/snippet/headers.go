package snippet

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,256}$`)

// Headers that say where a message ends, or are for one connection only, are NGINX's. Those by which guards know who asks
// cannot be put in before guards look: proxy_set_header changes them behind.
var (
	frameOfAnswers   = []string{"content-length", "transfer-encoding", "connection", "proxy-connection", "keep-alive", "upgrade", "te", "trailer"}
	frameOfRequests  = append([]string{"host", "authorization", "proxy-authorization", "cookie", "x-real-ip", "x-forwarded-for"}, frameOfAnswers...)
	frameForBackends = []string{"content-length", "transfer-encoding", "proxy-connection", "keep-alive", "te", "trailer"}
)

func checkName(name string, reserved []string) error {
	switch {
	case !namePattern.MatchString(name):
		return fmt.Errorf("has %.40q, which is no name of a header", name)
	case slices.Contains(reserved, strings.ToLower(name)):
		return fmt.Errorf("has the header %s, which is not for snippets to change", name)
	}
	return nil
}

func readAddHeader(r *reader, words []string) ([]nginx.Arg, error) {
	if len(words) != 2 && (len(words) != 3 || words[2] != "always") {
		return nil, errors.New("takes a name, a text and perhaps always")
	}
	if err := checkName(words[0], frameOfAnswers); err != nil {
		return nil, err
	}
	value, err := r.text(words[1])
	args := []nginx.Arg{nginx.Verbatim(words[0]), value}
	return append(args, nginx.Words(words[2:]...)...), err
}

func headerName(_ *reader, words []string) ([]nginx.Arg, error) {
	name, err := one(words)
	if err == nil {
		err = checkName(name, nil)
	}
	return nginx.Words(name), err
}

func readProxySetHeader(r *reader, words []string) ([]nginx.Arg, error) {
	if len(words) != 2 {
		return nil, errors.New("takes a name and a text")
	}
	if err := checkName(words[0], frameForBackends); err != nil {
		return nil, err
	}
	value, err := r.text(words[1])
	return []nginx.Arg{nginx.Verbatim(words[0]), value}, err
}

// headersMore reads the arguments of a directive of headers-more: options, and headers, with values or without.
func headersMore(options string, reserved []string, withValues bool) func(*reader, []string) ([]nginx.Arg, error) {
	return func(r *reader, words []string) ([]nginx.Arg, error) {
		var args []nginx.Arg
		headers := 0
		for len(words) > 0 {
			word := words[0]
			words = words[1:]
			if option, is := strings.CutPrefix(word, "-"); is {
				if len(option) != 1 || !strings.Contains(options, option) {
					return nil, fmt.Errorf("has the option %.20q; there are only -%s", word, strings.Join(strings.Split(options, ""), " and -"))
				}
				args = append(args, nginx.Verbatim(word))
				if option == "r" {
					continue
				}
				if len(words) == 0 || !optionPattern[option].MatchString(words[0]) {
					return nil, fmt.Errorf("has the option %s without codes or types", word)
				}
				args, words = append(args, nginx.Verbatim(words[0])), words[1:]
				continue
			}
			header, err := r.moreHeader(word, reserved, withValues)
			if err != nil {
				return nil, err
			}
			args = append(args, header)
			headers++
		}
		if headers == 0 {
			return nil, errors.New("has no header")
		}
		return args, nil
	}
}

var optionPattern = map[string]*regexp.Regexp{
	"s": regexp.MustCompile(`^[1-5]\d\d( [1-5]\d\d)*$`),
	"t": regexp.MustCompile(`^[a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+( [a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+)*$`),
}

// moreHeader reads "Name: text", or a name, or a name with a * at its end for all that begin so.
func (r *reader) moreHeader(word string, reserved []string, withValue bool) (nginx.Arg, error) {
	name, value, hasValue := strings.Cut(word, ":")
	name = strings.TrimSpace(name)
	if hasValue != withValue {
		return nginx.Arg{}, fmt.Errorf("has %.60q, which should be a name with a colon and a text, or without where headers are cleared", word)
	}
	if bare, all := strings.CutSuffix(name, "*"); all && !withValue {
		if slices.ContainsFunc(reserved, func(s string) bool { return strings.HasPrefix(s, strings.ToLower(bare)) }) {
			return nginx.Arg{}, fmt.Errorf("has %.40q, which takes headers that are not for snippets to change", name)
		}
		return nginx.Verbatim(name), checkName(bare, nil)
	}
	if err := checkName(name, reserved); err != nil || !withValue {
		return nginx.Verbatim(name), err
	}
	text, err := r.text(strings.TrimSpace(value))
	return nginx.Concat(nginx.Verbatim(name+": "), text), err
}
