package annotations

import (
	"errors"
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/geoip"
)

var (
	useGeoIP2 = Bool("use-geoip2", false).ConfigOnly().Example("true").
			Doc("Has variables say what databases of MaxMind hold of the client's address, such as $geoip2_city_country_code. Which databases, --maxmind-edition-ids says; see docs/geoip.md.")
	geoIP2Reload = Int("geoip2-autoreload-in-minutes", 0, 0, 525600).ConfigOnly().Example("60").
			Doc("How often workers look whether databases have changed, in minutes. With 0 NGINX is reloaded when they have.")
)

// databases defines the variables. What is missing keeps nobody from being served: they are empty then, as they are for addresses
// that a database does not have.
var databases = Feature{
	Name:     "Databases of addresses",
	Settings: Settings{useGeoIP2, geoIP2Reload},
	HTTP: func(v Values, h *nginx.HTTP) error {
		if !useGeoIP2.In(v) {
			return nil
		}
		minutes := geoIP2Reload.In(v)
		h.Directives = append(h.Directives, geoip.Directives(v.Databases, minutes)...)
		var mistakes []error
		for _, d := range v.Databases {
			if d.Flaw != "" {
				mistakes = append(mistakes, Mistake(useGeoIP2, NoEffect, "%s %s; variables that come from it alone are empty", d.Path, d.Flaw))
			}
		}
		if len(mistakes) < len(v.Databases) {
			h.Process.Modules = append(h.Process.Modules, geoip.Module)
		}
		if minutes == 0 {
			h.ReadFiles = geoip.Versions(v.Databases)
		}
		return errors.Join(mistakes...)
	},
}

// isPlace tells whether a variable from a database can be used: it may be empty.
func isPlace(v Values, name string) bool {
	return slices.Contains(certainPlaces(v), name) || useGeoIP2.In(v) && slices.Contains(geoip.Empty(v.Databases), name)
}

// certainPlaces are the variables from databases that are there. Conditions of snippets may keep clients out by them, so they
// do not go by others.
func certainPlaces(v Values) []string {
	if !useGeoIP2.In(v) {
		return nil
	}
	return geoip.Defined(v.Databases)
}

// unknownPlace is a variable of a format that would come from a database, and that there is not; "" for none.
func unknownPlace(v Values, format dynamic.Template) string {
	for n := 1; n < len(format); n += 2 {
		if geoip.IsVariable(format[n]) && !isPlace(v, format[n]) {
			return format[n]
		}
	}
	return ""
}
