package annotations

import (
	"fmt"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	cookieDomainRewrite = New("proxy-cookie-domain", replacementKind(basicChars), replacement{}).Global().Example("localhost example.com").
				Doc("Domain of backends' cookies, and what clients see in its place; or off. One that begins with ~ is a regular expression.")
	cookiePathRewrite = New("proxy-cookie-path", replacementKind(urlChars), replacement{}).Global().Example("/one/ /").
				Doc("What paths of backends' cookies begin with, and what clients see in its place; or off. One that begins with ~ is a regular expression.")
	proxyRedirectFrom = New("proxy-redirect-from", replacedKind, off).Global().Example("http://internal.example.com/").
				Doc("What Location and Refresh of backends' answers begin with that proxy-redirect-to takes the place of; or off, or default, which is the same here. One that begins with ~ is a regular expression.")
	proxyRedirectTo = New("proxy-redirect-to", replacedKind, off).Global().Example("https://www.example.com/").
			Doc("What clients see in place of proxy-redirect-from; off changes nothing.")
)

const off = "off"

// cookiesAndRedirects rewrites what backends that believe they have other names tell clients. Neither gRPC nor FastCGI knows it.
var cookiesAndRedirects = Feature{
	Name:     "Cookies and redirects of backends",
	Settings: Settings{cookieDomainRewrite, cookiePathRewrite, proxyRedirectFrom, proxyRedirectTo},
	Location: func(v Values, l *nginx.Location) error {
		if l.Protocol.Module() != "proxy" {
			return nil
		}
		l.Body.Add("proxy_cookie_domain", cookieDomainRewrite.In(v).args()...)
		l.Body.Add("proxy_cookie_path", cookiePathRewrite.In(v).args()...)
		// The default of NGINX is about the name of an upstream block, which no backend hears of.
		change := replacement{proxyRedirectFrom.In(v), proxyRedirectTo.In(v)}
		if change.from == off || change.from == "default" || change.to == off {
			change = replacement{}
		}
		l.Body.Add("proxy_redirect", change.args()...)
		return nil
	},
}

// replacement is a text with what takes its place; the zero replacement changes nothing.
type replacement struct{ from, to string }

func (r replacement) args() []nginx.Arg {
	if r == (replacement{}) {
		return nginx.Words(off)
	}
	return nginx.Words(r.from, r.to) // there are no variables in either
}

func (r replacement) String() string {
	if r == (replacement{}) {
		return off
	}
	return r.from + " " + r.to
}

func replacementKind(chars string) Kind[replacement] {
	const name = "off, or two texts with a blank between them"
	return Kind[replacement]{
		Name: name,
		Parse: func(s string) (replacement, error) {
			words := strings.FieldsFunc(s, func(c rune) bool { return c == ' ' })
			if len(words) == 1 && words[0] == off {
				return replacement{}, nil
			}
			if len(words) != 2 {
				return replacement{}, notA(name)
			}
			for _, word := range words {
				if _, err := only(word, chars); err != nil {
					return replacement{}, err
				}
			}
			return replacement{words[0], words[1]}, checkReplaced(words[0])
		},
		Print: replacement.String,
		Edges: []string{"off", "a b", "~a b", "/ /", strings.Repeat("z", maxText) + " " + strings.Repeat("-", maxText), "~ ~", "off off"},
	}
}

// checkReplaced checks a text that is a regular expression if it begins with ~.
func checkReplaced(text string) error {
	pattern, is := strings.CutPrefix(text, "~")
	if !is {
		return nil
	}
	if _, err := nginx.ParseRegex(strings.TrimPrefix(pattern, "*")); err != nil {
		return fmt.Errorf("has a regular expression that %w", err)
	}
	return nil
}

var replacedKind = Kind[string]{
	Name: "off, or a text of letters, digits and " + urlChars,
	Parse: func(s string) (string, error) {
		s = strings.TrimSpace(s)
		if s == "" {
			return "", notA("a text")
		}
		if _, err := only(s, urlChars); err != nil {
			return "", err
		}
		return s, checkReplaced(s)
	},
	Print: keep,
	Edges: append(textEdges(urlChars), "off", "default", "~/a.b", "http://a/?b"),
}
