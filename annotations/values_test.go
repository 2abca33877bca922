package annotations

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/nginx"
)

const prefix = "nginx.ingress.kubernetes.io"

// read reads annotations, keys without prefix, over the ConfigMap's values.
func read(config map[string]string, annotations ...string) Verdict {
	m := map[string]string{}
	for _, a := range annotations {
		key, value, _ := strings.Cut(a, "=")
		m[prefix+"/"+key] = value
	}
	defaults, _ := Defaults(config, nil)
	return ForIngress(prefix, "shop", m, defaults)
}

func TestAnnotationBeatsConfigMapBeatsDefault(t *testing.T) {
	none, config := map[string]string{}, map[string]string{"proxy-read-timeout": " 7\n"}
	for _, c := range []struct {
		config      map[string]string
		annotations []string
		want        string
	}{
		{none, nil, "60"},
		{config, nil, "7"},
		{config, []string{"proxy-read-timeout=3"}, "3"},
		{config, []string{"proxy-read-timeout="}, "7"},
		{config, []string{"proxy-read-timeout=1s"}, "7"},
		{map[string]string{"proxy-read-timeout": "1s"}, nil, "60"},
		{map[string]string{"proxy-read-timeout": ""}, nil, "60"},
	} {
		if got := readTimeout.textIn(read(c.config, c.annotations...).Values); got != c.want {
			t.Errorf("ConfigMap %v, annotations %v: got %s, want %s", c.config, c.annotations, got, c.want)
		}
	}
}

func TestGivenIsOnlyWhatTheIngressSays(t *testing.T) {
	config := map[string]string{"proxy-read-timeout": "7"}
	if readTimeout.Given(read(config).Values) || readTimeout.Given(read(config, "proxy-read-timeout=x").Values) {
		t.Error("the ConfigMap's value, or a bad one, counts as the Ingress's")
	}
	if !readTimeout.Given(read(config, "proxy-read-timeout=7").Values) {
		t.Error("the Ingress's value does not count as its own")
	}
}

func TestAliasYieldsToTheSettingsOwnName(t *testing.T) {
	for _, c := range []struct {
		annotations []string
		want        string
		findings    int
	}{
		{[]string{"whitelist-source-range=10.0.0.1"}, "10.0.0.1", 0},
		{[]string{"whitelist-source-range=10.0.0.1", "allowlist-source-range="}, "10.0.0.1", 0},
		{[]string{"whitelist-source-range=10.0.0.1", "allowlist-source-range=10.0.0.2"}, "10.0.0.2", 1},
		{[]string{"whitelist-source-range=bad", "allowlist-source-range=10.0.0.2"}, "10.0.0.2", 1},
		{[]string{"whitelist-source-range=10.0.0.1", "allowlist-source-range=bad"}, "", 2},
	} {
		v := read(nil, c.annotations...)
		if got := allowlist.textIn(v.Values); got != c.want || len(v.Findings) != c.findings {
			t.Errorf("%v: got %s and %v, want %s and %d findings", c.annotations, got, v.Findings, c.want, c.findings)
		}
	}
}

func TestVerdictIsTheWorstOutcome(t *testing.T) {
	for _, c := range []struct {
		annotations []string
		want        Outcome
	}{
		{nil, UseDefault},
		{[]string{"proxy-body-size=x", "nonsense=x", "modsecurity-transaction-id=$nope"}, UseDefault},
		{[]string{"denylist-source-range=x", "proxy-body-size=x"}, Deny},
		{[]string{"denylist-source-range= "}, Deny},
		{[]string{"denylist-source-range=x", "server-alias=~"}, Refuse},
		{[]string{"auth-url=auth"}, Deny},
		{[]string{"auth-url="}, UseDefault},
		{[]string{"limit-rps=5"}, UseDefault},
		{[]string{"limit-rps=x"}, Refuse},
		{[]string{"limit-rps=5", "limit-burst-multiplier=x"}, Deny},
		{[]string{"limit-rps=0"}, UseDefault},
		{[]string{"enable-modsecurity=false"}, UseDefault},
		{[]string{"enable-modsecurity=maybe"}, Deny},
		{[]string{"canary=maybe", "canary-weight=x"}, UseDefault},
		{[]string{"configuration-snippet=return 200;"}, Refuse},
		{[]string{"http-redirect-code=301"}, UseDefault},
		{[]string{"server-alias=" + strings.Repeat("a,", maxValue)}, Refuse},
	} {
		if got := read(nil, c.annotations...); got.Outcome != c.want {
			t.Errorf("%.80q: got outcome %d, want %d: %v", c.annotations, got.Outcome, c.want, got.Findings)
		}
	}
}

