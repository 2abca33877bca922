//go:build integration

package equivalence

import "fmt"

// expected is what a run has to have met, by the names that tally counts under. The fixed seed meets it all by itself.
func expected() []string {
	var list []string
	add := func(format string, values ...string) {
		for _, v := range values {
			list = append(list, fmt.Sprintf(format, v))
		}
	}
	for _, some := range [][][]choice{traits, regexTraits, canaryTraits} {
		for _, trait := range some {
			for _, c := range trait {
				add("annotation %s", c.key)
			}
		}
	}
	for _, c := range configPool {
		add("ConfigMap %s", c.key)
	}
	add("path %s", "none", "query", "empty query")
	for _, c := range pathChanges {
		add("path %s", c.name)
		if !refused[c.name] {
			add("path %s, served", c.name)
		}
	}
	add("method %s", "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE")
	add("status %s", "200", "301", "302", "303", "307", "308", "400", "403", "404", "405", "413", "414", "500", "503")
	add("NGINX answers %s", "200", "400", "403", "404", "405", "413", "414", "503")
	add("host %s", "malformed", "odd label")
	add("host %s, served", "exact", "upper case", "port", "dot", "one label deeper", "www", "wildcard", "two labels deep", "wildcard bare", "unknown", "none",
		"alias name", "alias suffix", "alias prefix", "alias pattern")
	add("match %s", "Exact", "Exact twin", "Prefix, itself", "Prefix, below", "Prefix twin, below", "pattern", "pattern twin", "wildcard", "default backend", "canary")
	add("redirect %s", "temporal", "permanent", "of rewrite-target", "to the application root", "from or to www", "to the slash", "to https", "relative")
	add("location %s", "denied", "redirect", "to https", "rewrite", "twin", "without backend")
	add("server %s", "www", "of aliases in the clear")
	add("reason %s", "ConflictingAnnotations", "DuplicateDefaultBackend", "DuplicatePath", "InvalidAnnotationValue", "InvalidHost", "InvalidPath", "MissingService",
		"NoEndpoints", "UnusedCanary")
	add("served with %s", "allowlist-source-range", "canary-by-cookie", "canary-by-header", "canary-by-header-pattern", "canary-by-header-value", "canary-weight",
		"connection-proxy-header", "denylist-source-range", "proxy-body-size", "proxy-http-version", "rewrite-target", "server-alias", "upstream-vhost", "use-regex",
		"whitelist-source-range", "x-forwarded-prefix")
	add("served over %s", "HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS")
	add("dynamic mode, %s", "reload false", "reload true")
	add("control byte %s", "refused")
	add("sent %s", "another target", "X-Forwarded-Prefix")
	return list
}

// refused are changes after which no pod sees the request.
var refused = map[string]bool{"above the root": true, "bad encoding": true, "raw control byte": true}
