package annotations

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	useRegex = Bool("use-regex", false).Example("true").
			Doc("Takes the paths as regular expressions, matched from the start and in any case. It does so for all paths of the host, also those of other Ingresses.")
	rewriteTarget = New("rewrite-target", rewriteTargetKind, "").Example("/$2").
			Doc("Replaces the path; $1 to $9 are the captures of the path, which is taken as a regular expression. Implies use-regex.")
	forwardedPrefix = Text("x-forwarded-prefix", "a path", rewriteChars).Bad(UseDefault).Example("/shop").
			Doc("Value of the header X-Forwarded-Prefix on requests that rewrite-target changes; may use captures.")
)

var rewriteTargetKind = Kind[string]{
	Name: "a path with captures",
	Parse: func(s string) (string, error) {
		if _, err := only(s, rewriteChars); err != nil {
			return "", err
		}
		_, err := withCaptures(s, 9)
		return s, err
	},
	Print: keep,
}

var rewriting = Feature{
	Name:     "Rewriting",
	Settings: Settings{useRegex, rewriteTarget, forwardedPrefix},
	Location: rewrite,
}

func rewrite(v Values, l *nginx.Location) error {
	if !Rewrites(v, l.Identity.Path) {
		return nil
	}
	pattern, err := nginx.ParseRegex(l.Identity.Path)
	if err != nil {
		return Denial(rewriteTarget, "the path %s is no regular expression: it %s", printable(l.Identity.Path), err)
	}
	target, err := withCaptures(rewriteTarget.In(v), pattern.Groups())
	if err != nil {
		return Mistake(rewriteTarget, "%s", err)
	}
	l.Rewrite = &nginx.Rewrite{Pattern: pattern.NamedGroups(capturePrefix), Target: target}
	if prefix := forwardedPrefix.In(v); prefix != "" {
		value, err := withCaptures(prefix, pattern.Groups())
		if err != nil {
			return Mistake(forwardedPrefix, "%s", err)
		}
		l.SetHeader("X-Forwarded-Prefix", value)
	}
	return nil
}

// capturePrefix starts the names of the variables that hold a path's captures.
const capturePrefix = "capture_"

// withCaptures reads a text in which $1 to $9 stand for captures. Like NGINX it takes one digit only, and
// a capture that the pattern lacks is empty.
func withCaptures(s string, groups int) (nginx.Arg, error) {
	var parts []nginx.Arg
	for {
		before, after, found := strings.Cut(s, "$")
		if before != "" {
			parts = append(parts, nginx.Text(before))
		}
		switch {
		case !found:
			return nginx.Concat(parts...), nil
		case after == "":
			return nginx.Arg{}, errors.New("it ends in $")
		case after[0] < '1' || after[0] > '9':
			return nginx.Arg{}, fmt.Errorf("$%c is no capture", after[0])
		case int(after[0]-'0') <= groups:
			parts = append(parts, nginx.Var(capturePrefix+after[:1]))
		}
		s = after[1:]
	}
}

// UsesRegex tells whether a path of an Ingress makes its host match by regular expressions.
func UsesRegex(v Values, path string) bool { return useRegex.In(v) || Rewrites(v, path) }

// Rewrites tells whether rewrite-target changes anything for the path: a target that equals it does not.
func Rewrites(v Values, path string) bool {
	target := rewriteTarget.In(v)
	return target != "" && target != path
}