// A guard that the ConfigMap asks for in vain denies every location but those of Ingresses that give the
// guard themselves.
func TestUnreadableGuardOfTheConfigMapDenies(t *testing.T) {
	for _, c := range []struct {
		config      map[string]string
		annotations []string
		want        Outcome
	}{
		{map[string]string{"whitelist-source-range": "10.0.0.0/8"}, nil, UseDefault},
		{map[string]string{"whitelist-source-range": "10.0.0.0/8,\n ,10.1.0.0/16,"}, nil, UseDefault},
		{map[string]string{"whitelist-source-range": ","}, nil, Deny},
		{map[string]string{"whitelist-source-range": "10.0.0.0/8,nope"}, nil, Deny},
		{map[string]string{"block-cidrs": "192.0.2.1, "}, nil, UseDefault},
		{map[string]string{"block-cidrs": "192.0.2.1,nope"}, nil, Deny},
		{map[string]string{"whitelist-source-range": "nope"}, nil, Deny},
		{map[string]string{"whitelist-source-range": "nope"}, []string{"allowlist-source-range=10.0.0.1"}, UseDefault},
		{map[string]string{"whitelist-source-range": "nope"}, []string{"denylist-source-range=10.0.0.1"}, Deny},
		{map[string]string{"global-auth-url": "auth"}, []string{"allowlist-source-range=10.0.0.1"}, Deny},
		{map[string]string{"enable-modsecurity": "false"}, nil, UseDefault},
	} {
		v := read(c.config, c.annotations...)
		_, atLocation := Location(v.Values, &nginx.Location{})
		defaults, findings := Defaults(c.config, nil)
		_, withoutIngress := Location(defaults, &nginx.Location{})
		if v.Outcome != c.want || atLocation != c.want {
			t.Errorf("%v, %v: the Ingress has outcome %d, its location %d, want %d", c.config, c.annotations, v.Outcome, atLocation, c.want)
		}
		if (withoutIngress == Deny) != (len(findings) > 0) {
			t.Errorf("%v: a location of no Ingress has outcome %d with findings %v", c.config, withoutIngress, findings)
		}
	}
}

func TestMessagesSayWhatIsUsedInstead(t *testing.T) {
	config := map[string]string{"proxy-body-size": "8m"}
	for annotation, want := range map[string]string{
		"proxy-body-size=15r":               `"15r" is not a size such as 8k or 1m; 8m is used`,
		"ssl-redirect=maybe":                `"maybe" is not true or false; true is used`,
		"app-root=foo":                      `"foo" does not start with a slash; it is ignored`,
		"proxy-buffers-number=1":            `"1" does not lie between 2 and 65536; 4 is used`,
		"backend-protocol=XYZ":              `"XYZ" is not HTTP, HTTPS, AUTO_HTTP, GRPC, GRPCS or FCGI; HTTP is used`,
		"proxy-next-upstream=http_400":      `"http_400" has the word "http_400", which is not one of error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429 non_idempotent off; error timeout is used`,
		"denylist-source-range=10.0.0.1,no": `"10.0.0.1,no" has the item "no", which is neither an address nor a network such as 10.0.0.0/8`,
		"temporal-redirect=a b":             `"a b" has ' ' at byte 1, which cannot stand there`,
		"upstream-vhost=$nope":              `"$nope" uses $nope, which is no variable that can be used there`,
		"server-alias=~a(":                  `"~a(" has the item "~a(", which is not a regular expression: it has a ( that is not closed`,
		"whitelist-sorce-range=10.0.0.1":    `no annotation has this name, so it has no effect; did you mean whitelist-source-range?`,
		"quite-something-else=1":            `no annotation has this name, so it has no effect`,
		"hsts=true":                         `this is a key of the controller's ConfigMap and has no effect as an annotation`,
		"stream-snippet=x":                  `its risk is Critical, and the controller's ConfigMap allows High (annotations-risk-level)`,
	} {
		v := read(config, annotation)
		if len(v.Findings) != 1 || v.Findings[0].Message != want {
			t.Errorf("%s:\n got %v\nwant %s", annotation, v.Findings, want)
		}
	}
}

