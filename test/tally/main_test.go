package main

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		ok             bool
	}{
		{
			"counts tests, not their parents",
			`{"Action":"run","Package":"a","Test":"T"}
{"Action":"run","Package":"a","Test":"T/one"}
{"Action":"run","Package":"a","Test":"T/two"}
{"Action":"pass","Package":"a","Test":"T/one"}
{"Action":"pass","Package":"a","Test":"T/two"}
{"Action":"pass","Package":"a","Test":"T"}
{"Action":"pass","Package":"a","Elapsed":1.5}
`,
			"ok    a  2 passed, 0 failed  1.5s\n2 passed, 0 failed\n", true,
		},
		{
			"a failing subtest counts once and shows its output",
			`{"Action":"run","Package":"a","Test":"T"}
{"Action":"run","Package":"a","Test":"T/one"}
{"Action":"output","Package":"a","Test":"T/one","Output":"why\n"}
{"Action":"fail","Package":"a","Test":"T/one"}
{"Action":"fail","Package":"a","Test":"T"}
{"Action":"fail","Package":"a"}
`,
			"why\nFAIL  a  0 passed, 1 failed\n0 passed, 1 failed\n", false,
		},
		{
			"a parent may fail by itself",
			`{"Action":"run","Package":"a","Test":"T"}
{"Action":"run","Package":"a","Test":"T/one"}
{"Action":"pass","Package":"a","Test":"T/one"}
{"Action":"fail","Package":"a","Test":"T"}
{"Action":"fail","Package":"a"}
`,
			"FAIL  a  1 passed, 1 failed\n1 passed, 1 failed\n", false,
		},
		{
			"a build that fails",
			`{"ImportPath":"a","Action":"build-output","Output":"a.go:1: no\n"}
{"ImportPath":"a","Action":"build-fail"}
{"Action":"fail","Package":"a"}
`,
			"a.go:1: no\nFAIL  a  0 passed, 1 failed\n0 passed, 1 failed\n", false,
		},
		{
			"a test that was running when the process died",
			`{"Action":"run","Package":"a","Test":"T"}
{"Action":"output","Package":"a","Test":"T","Output":"panic\n"}
`,
			"panic\nFAIL  a  0 passed, 1 failed\n0 passed, 1 failed\n", false,
		},
		{
			"skipped tests say why; packages without tests are silent",
			`{"Action":"run","Package":"a","Test":"T"}
{"Action":"output","Package":"a","Test":"T","Output":"needs root\n"}
{"Action":"skip","Package":"a","Test":"T"}
{"Action":"pass","Package":"a","Elapsed":0.1}
{"Action":"skip","Package":"b"}
`,
			"needs root\nok    a  0 passed, 0 failed, 1 skipped  0.1s\n0 passed, 0 failed, 1 skipped\n", true,
		},
		{"other lines pass through", "go: broken\n", "go: broken\n0 passed, 0 failed\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := tally(strings.NewReader(c.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != c.want || ok != c.ok {
				t.Errorf("got %v\n%s\nwant %v\n%s", ok, got, c.ok, c.want)
			}
		})
	}
}
