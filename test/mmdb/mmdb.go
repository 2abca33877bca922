// Package mmdb makes small databases of addresses, in the form of MaxMind's, for tests.
package mmdb

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"go4.org/netipx"
)

// Record is what a database holds of a network.
type Record = mmdbtype.Map

// City is a record of a database of cities.
func City(country, countryCode, city string) Record {
	return Record{
		"city":     mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(city)}},
		"country":  mmdbtype.Map{"iso_code": mmdbtype.String(countryCode), "names": mmdbtype.Map{"en": mmdbtype.String(country)}},
		"location": mmdbtype.Map{"latitude": mmdbtype.Float64(52.5), "time_zone": mmdbtype.String("Europe/Berlin")},
	}
}

// ASN is a record of a database of networks' owners.
func ASN(number uint32, organization string) Record {
	return Record{"autonomous_system_number": mmdbtype.Uint32(number), "autonomous_system_organization": mmdbtype.String(organization)}
}

// Encode makes a database of an edition, with records by network, that was built at a time in seconds since 1970.
func Encode(t testing.TB, edition string, built int64, records map[string]Record) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: edition, BuildEpoch: built, RecordSize: 24, IncludeReservedNetworks: true, Languages: []string{"en"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		if err := tree.Insert(netipx.PrefixIPNet(netip.MustParsePrefix(network)), record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Put makes it the file at a path, whole at any moment.
func Put(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // workers are another user
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", content, 0o644); err != nil { //nolint:gosec // the same
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