func TestDefaultsReportsKeysByName(t *testing.T) {
	_, findings := Defaults(map[string]string{
		"proxy-body-sise": "1m", "forwarded-for-proxy-protocol-header": "true", "hsts-max-age": "long", "": "x", "rewrite-target": "/",
	}, nil)
	var got []string
	for _, f := range findings {
		got = append(got, f.Key+": "+f.Message)
	}
	want := []string{
		": no key has this name, so it has no effect",
		"forwarded-for-proxy-protocol-header: this key is not supported yet and has no effect",
		`hsts-max-age: "long" is not a whole number; 31536000 is used`,
		"proxy-body-sise: no key has this name, so it has no effect; did you mean proxy-body-size?",
		"rewrite-target: this is an annotation and has no effect in the ConfigMap",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Values are shared by many locations at once, so nothing may be changed through them.
func TestWithoutRedirectsLeavesTheValuesAlone(t *testing.T) {
	v := read(map[string]string{"force-ssl-redirect": "true"}, "rewrite-target=/x", "permanent-redirect=/y", "ssl-redirect=true", "denylist-source-range=10.0.0.1").Values
	without := v.WithoutRedirects()
	if rewriteTarget.In(without) != "" || permanentRedirect.In(without) != "" || forceSSLRedirect.In(without) || len(denylist.In(without)) != 1 {
		t.Errorf("what is left is %v, %v", without.own, without.global)
	}
	if rewriteTarget.In(v) != "/x" || permanentRedirect.In(v) != "/y" || !forceSSLRedirect.In(v) {
		t.Errorf("the values have become %v, %v", v.own, v.global)
	}
	defaults, _ := Defaults(map[string]string{"force-ssl-redirect": "true"}, nil)
	if forceSSLRedirect.In(defaults.WithoutRedirects()) || !forceSSLRedirect.In(defaults) {
		t.Error("the ConfigMap's redirect is not left out, or left out of the original")
	}
}

func TestHooksDoNotChangeValues(t *testing.T) {
	v := read(map[string]string{"retry-non-idempotent": "true"}, "proxy-next-upstream=error").Values
	for range 2 {
		var l nginx.Location
		Location(v, &l)
		text, err := l.Body.Encode("")
		if err != nil || !strings.Contains(text, "proxy_next_upstream error non_idempotent;") {
			t.Errorf("got %s, %v", text, err)
		}
	}
	if got := nextUpstream.In(v); !slices.Equal(got, []string{"error"}) {
		t.Errorf("the value has become %v", got)
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"rewrite-targt": "rewrite-target", "ssl-redirects": "ssl-redirect", "proxy-body-sizes": "proxy-body-size", "cors-allow-origins": "cors-allow-origin",
		"zzz": "", "": "", strings.Repeat("x", 300): "",
	} {
		if got := nearest(name); got != want {
			t.Errorf("%.40q: got %q, want %q", name, got, want)
		}
	}
}
