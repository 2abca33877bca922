package annotations

import (
	"errors"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	useRegex = Bool("use-regex", false).Example("true").
			Doc("Takes the paths as regular expressions, matched from the start and in any case. It does so for all paths of the host, also those of other Ingresses.")
	rewriteTarget = New("rewrite-target", rewriteTargetKind, "").Example("/$2").
			Doc("Replaces the path; $1 to $9 are the captures of the path, which is taken as a regular expression. Implies use-regex. A target that starts with http:// or https:// redirects there with 302.")
	rewriteLog = Bool("enable-rewrite-log", false).Example("true").
			Doc("Writes what rewrite-target makes of paths to the error log.")
	forwardedPrefix = New("x-forwarded-prefix", forwardedPrefixKind, "").Bad(Refuse).Example("/shop").
			Doc("Value of the header X-Forwarded-Prefix on requests that rewrite-target changes; may use captures.")
)

var rewriteTargetKind = Kind[string]{
	Name: "a path, with captures if need be",
	Parse: func(s string) (string, error) {
		if _, err := only(s, rewriteChars); err != nil {
			return "", err
		}
		_, err := expand(s, nginx.MostCaptures)
		return s, err
	},
	Print: keep,
	Edges: append([]string{
		"/", "x", "$1", "/$1/$9", "/$namespace/$1", strings.Repeat("$1", 300), "https://$host/$1", "http://example.com/$2", "https://", "https:",
	}, textEdges(basicChars)...),
}

// forwardedPrefixKind takes blanks inside, as ingress-nginx did.
var forwardedPrefixKind = Kind[string]{
	Name: "a path, with captures if need be",
	Parse: func(s string) (string, error) {
		if _, err := only(s, rewriteChars+" "); err != nil {
			return "", err
		}
		if s = strings.TrimSpace(s); s == "" {
			return "", errors.New("has nothing but blanks")
		}
		_, err := expand(s, nginx.MostCaptures)
		return s, err
	},
	Print: keep,
	Edges: append([]string{"/a b ", "$1", "/$9/$host", strings.Repeat("$1", 300)}, textEdges(basicChars)...),
}

var rewriting = Feature{
	Name:     "Rewriting",
	Settings: Settings{useRegex, rewriteTarget, rewriteLog, forwardedPrefix},
	Location: rewrite,
}

func rewrite(v Values, l *nginx.Location) error {
	if !Rewrites(v, l.Identity.Path) {
		return nil
	}
	path, err := nginx.ParseRegex(l.Identity.Path)
	if err != nil {
		return Denial(rewriteTarget, Conflict, "the path %s is not a regular expression: it %s", printable(l.Identity.Path), err)
	}
	pattern := path.NamedGroups()
	target, err := expand(rewriteTarget.In(v), path.Groups())
	if err != nil {
		return Denial(rewriteTarget, Conflict, "%s %s", printable(rewriteTarget.In(v)), err)
	}
	switch text := rewriteTarget.In(v); {
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"), strings.HasPrefix(text, "$scheme://"):
		l.Return = &nginx.Redirect{Code: 302, Target: nginx.Concat(target, nginx.Var("is_args"), nginx.Var("args")), Pattern: &pattern}
		return nil
	case l.Upstream == "":
		return nil // whatever its path, the request is answered 404
	case target.Value() == "":
		return Denial(rewriteTarget, Conflict, "%s is nothing for the path %s, which has no such capture", printable(text), printable(l.Identity.Path))
	}
	l.Rewrite = &nginx.Rewrite{Pattern: pattern, Target: target}
	if rewriteLog.In(v) {
		l.Body.Add("rewrite_log", nginx.OnOff(true))
	}
	return prefixHeader(v, l, path.Groups())
}

func prefixHeader(v Values, l *nginx.Location, groups int) error {
	text := forwardedPrefix.In(v)
	if text == "" {
		return nil
	}
	value, err := expand(text, groups)
	if err != nil {
		return err // the kind has tried the same
	}
	// Captures are pieces of the decoded path: a line end in one would begin another header.
	l.Rewrite.Printable = strings.Contains(text, "$")
	l.SetHeader("X-Forwarded-Prefix", value)
	return nil
}

// UsesRegex tells whether a path of an Ingress makes its host match by regular expressions.
func UsesRegex(v Values, path string) bool { return useRegex.In(v) || Rewrites(v, path) }

// MatchByRegex are the annotations that do nothing but make the host of an Ingress match by regular expressions.
func MatchByRegex(prefix string) map[string]string {
	return map[string]string{prefix + "/" + useRegex.key: "true"}
}

// Rewrites tells whether rewrite-target changes anything for the path: a target that equals it does not.
func Rewrites(v Values, path string) bool {
	target := rewriteTarget.In(v)
	return target != "" && target != path
}
