package translate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

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

// TestBindAddressesOfOthers leaves out addresses that are none of this machine's, as NGINX would refuse all of the
// configuration. Who does not know the machine's addresses leaves none out.
func TestBindAddressesOfOthers(t *testing.T) {
	const all = "10.0.0.1,127.0.0.9,192.0.2.1,::1"
	for _, test := range []struct {
		own         []string
		given, want string
		problems    int
	}{
		{nil, all, all, 0},
		{[]string{"10.0.0.1", "127.0.0.1"}, all, "10.0.0.1,127.0.0.9,::1", 1},
		{[]string{"::ffff:192.0.2.1", "fd00::1"}, "192.0.2.1,fd00::1,fd00::2", "192.0.2.1,fd00::1", 1},
		{[]string{"10.0.0.9"}, "10.0.0.1,192.0.2.1", "", 2},
		{[]string{"10.0.0.9"}, "0.0.0.0", "0.0.0.0", 0},
	} {
		c := golden.New(t, "bind-address", &txtar.Archive{Files: []txtar.File{{Name: "configmap.yaml", Data: []byte(
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: controller, namespace: ingress-nginx}\ndata: {bind-address: '" + test.given + "'}\n")}}})
		c.Options.Translate.Settings.OwnAddresses = test.own
		plan := c.Plan(t)
		var got []string
		for _, a := range plan.Config.HTTP.Listening.Addresses {
			got = append(got, a.String())
		}
		if strings.Join(got, ",") != test.want || len(plan.Problems) != test.problems {
			t.Errorf("%v: %s becomes %v, want %s; Problems are %v", test.own, test.given, got, test.want, plan.Problems)
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
		backend, known := plan.Dynamic.Backends.Get(fmt.Sprintf("shop_outside-%d_80", n))
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
