package nginx

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Locations that need the same share it, whatever stands in it is read back, and the variable is named by what it depends on.
func TestDerive(t *testing.T) {
	for _, hostileText := range hostile {
		key := Text(hostileText)
		if key.check() != nil {
			continue
		}
		var one, other Location
		entries := func() []Directive {
			return []Directive{Entry(Verbatim("default"), Var("host")), Entry(Verbatim("k"), key)}
		}
		variable := one.Derive("map", Var("uri"), entries())
		if again := one.Derive("map", Var("uri"), entries()); again.Value() != variable.Value() || len(one.Needs) != 1 {
			t.Errorf("the same map is there %d times, as %s and %s", len(one.Needs), variable.Value(), again.Value())
		}
		if same := other.Derive("map", Var("uri"), entries()); same.Value() != variable.Value() {
			t.Errorf("another location has %s for %s", same.Value(), variable.Value())
		}
		if differs := other.Derive("map", Var("args"), entries()); differs.Value() == variable.Value() {
			t.Errorf("maps of different variables are both %s", differs.Value())
		}
		text, err := one.Needs.Encode("")
		if err != nil {
			t.Fatal(err)
		}
		read, err := Parse(text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		var words [][]string
		for _, entry := range read[0].Block {
			words = append(words, entry.Words)
		}
		if diff := cmp.Diff([][]string{{"default", "$host"}, {"k", key.Value()}}, words); diff != "" {
			t.Errorf("%q is read back differently (-want +got):\n%s", hostileText, diff)
		}
	}
}

// Lines without a name stand in blocks of entries only, and nothing else stands there.
func TestEntriesHaveTheirPlace(t *testing.T) {
	entry := Entry(Verbatim("a"), Verbatim("b"))
	for _, d := range []Directive{
		entry,
		{Name: "server", Block: []Directive{entry}},
		{Name: "map", Block: []Directive{D("include", Verbatim("/etc/passwd"))}},
		{Name: "geo", Block: []Directive{{Args: []Arg{Verbatim("a")}}}},
	} {
		if text, err := d.Encode(""); err == nil {
			t.Errorf("this is written:\n%s", text)
		}
	}
}
