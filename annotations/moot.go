package annotations

// mootKeys are keys of ingress-nginx's ConfigMap that there is nothing for to act on here, and never will be. They are
// taken, so that no ConfigMap has to be edited, and reported if they ask for something.
var mootKeys = func() map[string]moot {
	const (
		noHTTP2  = "NGINX no longer has this setting"
		noGeoIP  = "ingress-nginx no longer has it either; use-geoip2 takes its place"
		noStatus = "there is no page /nginx_status that anybody could read"
		noHash   = "ingress-nginx never read it either; the annotation of that name is what counts"
		noJaeger = "ingress-nginx no longer has Jaeger's tracing either"
	)
	m := map[string]moot{
		"reuse-port":              {isOn, "every worker has a socket of its own for each listener: only so can a new NGINX start while workers of the one before still serve"},
		"enable-serial-reloads":   {isOff, "a reload waits for nobody; --max-old-worker-generations bounds how many old workers there are"},
		"lua-shared-dicts":        {nil, "our dictionaries have other names, and sizes of their own"},
		"http2-max-field-size":    {nil, noHTTP2 + "; large-client-header-buffers counts for HTTP/2, too"},
		"http2-max-header-size":   {nil, noHTTP2 + "; large-client-header-buffers counts for HTTP/2, too"},
		"http2-max-requests":      {isZero, noHTTP2 + "; keep-alive-requests counts for HTTP/2, too"},
		"use-geoip":               {isOff, noGeoIP},
		"upstream-hash-by-subset": {isOff, noHash},

		"upstream-hash-by-subset-size": {isZero, noHash},
		"upstream-hash-by":             {nil, noHash},
		"nginx-status-ipv4-whitelist":  {nil, noStatus},
		"nginx-status-ipv6-whitelist":  {nil, noStatus},
	}
	m["opentelemetry-config"] = moot{nil, "the module that reads such a file is not used; spans are exported by Sluice itself"}
	for _, key := range []string{
		"collector-host", "collector-port", "endpoint", "service-name", "propagation-format", "sampler-type", "sampler-param", "sampler-host",
		"sampler-port", "trace-context-header-name", "debug-header", "baggage-header", "tracer-baggage-header-prefix", "trace-baggage-header-prefix",
	} {
		m["jaeger-"+key] = moot{nil, noJaeger}
	}
	return m
}()

// moot is a key without effect.
type moot struct {
	idle func(text string) bool // whether a value asks for nothing else than what is so anyway; nil for none
	why  string
}

func isZero(text string) bool { return text == "0" }

// check says that the key has no effect, if somebody could expect one.
func (m moot) check(key, text string) []Finding {
	if m.idle != nil && m.idle(text) {
		return nil
	}
	return []Finding{{Key: key, Reason: NoEffect, Message: "this key has no effect here: " + m.why}}
}
