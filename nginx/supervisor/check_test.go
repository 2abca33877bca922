package supervisor

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/nginx"
)

func TestConfigErrorNamesPlaceAndObject(t *testing.T) {
	// The host's block goes from line 10 to line 30, the Ingress's from line 12 to line 20.
	host := &nginx.Server{Name: "web.example.com", Locations: []*nginx.Location{{Owner: "Ingress shop/web"}}}
	files := nginx.Files{Layout: nginx.Layout{{Server: host, Span: nginx.Span{First: 9, Lines: 21}, Parts: []nginx.Span{{First: 2, Lines: 9}}}}}
	const dir = "/run/sluice/conf/abc"
	for _, c := range []struct {
		name, output string
		want         ConfigError
	}{
		{"a directive", `nginx: [emerg] unknown directive "foo" in /run/sluice/conf/abc/nginx.conf:15` + "\n" +
			"nginx: configuration file /run/sluice/conf/abc/nginx.conf test failed\n",
			ConfigError{"nginx.conf", 15, `unknown directive "foo"`, "Ingress shop/web"}},
		{"the log's form", `2026/01/02 03:04:05 [emerg] 17#17: *3 invalid number "x" in /run/sluice/conf/abc/nginx.conf:25`,
			ConfigError{"nginx.conf", 25, `invalid number "x"`, "host web.example.com"}},
		{"by the link", `nginx: [emerg] invalid number "x" in /run/sluice/conf/current/nginx.conf:12`,
			ConfigError{"nginx.conf", 12, `invalid number "x"`, "Ingress shop/web"}},
		{"an included file has no owner", `nginx: [emerg] no port in upstream "a" in /run/sluice/conf/abc/upstreams.conf:12`,
			ConfigError{"upstreams.conf", 12, `no port in upstream "a"`, ""}},
		{"warnings before", "nginx: [warn] conflicting server name in /run/sluice/conf/abc/nginx.conf:3\n" +
			`nginx: [emerg] host not found in upstream "b" in /run/sluice/conf/abc/nginx.conf:20`,
			ConfigError{"nginx.conf", 20, `host not found in upstream "b"`, "Ingress shop/web"}},
		{"no place", `nginx: [emerg] SSL_CTX_use_PrivateKey("/x") failed` + "\n",
			ConfigError{"", 0, `SSL_CTX_use_PrivateKey("/x") failed`, ""}},
		{"another form altogether", "init_by_lua error: out of memory\n",
			ConfigError{"", 0, "init_by_lua error: out of memory", ""}},
		{"nothing", "\n", ConfigError{"", 0, "exit status 1", ""}},
		{"a key", `nginx: [emerg] cannot load certificate key "data:-----BEGIN PRIVATE KEY-----MIIabc": x in /run/sluice/conf/abc/nginx.conf:5`,
			ConfigError{"nginx.conf", 5, `cannot load certificate key "data:…`, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newConfigError(verdict(c.output, errors.New("exit status 1")), files, dir)
			if *got != c.want {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
		})
	}
}

func TestConfigErrorIsBounded(t *testing.T) {
	e := newConfigError("nginx: [emerg] "+strings.Repeat("é", 5000), nginx.Files{}, "/x")
	if len(e.Message) > messageLimit+len("…") {
		t.Errorf("the message has %d bytes", len(e.Message))
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	output := tail{limit: 10}
	for range 100 {
		_, _ = output.Write([]byte("abcdefg\n"))
	}
	if got := output.String(); got != "g\nabcdefg\n" {
		t.Errorf("kept %q", got)
	}
}

func TestBlameNeedsAPlace(t *testing.T) {
	failed := newStartError("NGINX ended", errors.New("exit status 1"),
		"2026/01/02 03:04:05 [emerg] 7#7: bind() to 127.0.0.1:80 failed (98: Address already in use)")
	err := blame(failed, nginx.Files{}, "/run/sluice/conf/abc")
	if err != failed {
		t.Errorf("nobody's configuration is to blame, but got %#v", err)
	}
	if want := "NGINX ended: exit status 1: bind() to 127.0.0.1:80 failed (98: Address already in use)"; err.Error() != want {
		t.Errorf("got %q", err)
	}
}
