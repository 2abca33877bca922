package annotations

import (
	"errors"
	"regexp"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	firewall = Bool("enable-modsecurity", false).Global().Bad(Deny).Example("true").
			Doc("Has ModSecurity inspect requests and answers. By itself it only writes what it finds into the audit log: modsecurity-snippet with SecRuleEngine On lets it refuse.")
	coreRules = Bool("enable-owasp-core-rules", false).Bad(Deny).Example("true").
			Doc("Has ModSecurity go by the OWASP Core Rule Set. It is always on where the ConfigMap says so.")
	coreRulesEverywhere = Bool("enable-owasp-modsecurity-crs", false).ConfigOnly().Bad(Deny).Example("true").
				Doc("Adds the OWASP Core Rule Set wherever ModSecurity is on.")
	transactionID = New("modsecurity-transaction-id", transactionIDKind, nginx.Arg{}).Example("$request_id").
			Doc("What the audit log calls a request, in place of a random text.")
	firewallRules = New("modsecurity-snippet", firewallRulesKind, rules{}).Bad(Refuse).Allow(allowRules).Example("SecRuleEngine On").
			Doc("Rules and settings in ModSecurity's own language, in place of the recommended settings. They need allow-snippet-annotations: true and annotations-risk-level: Critical.")
	rulesEverywhere = func() *Setting[rules] {
		s := New("global-modsecurity-snippet", firewallRulesKind, rules{}).GlobalAs("modsecurity-snippet").Bad(Deny).Example("SecRuleEngine On").
			Doc("The same for all paths, if the ConfigMap has enable-modsecurity.")
		s.scope = PerController
		return s
	}()
)

// firewalling is ModSecurity. Its rules are kept per location by NGINX, as pointers to those of the http level and whatever the location
// adds; what a location adds is parsed for it alone. So the core rules, 16 MB once they are parsed, are at the http level if anybody
// wants them, and locations without them leave them out.
var firewalling = Feature{
	Name:     "Web application firewall",
	Settings: Settings{firewall, coreRules, coreRulesEverywhere, transactionID, firewallRules, rulesEverywhere},
	HTTP: func(v Values, h *nginx.HTTP) error {
		if isFirewallGlobal(v) && !v.NoFirewall {
			h.Directives = append(h.Directives, rulesEverywhere.In(v).directives()...)
		}
		return nil
	},
	Location: func(v Values, l *nginx.Location) error {
		switch {
		case l.Server == nil:
			return nil // each location says it itself, so that it is off where services are asked
		case !firewall.In(v):
			return withoutFirewall(v)
		case v.NoFirewall:
			return Denial(firewall, Unsupported, "NGINX's module for ModSecurity is not installed")
		}
		own, everywhere := firewallRules.In(v), rules{}
		l.Body.Add("modsecurity", nginx.OnOff(true))
		if isFirewallGlobal(v) {
			everywhere = rulesEverywhere.In(v)
		}
		if !isFirewallGlobal(v) || firewallRules.Given(v) {
			l.Body = append(l.Body, own.directives()...)
		}
		if id := transactionID.In(v); id.Value() != "" {
			l.Body.Add("modsecurity_transaction_id", id)
		}
		switch {
		case coreRules.In(v) || coreRulesEverywhere.In(v) || own.core || everywhere.core:
			l.Need(nginx.D("modsecurity_rules_file", nginx.Verbatim(coreRulesFile)))
		case !own.mayHaveCoreIDs && !everywhere.mayHaveCoreIDs:
			l.Body.Add("modsecurity_rules", nginx.Verbatim("SecRuleRemoveById 900000-999999"))
		}
		return nil
	},
}

// isFirewallGlobal tells whether the ConfigMap has the firewall on, so that there are rules that all locations inherit.
func isFirewallGlobal(v Values) bool {
	v.own = nil
	return firewall.In(v)
}

