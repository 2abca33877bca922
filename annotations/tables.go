package annotations

import "github.com/sluice-ingress/sluice/nginx"

var (
	variablesHashSize    = tableSize("variables-hash-max-size", 2048, "the table of variables")
	variablesHashBucket  = bucketSize("variables-hash-bucket-size", 256, "the table of variables")
	mapHashBucket        = bucketSize("map-hash-bucket-size", 128, "the tables of map")
	headersHashSize      = tableSize("proxy-headers-hash-max-size", 512, "the tables of headers to endpoints")
	headersHashBucket    = bucketSize("proxy-headers-hash-bucket-size", 64, "the tables of headers to endpoints")
	serverNameHashSize   = tableSize("server-name-hash-max-size", 1024, "the table of hosts, which grows by itself")
	serverNameHashBucket = bucketSize("server-name-hash-bucket-size", 128, "the table of hosts, which grows by itself")
)

// tables are sizes of NGINX's tables. What is smaller than what we need ourselves counts as that much: NGINX refuses
// a configuration whose names do not fit.
var tables = Feature{
	Name: "Sizes of NGINX's tables",
	Settings: Settings{
		variablesHashSize, variablesHashBucket, mapHashBucket, headersHashSize, headersHashBucket, serverNameHashSize, serverNameHashBucket,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		for _, t := range []struct {
			directive string
			setting   *Setting[int]
		}{
			{"variables_hash_max_size", variablesHashSize}, {"variables_hash_bucket_size", variablesHashBucket},
			{"map_hash_bucket_size", mapHashBucket},
			{"proxy_headers_hash_max_size", headersHashSize}, {"proxy_headers_hash_bucket_size", headersHashBucket},
		} {
			h.Directives.Add(t.directive, nginx.Int(max(t.setting.In(v), t.setting.def)))
		}
		h.NamesHash.Size, h.NamesHash.Bucket = serverNameHashSize.In(v), serverNameHashBucket.In(v)
		return nil
	},
}

func tableSize(key string, def int, of string) *Setting[int] {
	return Int(key, def, 1, 1<<20).ConfigOnly().Example("8192").Doc("Most buckets of " + of + ". It is never less than the default.")
}

// bucketSize stays below the 64 KiB that NGINX counts in.
func bucketSize(key string, def int, of string) *Setting[int] {
	return Int(key, def, 1, 1<<15).ConfigOnly().Example("512").Doc("Size of a bucket of " + of + ", in bytes. It is never less than the default.")
}
