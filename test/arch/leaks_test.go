package arch_test

import (
	"strings"
	"testing"
)

// leaks are words, in small letters, that only make sense on the machine or in the conversation in which
// they were written. They are in pieces here, so that this file is clean itself.
var leaks = []struct{ word, why string }{
	{"/wo" + "rk/", "a path of one machine"},
	{"/fa" + "rm/", "a path of one machine"},
	{".lib" + "rary", "a path of one machine"},
	{"before" + "-stop", "a tool of one workplace"},
	{"proxy.gol" + "ang.org", "whoever builds configures Go's sources"},
	{"deb.deb" + "ian.org", "the mirror comes from the machine's own apt"},
	{"snapshot.deb" + "ian.org", "the mirror comes from the machine's own apt"},
	{"registry.npm" + "js", "whoever builds configures registries"},
	{"as an a" + "i", "about the making of the text, not about the program"},
	{"language mo" + "del", "about the making of the text, not about the program"},
	{"this ses" + "sion", "about the making of the text, not about the program"},
	{"previous ses" + "sion", "about the making of the text, not about the program"},
}

func TestNothingNamesOneMachine(t *testing.T) {
	for _, f := range repository(t) {
		if f.path == "go.sum" {
			continue // written by Go; its hashes may hold anything
		}
		text := strings.ToLower(f.text)
		for _, leak := range leaks {
			if at := strings.Index(text, leak.word); at >= 0 {
				t.Errorf("%s:%d: %q is %s", f.path, 1+strings.Count(text[:at], "\n"), leak.word, leak.why)
			}
		}
	}
}
