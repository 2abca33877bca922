package geoip

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
)

func wanted(t *testing.T, list string) []Database {
	t.Helper()
	all, err := Wanted(list, "/d")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWanted(t *testing.T) {
	got := wanted(t, "GeoLite2-City, GeoIP2-ISP,,GeoLite2-City")
	want := []Database{{Edition: "GeoLite2-City", Path: "/d/GeoLite2-City.mmdb"}, {Edition: "GeoIP2-ISP", Path: "/d/GeoIP2-ISP.mmdb"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, bad := range []string{"GeoLite2-Planet", "../GeoLite2-City", "geolite2-city", "GeoLite2-City;"} {
		if _, err := Wanted(bad, "/d"); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Of two databases with a variable, one defines it, the other does as soon as the first is gone; nobody means nobody does.
func TestEachVariableIsDefinedOnce(t *testing.T) {
	all := wanted(t, "GeoLite2-ASN,GeoIP2-ISP,GeoIP2-Domain")
	for flawed, want := range map[string][]string{
		"":             {"geoip2 /d/GeoLite2-ASN.mmdb: $geoip2_org", "geoip2 /d/GeoIP2-ISP.mmdb: $geoip2_isp $geoip2_isp_org $geoip2_asn"},
		"GeoIP2-ISP":   {"geoip2 /d/GeoLite2-ASN.mmdb: $geoip2_asn $geoip2_org", "map  $geoip2_isp: default", "map  $geoip2_isp_org: default"},
		"GeoLite2-ASN": {"geoip2 /d/GeoIP2-ISP.mmdb: $geoip2_isp $geoip2_isp_org $geoip2_asn", "map  $geoip2_org: default"},
	} {
		some := slices.Clone(all)
		for i := range some {
			if some[i].Edition == flawed {
				some[i].Flaw = "does not exist"
			}
		}
		var got []string
		for _, d := range Directives(some, 0) {
			line := d.Name
			for _, arg := range d.Args {
				line += " " + plain(arg)
			}
			line += ":"
			for _, entry := range d.Block {
				line += " " + plain(entry.Args[0])
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("without %q (-want +got):\n%s", flawed, diff)
		}
		if both := append(Defined(some), Empty(some)...); len(both) != len(Defined(all)) {
			t.Errorf("without %q there are %v", flawed, both)
		}
	}
}

// plain is an argument as people write it.
func plain(a nginx.Arg) string { return strings.NewReplacer("{", "", "}", "").Replace(a.Value()) }

func TestDocumentationListsAllVariables(t *testing.T) {
	text, err := os.ReadFile("../../docs/geoip.md")
	if err != nil {
		t.Fatal(err)
	}
	for edition, variables := range editions {
		at := strings.Index(string(text), "`"+edition+"`, `GeoIP2")
		if at < 0 {
			at = strings.LastIndex(string(text), "`"+edition+"`")
		}
		if at < 0 {
			t.Errorf("%s is missing", edition)
			continue
		}
		row, _, _ := strings.Cut(string(text[at:]), "\n")
		for _, v := range variables {
			if !strings.Contains(row, "`"+v.name+"`") {
				t.Errorf("%s lacks %s", edition, v.name)
			}
		}
	}
}
