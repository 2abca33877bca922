//go:build integration

package equivalence

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// pathChange makes another target of one, or the same if it cannot. Targets are paths as they are sent, but for what may
// not stand in a request line, which is encoded at the end.
type pathChange struct {
	name  string
	apply func(random *rand.Rand, path string) string
}

const controlByte = "control byte"

var pathChanges = []pathChange{
	{"below", below},
	{"longer", func(random *rand.Rand, p string) string { return p + pick(random, []string{"x", "b", ".html", "-"}) }},
	{"shorter", func(random *rand.Rand, p string) string { return "/" + p[1:1+random.IntN(len(p))] }},
	{"slash added", func(_ *rand.Rand, p string) string { return p + "/" }},
	{"slash removed", func(_ *rand.Rand, p string) string { return "/" + strings.Trim(p, "/") }},
	{"double slash", atSlash("//")},
	{"many slashes", atSlash("////")},
	{"dot", atSlash("/./")},
	{"dot dot", atSlash("/zz/../")},
	{"dot dot at the end", func(random *rand.Rand, p string) string {
		return p + pick(random, []string{"/..", "/x/..", "/.", "/x/../"})
	}},
	{"above the root", func(random *rand.Rand, p string) string {
		return pick(random, []string{"/..", "/../..", "/x/../.."}) + p
	}},
	{"encoded dot dot", atSlash("/zz/%2e%2E/")},
	{"encoded slash", atSlash("%2F")},
	{"encoded slash more", atSlash("/x%2f")},
	{"encoded tilde", func(random *rand.Rand, p string) string { return p + pick(random, []string{"%7E", "/%7Eu", "%7e"}) }},
	{"encoded character", func(random *rand.Rand, p string) string {
		at := random.IntN(len(p))
		return fmt.Sprintf("%s%%%02X%s", p[:at], p[at], p[at+1:])
	}},
	{controlByte, func(random *rand.Rand, p string) string {
		control := pick(random, []string{"%01", "%0A", "%0D%0AX-Evil:%20x", "%09", "%1F", "%7F"})
		if random.IntN(2) == 0 {
			return p + control
		}
		return strings.TrimSuffix(p, "/") + "/" + control + "/x"
	}},
	{"raw control byte", func(random *rand.Rand, p string) string { return p + pick(random, []string{"\x01", "\x7f", "\t"}) }},
	{"non-ASCII", func(random *rand.Rand, p string) string {
		return p + pick(random, []string{"\u00e9", "%C3%A9", "%c3%a9/x", "/\u65e5\u672c", "\xff", "%FF", "%E2%82"})
	}},
	{"upper case", func(_ *rand.Rand, p string) string { return strings.ToUpper(p) }},
	{"lower case", func(_ *rand.Rand, p string) string { return strings.ToLower(p) }},
	{"encoded question mark", func(random *rand.Rand, p string) string { return p + pick(random, []string{"%3F", "%3Fa=b", "/x%3f"}) }},
	{"encoded percent", func(random *rand.Rand, p string) string { return p + pick(random, []string{"%25", "%252F", "%2525"}) }},
	{"bad encoding", func(random *rand.Rand, p string) string { return p + pick(random, []string{"%", "%2", "%zz"}) }},
	{"fragment", func(random *rand.Rand, p string) string { return p + pick(random, []string{"#x", "%23x", "#"}) }},
	{"punctuation", func(random *rand.Rand, p string) string {
		return p + pick(random, []string{";a=b", "/a+b", "/$1", "/${host}", "&", "/'\"<>", "/\\", "/{}|^`", "/@x", "/a:b", "/a b", "%20", "/*"})
	}},
	{"long", func(random *rand.Rand, p string) string {
		return p + strings.Repeat("/long", pick(random, []int{200, 900, 1700}))
	}},
	{"absolute", func(random *rand.Rand, p string) string {
		return pick(random, []string{"http://a.test", "https://b.test", "http://nobody.org:80", "HTTP://A.TEST"}) + p
	}},
	{"no path", func(random *rand.Rand, _ string) string {
		return pick(random, []string{"*", "a", "a.test:80", "http://a.test"})
	}},
}

func below(random *rand.Rand, p string) string {
	return strings.TrimSuffix(p, "/") + pick(random, []string{"/x", "/x/y", "/b", "/a/b", "/index.html", "/\u00fc/x"})
}

// atSlash puts a text in the place of one of the slashes.
func atSlash(text string) func(*rand.Rand, string) string {
	return func(random *rand.Rand, p string) string {
		pieces := strings.SplitAfter(p, "/")
		at := random.IntN(len(pieces))
		if trimmed, is := strings.CutSuffix(pieces[at], "/"); is {
			pieces[at] = trimmed + text
		}
		return strings.Join(pieces, "")
	}
}

// rarely are those after which most of a path no longer matters.
var rarely = map[string]bool{"raw control byte": true, "bad encoding": true, "above the root": true, "long": true, "absolute": true, "no path": true}

// changePath makes the target of a request that has a path of the set: the path itself, often changed once, sometimes more.
func (a *asker) changePath(r *request) {
	if a.chance(20) {
		r.target = below(a.Rand, r.target)
		r.changes = append(r.changes, "below")
	}
	for range pick(a, []int{0, 0, 1, 1, 1, 2, 3}) {
		change := pick(a, pathChanges)
		if rarely[change.name] && !a.chance(20) || !strings.HasPrefix(r.target, "/") {
			continue
		}
		if after := change.apply(a.Rand, r.target); after != r.target {
			r.target = after
			r.changes = append(r.changes, change.name)
		}
	}
	if len(r.changes) == 0 {
		r.changes = []string{"none"}
	}
	// Blanks would end the target. A mark of a query that is meant for the path stays: it makes a query.
	r.target = strings.ReplaceAll(r.target, " ", "%20")
}
