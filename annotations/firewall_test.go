package annotations

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
)

// Where the module is not installed, what asks for the firewall is not served, and nothing is written that NGINX would not know.
func TestPathsAreDeniedWithoutTheFirewallsModule(t *testing.T) {
	for _, c := range []struct {
		config      map[string]string
		annotations []string
		want        Outcome
	}{
		{nil, nil, UseDefault},
		{nil, []string{"enable-modsecurity=true"}, Deny},
		{map[string]string{"enable-modsecurity": "true"}, nil, Deny},
		{map[string]string{"enable-modsecurity": "true"}, []string{"enable-modsecurity=false"}, UseDefault},
	} {
		v := read(c.config, c.annotations...).Values
		v.NoFirewall = true
		config := nginx.Config{Servers: []*nginx.Server{{Locations: []*nginx.Location{{Server: &nginx.Server{}}}}}}
		HTTP(v, &config.HTTP)
		if _, got := Location(v, config.Servers[0].Locations[0]); got != c.want {
			t.Errorf("%v, %v: outcome %d, want %d", c.config, c.annotations, got, c.want)
		}
		if config.HasFirewall() {
			t.Errorf("%v, %v: the configuration needs the module", c.config, c.annotations)
		}
	}
}

func TestRulesAreReadAsTheyStoodBetweenApostrophes(t *testing.T) {
	for text, want := range map[string]rules{
		`SecRuleEngine On`:                             {text: `SecRuleEngine On`},
		"a \\'b\\' \\\"c\\\" \\\\d \\. \\d\r\n":        {text: "a 'b' \"c\" \\d \\. \\d\n"},
		"Include " + coreRulesFile:                     {core: true},
		"a\n  include \"" + recommendedFile + "\" \nb": {text: "a\n  include \"" + recommendedFile + "\" \nb"},
		"Include /etc/own/*.conf":                      {text: "Include /etc/own/*.conf", mayHaveCoreIDs: true},
		`SecAction "id:900110,pass"`:                   {text: `SecAction "id:900110,pass"`, mayHaveCoreIDs: true},
		`SecAction "phase:1, id:'999999'"`:             {text: `SecAction "phase:1, id:'999999'"`, mayHaveCoreIDs: true},
		`SecAction "id:1900110,pass"`:                  {text: `SecAction "id:1900110,pass"`},
	} {
		want.given = text
		got, err := parseRules(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(rules{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if _, err := parseRules("a\x00b"); err == nil {
		t.Error("a NUL is taken")
	}
}
