package translate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/test/golden"
)

// The cases are shared with address.lua, so that an address is refused whether it stands in a Service or a name leads
// to it.
func TestAddressesThatExternalNamesMustNotHave(t *testing.T) {
	text, err := os.ReadFile("../../test/lua/addresses.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Refused, Allowed, Own []string
		RefusedAsOwn          []string `json:"refused_as_own"`
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what           string
		addresses, own []string
		refused        bool
	}{
		{"refused", cases.Refused, nil, true},
		{"allowed", cases.Allowed, nil, false},
		{"allowed beside our own", cases.Allowed, cases.Own, false},
		{"our own", cases.RefusedAsOwn, cases.Own, true},
		{"own of others", cases.RefusedAsOwn, nil, false},
	} {
		if len(test.addresses) == 0 {
			t.Fatalf("%s: no addresses", test.what)
		}
		for address, served := range servedOutside(t, test.addresses, test.own) {
			if served == test.refused {
				t.Errorf("%s: %s: served %v", test.what, address, served)
			}
		}
	}
}

// servedOutside tells which addresses are endpoints, each of an ExternalName Service of its own.
func servedOutside(t *testing.T, addresses, own []string) map[string]bool {
	t.Helper()
	m := manifests{c: golden.Load(t, "testdata/prefix.txtar")}
	m.c.Options.Translate.Settings.OwnAddresses = own
	var yaml strings.Builder
	for n, address := range addresses {
		fmt.Fprintf(&yaml, "---\napiVersion: v1\nkind: Service\nmetadata: {name: outside-%d, namespace: shop}\nspec: {type: ExternalName, externalName: %q}\n", n, address)
		fmt.Fprint(&yaml, "---", strings.ReplaceAll(ingress("", fmt.Sprintf("outside-%d", n)), "web", fmt.Sprintf("web-%d", n)))
	}
	plan := m.next(t, yaml.String())
	served := map[string]bool{}
	for n, address := range addresses {
		backend, known := plan.Dynamic.Backends[fmt.Sprintf("shop_outside-%d_80", n)]
		if !known {
			t.Fatalf("there is no backend for %s", address)
		}
		served[address] = len(backend.Endpoints) > 0
		reported := strings.Contains(reasons(plan), fmt.Sprintf("Ingress shop/web-%d InvalidExternalName", n))
		if reported == served[address] {
			t.Errorf("%s: served %v, reported %v", address, served[address], reported)
		}
	}
	return served
}