// withoutFirewall reports annotations that mean nothing without enable-modsecurity.
func withoutFirewall(v Values) error {
	if firewall.Given(v) {
		return nil // it has been switched off
	}
	for _, s := range (Settings{coreRules, transactionID, firewallRules}) {
		if _, given := v.own[s.about().key]; given {
			return Mistake(s, Conflict, "without enable-modsecurity it does nothing")
		}
	}
	return nil
}

// Files of ModSecurity in the image, where ingress-nginx has them: snippets include them, and administrators mount others there.
const (
	recommendedFile = "/etc/nginx/modsecurity/modsecurity.conf"
	coreRulesFile   = "/etc/nginx/owasp-modsecurity-crs/nginx-modsecurity.conf"
)

// rules are those of a modsecurity-snippet. The zero value stands for the recommended settings.
type rules struct {
	given string // as it stands in the object
	text  string // without the inclusion of the core rules

	core           bool // it includes them
	mayHaveCoreIDs bool // some of its rules may have ids that the core rules have, too
}

// directives are what adds the rules to a place in the configuration.
func (r rules) directives() nginx.Directives {
	var list nginx.Directives
	if r.given == "" {
		list.Add("modsecurity_rules_file", nginx.Verbatim(recommendedFile))
	}
	if r.text != "" {
		list.Add("modsecurity_rules", nginx.VerbatimLines(r.text))
	}
	return list
}

var firewallRulesKind = Kind[rules]{
	Name:  "rules of ModSecurity",
	Parse: parseRules,
	Print: func(r rules) string { return r.given },
	Edges: []string{
		"SecRuleEngine On", "# nothing\n\"';}{$", "SecRuleEngine On\nInclude " + coreRulesFile,
		"SecRule REQUEST_URI \"@contains /x\" \"id:1,phase:1,deny,msg:\\'no\\'\"",
	},
}

// parseRules reads rules as they stood in ingress-nginx's configuration: between apostrophes, where NGINX drops a backslash before
// quotes and backslashes, and where apostrophes had to have one.
func parseRules(s string) (rules, error) {
	r := rules{given: s}
	text := unquoted.Replace(strings.ReplaceAll(s, "\r\n", "\n"))
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		file := included(line)
		if file == coreRulesFile {
			r.core = true
			continue
		}
		isForeign := file != "" && file != recommendedFile
		r.mayHaveCoreIDs = r.mayHaveCoreIDs || isForeign || coreID.MatchString(line)
		lines = append(lines, line)
	}
	if text = strings.Join(lines, "\n"); strings.TrimSpace(text) != "" {
		r.text = text
	}
	if i := strings.IndexAny(r.text, "\x00\r"); i >= 0 {
		return r, errors.New("has a control character")
	}
	return r, encodes(nginx.VerbatimLines(r.text))
}

var (
	unquoted  = strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`, `\t`, "\t", `\r`, "\n", `\n`, "\n")
	inclusion = regexp.MustCompile(`(?i)^\s*Include\s+["']?([^"']*?)["']?\s*$`)
	coreID    = regexp.MustCompile(`(?i)\bid\s*:\s*["']?9\d{5}\b`)
)

// included is the file that a line includes, "" for none.
func included(line string) string {
	if found := inclusion.FindStringSubmatch(line); found != nil {
		return found[1]
	}
	return ""
}

// allowRules lets rules through where any text is allowed: they read files, and may start programs.
func allowRules(v Values, r rules) (rules, []Finding) {
	if anyText(v) {
		return r, nil
	}
	return r, []Finding{{Reason: NotAllowed, Message: "rules of ModSecurity are not allowed: the controller's ConfigMap allows them with allow-snippet-annotations: true together with annotations-risk-level: Critical"}}
}

var transactionIDKind = Kind[nginx.Arg]{
	Name: "a text with variables",
	Parse: func(s string) (nginx.Arg, error) {
		text, err := only(strings.ReplaceAll(s, " ", ""), "-_${}")
		if err != nil {
			return nginx.Arg{}, err
		}
		return expandKnown(text, noCaptures, inURL)
	},
	Print: nginx.Arg.Value,
	Edges: []string{"a", "$request_id", "x-${request_id}-y"},
}
