package explain_test

import (
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/controller/explain"
	"github.com/sluice-ingress/sluice/nginx/request"
	"github.com/sluice-ingress/sluice/test/golden"
)

// Texts of requests reach a terminal as print only what can be printed.
func TestTextIsPrintable(t *testing.T) {
	e, err := explain.New(golden.Load(t, "../translate/testdata/prefix.txtar").Plan(t))
	if err != nil {
		t.Fatal(err)
	}
	r, err := request.New("GET", "http://web.example.com/a\x1b[31m\xff%1b?\u202e")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := e.Explain(r).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\u202e\ufffd") {
		t.Errorf("it prints %q", out.String())
	}
}

// A plan of dynamic routing has no locations.
func TestDynamicPlansAreRefused(t *testing.T) {
	c := golden.Load(t, "../translate/testdata/prefix.txtar")
	c.Options.Routing = 1
	if _, err := explain.New(c.Plan(t)); err == nil {
		t.Error("it is explained")
	}
}
