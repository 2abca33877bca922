package annotations

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/nginx"
)

// Whatever a kind takes, NGINX reads the configuration it gives as it was meant: one argument where one was
// written. Each target tries the settings of one group of kinds:
//
//	go test ./annotations -run '^$' -fuzz FuzzKindTexts -fuzztime 30s

func FuzzKindNumbers(f *testing.F) {
	fuzzSettings(f, sslRedirect, proxyBuffersNumber, permanentRedirectCode, readTimeout, hstsMaxAge)
}

func FuzzKindSizes(f *testing.F) {
	fuzzSettings(f, proxyBodySize, clientBodyBuffer, proxyBufferSize, proxyBusyBuffersSize, proxyMaxTempFileSize)
}

func FuzzKindWords(f *testing.F) {
	fuzzSettings(f, protocol, proxyBuffering, proxyHTTPVersion, nextUpstream, noTLSRedirect, httpRedirectCode)
}

func FuzzKindCIDRs(f *testing.F) { fuzzSettings(f, allowlist, denylist) }

func FuzzKindTexts(f *testing.F) { fuzzSettings(f, temporalRedirect, permanentRedirect, appRootPath) }

func FuzzKindExpanded(f *testing.F) {
	fuzzSettings(f, rewriteTarget, forwardedPrefix, upstreamVhostHost)
}

func FuzzKindAliases(f *testing.F) { fuzzSettings(f, serverAliases) }

func fuzzSettings(f *testing.F, settings ...AnySetting) {
	for _, c := range kindCases {
		for text := range c.takes {
			f.Add(text)
		}
		for _, text := range c.refuses {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range settings {
			value, err := s.parse(text)
			if err != nil {
				continue
			}
			key := s.about().key
			own := map[string]any{rewriteTarget.key: "/$1", temporalRedirectCode.key: 302, key: value}
			for _, v := range []Values{{own: own}, {global: own}} {
				checkWritten(t, key, text, v)
			}
		}
	})
}

// aloneVariable is an argument that is one variable; it is written without braces.
var aloneVariable = regexp.MustCompile(`^\$\{(\w+)\}$`)

// checkWritten applies all features and reads back what they wrote.
func checkWritten(t *testing.T, key, text string, v Values) {
	t.Helper()
	var h nginx.HTTP
	HTTP(v, &h)
	s := nginx.Server{Name: "a.example.com"}
	Server(v, &s)
	l := nginx.Location{Upstream: "x", HasTLS: true, Identity: nginx.Identity{Path: "/a(.*)"}}
	Location(v, &l)
	if err := l.Check(); err != nil {
		t.Fatalf("%s: %q cannot be written: %v", key, text, err)
	}
	list := append(nginx.Directives{nginx.D("hsts", nginx.Text(h.HSTS))}, l.Body...)
	for _, header := range l.Headers {
		list.Add("proxy_set_header", nginx.Verbatim(header.Name), header.Value)
	}
	for _, name := range s.Aliases {
		list.Add("server_name", name.Arg())
	}
	if s.AppRoot != nil {
		list.Add("return", nginx.Int(302), *s.AppRoot)
	}
	if l.Return != nil {
		list.Add("return", nginx.Int(l.Return.Code), l.Return.Target)
	}
	if l.Rewrite != nil {
		list.Add("rewrite", l.Rewrite.Regex(), l.Rewrite.Target)
	}
	readsBack(t, key, text, list)
}

func readsBack(t *testing.T, key, text string, list nginx.Directives) {
	t.Helper()
	written, err := list.Encode("")
	if err != nil {
		t.Fatalf("%s: %q cannot be written: %v", key, text, err)
	}
	read, err := nginx.Parse(written)
	if err != nil || len(read) != len(list) {
		t.Fatalf("%s: %q gives %d directives, read back as %d, %v:\n%s", key, text, len(list), len(read), err, written)
	}
	for i, d := range list {
		want := []string{d.Name}
		for _, a := range d.Args {
			want = append(want, aloneVariable.ReplaceAllString(a.Value(), "$$$1"))
		}
		if got := read[i].Words; strings.Join(got, "\x00") != strings.Join(want, "\x00") || read[i].Block != nil {
			t.Fatalf("%s: %q gives %q, read back as %q", key, text, want, got)
		}
	}
}
