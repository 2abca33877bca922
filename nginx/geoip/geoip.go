// Package geoip turns databases of MaxMind into directives of NGINX's module ngx_http_geoip2, which says in variables what they
// hold of a client's address. Which databases there are comes in as values; nothing is read here.
package geoip

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// Directory is where databases are, as in ingress-nginx's image.
const Directory = "/etc/ingress-controller/geoip"

// Module is the file of the dynamic module.
const Module = "ngx_http_geoip2_module.so"

// Database is one that the administrator asks for (--maxmind-edition-ids).
type Database struct {
	Edition string // such as GeoLite2-City
	Path    string // of its file, which is called EDITION.mmdb
	Flaw    string // why it cannot be used, to complete a sentence that begins with the file; "" if it can
	Version string // a hash that changes with what it holds; "" if that is not known
}

// variable is one of ingress-nginx 1.15.1, without the prefix that all have, and where its value is in a record.
type variable struct{ name, lookup string }

const prefix = "geoip2_"

var (
	city = []variable{
		{"city_country_code", "country iso_code"}, {"city_country_name", "country names en"}, {"city_country_geoname_id", "country geoname_id"},
		{"city", "city names en"}, {"city_geoname_id", "city geoname_id"},
		{"postal_code", "postal code"}, {"dma_code", "location metro_code"},
		{"latitude", "location latitude"}, {"longitude", "location longitude"}, {"time_zone", "location time_zone"},
		{"region_code", "subdivisions 0 iso_code"}, {"region_name", "subdivisions 0 names en"}, {"region_geoname_id", "subdivisions 0 geoname_id"},
		{"subregion_code", "subdivisions 1 iso_code"}, {"subregion_name", "subdivisions 1 names en"}, {"subregion_geoname_id", "subdivisions 1 geoname_id"},
		{"city_continent_code", "continent code"}, {"city_continent_name", "continent names en"},
	}
	country = []variable{
		{"country_code", "country iso_code"}, {"country_name", "country names en"}, {"country_geoname_id", "country geoname_id"},
		{"continent_code", "continent code"}, {"continent_name", "continent names en"}, {"continent_geoname_id", "continent geoname_id"},
	}
	asn = []variable{{"asn", "autonomous_system_number"}, {"org", "autonomous_system_organization"}}
)

// editions are those that ingress-nginx takes, with the variables that come from them. GeoIP2-Domain has none there.
var editions = map[string][]variable{
	"GeoLite2-City": city, "GeoIP2-City": city,
	"GeoLite2-Country": country, "GeoIP2-Country": country,
	"GeoLite2-ASN": asn, "GeoIP2-ASN": asn,
	"GeoIP2-ISP":             {{"isp", "isp"}, {"isp_org", "organization"}, {"asn", "default=0 autonomous_system_number"}},
	"GeoIP2-Connection-Type": {{"connection_type", "connection_type"}},
	"GeoIP2-Anonymous-IP": {
		{"is_anon", "is_anonymous"}, {"is_anonymous", "default=0 is_anonymous"}, {"is_anonymous_vpn", "default=0 is_anonymous_vpn"},
		{"is_hosting_provider", "default=0 is_hosting_provider"}, {"is_public_proxy", "default=0 is_public_proxy"},
		{"is_tor_exit_node", "default=0 is_tor_exit_node"},
	},
	"GeoIP2-Domain": nil,
}

// Wanted reads names of editions, separated by commas, as databases in a directory that are taken to be there. A name that is
// none of an edition is an error, so that no other text gets into the name of a file.
func Wanted(list, directory string) ([]Database, error) {
	var all []Database
	var mistakes []error
	for _, name := range strings.Split(list, ",") {
		name = strings.TrimSpace(name)
		if _, known := editions[name]; !known && name != "" {
			mistakes = append(mistakes, fmt.Errorf("%.60q is none of the editions %s", name, strings.Join(slices.Sorted(maps.Keys(editions)), ", ")))
			continue
		}
		isNew := !slices.ContainsFunc(all, func(d Database) bool { return d.Edition == name })
		if name != "" && isNew {
			all = append(all, Database{Edition: name, Path: directory + "/" + FileName(name)})
		}
	}
	return all, errors.Join(mistakes...)
}

// FileName is the name of an edition's file.
func FileName(edition string) string { return edition + ".mmdb" }

// IsVariable tells whether a variable, named without its dollar, comes from some edition.
func IsVariable(name string) bool { return slices.Contains(Variables(), name) }

// Variables are the names of all variables, sorted.
func Variables() []string {
	var all []Database
	for edition := range editions {
		all = append(all, Database{Edition: edition})
	}
	return slices.Sorted(maps.Keys(sources(all)))
}

// Defined are the variables that the usable ones of these databases say something in, sorted.
func Defined(all []Database) []string {
	return slices.Sorted(maps.Keys(sources(usable(all))))
}

// Empty are the variables that come only from those of these databases that cannot be used, sorted.
func Empty(all []Database) []string {
	defined := sources(usable(all))
	return slices.DeleteFunc(slices.Sorted(maps.Keys(sources(all))), func(name string) bool { _, is := defined[name]; return is })
}

func usable(all []Database) []Database {
	return slices.DeleteFunc(slices.Clone(all), func(d Database) bool { return d.Flaw != "" })
}

// sources say of each variable which database it comes from: the last that has it, as the last definition counts for NGINX.
func sources(all []Database) map[string]string {
	from := map[string]string{}
	for _, d := range all {
		for _, v := range editions[d.Edition] {
			from[prefix+v.name] = d.Edition
		}
	}
	return from
}

// source is a name to the module, and no text with a variable.
var source = nginx.Verbatim("source=$remote_addr")

// Directives define the variables, for the http level. Their values are about $remote_addr, which is the client's address as
// proxies that are trusted say it. Databases are read again when they have changed, looked at every so many minutes; 0 is only
// with the configuration.
func Directives(all []Database, reloadMinutes int) nginx.Directives {
	var list nginx.Directives
	from := sources(usable(all))
	for _, d := range usable(all) {
		block := nginx.Directive{Name: "geoip2", Args: nginx.Words(d.Path)}
		if reloadMinutes > 0 {
			block.Block = append(block.Block, nginx.Entry(nginx.Verbatim("auto_reload"), nginx.Concat(nginx.Int(reloadMinutes), nginx.Verbatim("m"))))
		}
		for _, v := range editions[d.Edition] {
			if from[prefix+v.name] == d.Edition {
				block.Block = append(block.Block, nginx.Entry(nginx.Var(prefix+v.name), source, nginx.Words(strings.Fields(v.lookup)...)...))
			}
		}
		if len(editions[d.Edition]) > 0 {
			list = append(list, block)
		}
	}
	for _, name := range Empty(all) {
		list = append(list, nginx.Directive{
			Name: "map", Args: []nginx.Arg{nginx.Text(""), nginx.Var(name)}, Block: []nginx.Directive{nginx.Entry(nginx.Verbatim("default"), nginx.Text(""))},
		})
	}
	return list
}

// Versions are those of the usable databases: NGINX has to read its configuration again when they change.
func Versions(all []Database) string {
	var b strings.Builder
	for _, d := range usable(all) {
		fmt.Fprintf(&b, "%s %s\n", d.Edition, d.Version)
	}
	return b.String()
}
