package annotations

import (
	"errors"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

var (
	canaryOn = Bool("canary", false).Example("true").
			Doc("Makes the Ingress a canary: for each of its paths that another Ingress serves, its Service takes some of the requests. All else, other annotations too, comes from that main Ingress.")
	canaryHeader = New("canary-by-header", basicText("a header's name", ""), "").Example("X-Canary").
			Doc("Header that decides: `always` takes the request, `never` leaves it, any other value leaves it to cookie and weight.")
	canaryHeaderValue = New("canary-by-header-value", basicText("a header's value", " "), "").Example("blue").
				Doc("Value of that header that takes the request, in place of `always` and `never`, which then mean nothing.")
	canaryHeaderPattern = New("canary-by-header-pattern", canaryPatternKind, "").Example("^de-[a-z]+$").
				Doc("Regular expression that takes the request if it is found in that header, in place of `always` and `never`. Not used with `canary-by-header-value`.")
	canaryCookie = New("canary-by-cookie", basicText("a cookie's name", ""), "").Example("canary").
			Doc("Cookie that decides where the header does not: `always` takes the request, `never` leaves it, any other value leaves it to the weight.")
	canaryWeight = Int("canary-weight", 0, 0, maxCount).Example("10").
			Doc("How many of `canary-weight-total` requests are taken, at random, of those that header and cookie leave open.")
	canaryTotal = Int("canary-weight-total", leastTotal, leastTotal, maxCount).Example("1000").
			Doc("What the weight is a part of.")
)

// leastTotal is what ingress-nginx counts with if canary-weight-total is less.
const leastTotal = 100

// basicText is a text of the characters that ingress-nginx calls basic, and the given further ones; blanks around it
// are ignored.
func basicText(what, further string) Kind[string] {
	return Kind[string]{
		Name: what,
		Parse: func(s string) (string, error) {
			if s = strings.TrimSpace(s); s == "" {
				return "", errors.New("has nothing but blanks")
			}
			return only(s, basicChars+further)
		},
		Print: keep,
		Edges: append(textEdges(basicChars), " a "),
	}
}

// canaryPatternKind takes any text of the characters that ingress-nginx takes. What it did with one that is no regular
// expression is not what it did without one.
var canaryPatternKind = Kind[string]{
	Name:  "a regular expression",
	Parse: func(s string) (string, error) { return only(s, regexChars) },
	Print: keep,
	Edges: []string{"a", strings.Repeat("z", maxText), "^a[.]b$"},
}

// canaryOptions mean something on a canary only.
var canaryOptions = Settings{canaryHeader, canaryHeaderValue, canaryHeaderPattern, canaryCookie, canaryWeight, canaryTotal}

var canary = Feature{
	Name:     "Canary",
	Settings: append(Settings{canaryOn}, canaryOptions...),
	Server:   canaryNotOn,
	Backend:  canaryRules,
}

// IsCanary tells whether an Ingress offers alternatives to the Services of others, and serves nothing itself.
func IsCanary(v Values) bool { return canaryOn.In(v) }

// canaryNotOn finds settings of a canary on an Ingress that is none.
func canaryNotOn(v Values, _ *nginx.Server) error {
	var mistakes []error
	for _, s := range canaryOptions {
		if _, given := v.own[s.about().key]; given && !IsCanary(v) {
			mistakes = append(mistakes, Mistake(s, Conflict, "it has no effect without canary: \"true\"; the Ingress is served like any other"))
		}
	}
	return errors.Join(mistakes...)
}

// canaryRules says which requests the Services of a canary take.
func canaryRules(v Values, b *Backend) error {
	if !IsCanary(v) {
		return nil
	}
	b.Canary = &dynamic.Alternative{Header: canaryHeader.In(v), Cookie: canaryCookie.In(v)}
	mistakes := []error{canaryHeaderRules(v, b.Canary)}
	weight, total := canaryWeight.In(v), canaryTotal.In(v)
	if weight > 0 {
		b.Canary.Weight, b.Canary.WeightTotal = min(weight, total), total
	}
	if weight > total {
		mistakes = append(mistakes, Mistake(canaryWeight, Conflict, "%d is more than canary-weight-total (%d); all requests are taken", weight, total))
	}
	if b.Canary.Header == "" && b.Canary.Cookie == "" && !canaryWeight.Given(v) {
		mistakes = append(mistakes, Mistake(canaryOn, Conflict, "no canary-by-header, canary-by-cookie or canary-weight counts, so no requests are taken"))
	}
	return errors.Join(mistakes...)
}

// canaryHeaderRules says which values of the header take a request.
func canaryHeaderRules(v Values, a *dynamic.Alternative) error {
	value, pattern := canaryHeaderValue.In(v), canaryHeaderPattern.In(v)
	switch {
	case a.Header == "":
		var mistakes []error
		for _, s := range []*Setting[string]{canaryHeaderValue, canaryHeaderPattern} {
			if s.Given(v) {
				mistakes = append(mistakes, Mistake(s, Conflict, "it has no effect without canary-by-header"))
			}
		}
		return errors.Join(mistakes...)
	case value != "":
		a.HeaderValue = value
		if pattern != "" {
			return Mistake(canaryHeaderPattern, Conflict, "it has no effect beside canary-by-header-value")
		}
	case pattern != "":
		if _, err := nginx.ParseRegex(pattern); err != nil {
			a.HeaderRefused = true
			return Mistake(canaryHeaderPattern, InvalidValue, "%s is not a regular expression: it %s; requests with the header are not taken", printable(pattern), err)
		}
		a.HeaderPattern = pattern
	}
	return nil
}
