package annotations

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/annotations/snippet"
	"github.com/sluice-ingress/sluice/nginx"
)

const parsed = "parsed"

var allowSnippets = New("allow-snippet-annotations", Kind[string]{
	Name: "true, false or parsed",
	Parse: func(s string) (string, error) {
		if s == parsed {
			return s, nil
		}
		on, err := strconv.ParseBool(s)
		if err != nil {
			return "", notA("true, false or parsed")
		}
		return strconv.FormatBool(on), nil
	},
	Print: keep,
	Edges: []string{"true", "false", parsed},
}, "false").ConfigOnly().Example(parsed).
	Doc("Whether Ingresses may have configuration-snippet, server-snippet and auth-snippet. parsed takes the directives and variables of docs/snippets.md; true, together with annotations-risk-level Critical, takes any text, as ingress-nginx does.")

var (
	configurationSnippet = snippetOf("configuration-snippet", snippet.InLocation).Example(`more_set_headers "X-Frame-Options: DENY";`).
				Doc("Directives in NGINX's own language for each path. Refused unless allow-snippet-annotations says otherwise.")
	serverSnippet = snippetOf("server-snippet", snippet.InServer).Example("keepalive_timeout 30s;").
			Doc("The same for the host. The oldest Ingress of the host that has the annotation decides.")
)

// snippetText is a snippet, with what it means where it is allowed.
type snippetText struct {
	text string
	snippet.Snippet
	raw nginx.Directives
}

// noSnippets ends the message about a snippet that is not allowed.
const noSnippets = "snippets are not allowed: the controller's ConfigMap allows them with allow-snippet-annotations"

func snippetOf(key string, place snippet.Place) *Setting[snippetText] {
	kind := Kind[snippetText]{
		Name:  "directives of NGINX",
		Parse: func(s string) (snippetText, error) { return snippetText{text: s}, nil },
		Print: func(s snippetText) string { return s.text },
		Edges: []string{"etag off;", "# nothing"},
	}
	return New(key, kind, snippetText{}).Bad(Refuse).Allow(func(v Values, s snippetText) (snippetText, []Finding) {
		allowed, _ := level(v)
		switch how := allowSnippets.In(v); {
		case how == parsed && allowed >= high:
			var mistakes []snippet.Mistake
			s.Snippet, mistakes = snippet.Parse(s.text, place, certainPlaces(v)...)
			return s, findingsOf(mistakes)
		case how == "true" && allowed == critical:
			d, err := nginx.Raw(s.text)
			if err != nil {
				return s, []Finding{{Reason: InvalidValue, Message: printable(s.text) + " " + err.Error()}}
			}
			s.raw = nginx.Directives{d}
			return s, nil
		case how == parsed:
			return s, []Finding{{Reason: NotAllowed, Message: fmt.Sprintf("%s, but annotations-risk-level is %s and must be High at least", noSnippets, allowed)}}
		case how == "true":
			return s, []Finding{{Reason: NotAllowed, Message: noSnippets + ": true together with annotations-risk-level: Critical for any text, or parsed alone for a list of directives"}}
		}
		return s, []Finding{{Reason: NotAllowed, Message: noSnippets + ": parsed"}}
	})
}

// anyText tells whether the administrator lets any text of Ingresses through as it stands.
func anyText(v Values) bool {
	allowed, _ := level(v)
	return allowSnippets.In(v) == "true" && allowed == critical
}

func findingsOf(mistakes []snippet.Mistake) []Finding {
	var findings []Finding
	for _, m := range mistakes {
		findings = append(findings, Finding{Reason: InvalidValue, Message: m.Error()})
	}
	return findings
}

var snippets = Feature{
	Name:     "Snippets",
	Settings: Settings{configurationSnippet, serverSnippet},
	Server: func(v Values, s *nginx.Server) error {
		given := serverSnippet.In(v)
		if given.text == "" {
			return nil
		}
		if len(s.Directives) > 0 {
			return Mistake(serverSnippet, Conflict, "an older Ingress of the host has one; this one is not used")
		}
		s.Directives = append(append(given.raw, given.Early...), given.Body...)
		return nil
	},
	Location: func(v Values, l *nginx.Location) error {
		given := configurationSnippet.In(v)
		if given.raw != nil {
			addRaw(l, given.raw)
			return nil
		}
		for _, d := range given.Body {
			if snippet.Replaces(d.Name) {
				l.Set(d.Name, d.Args...)
			} else {
				l.Body = append(l.Body, d)
			}
		}
		if given.MaxBody != nil {
			l.MaxBody = *given.MaxBody
		}
		for _, h := range given.Headers {
			l.SetHeader(h.Name, h.Value)
		}
		l.Early = append(l.Early, given.Early...)
		if l.Upstream == "" {
			l.Early = answered(l.Early)
		}
		return nil
	},
}

// answered ends conditions with what a location without a backend answers: NGINX has conditions forget it, and would look
// for files.
func answered(list nginx.Directives) nginx.Directives {
	out := make(nginx.Directives, len(list))
	for i, d := range list {
		if out[i] = d; d.Name == "if" {
			out[i].Block = append(d.Block[:len(d.Block):len(d.Block)], nginx.D("return", nginx.Int(404)))
		}
	}
	return out
}

// parted are the variables of ours that are maps with expressions (templates/http.tmpl).
var parted = []string{"namespace", "ingress_name", "service_name", "service_port", "location_path", "best_http_host"}

// keepGroups has text that nobody has looked into keep what its own expressions have found: when NGINX looks up a map that has one,
// $1 is what that finds. So the text gets the values of such variables from others, which are set before.
func keepGroups(raw nginx.Directives) nginx.Directives {
	var before nginx.Directives
	for _, name := range parted {
		if raw.Use(name) {
			before.Add("set", nginx.Var("raw_"+name), nginx.Var(name))
			raw = raw.Renamed(name, "raw_"+name)
		}
	}
	return append(before, raw...)
}

// addRaw puts text that nobody has looked into into a location. It says some things instead of annotations, as NGINX takes
// them once, and some besides.
func addRaw(l *nginx.Location, raw nginx.Directives) {
	var before, rest nginx.Directives
	lists := raw.Say("allow") || raw.Say("deny")
	for _, d := range l.Body {
		switch {
		case lists && (d.Name == "allow" || d.Name == "deny"):
			before = append(before, d) // the lists of annotations count first
		case !snippet.Replaces(d.Name) || !raw.Say(d.Name):
			rest = append(rest, d)
		}
	}
	for _, d := range raw {
		for _, args := range d.Within("client_max_body_size") {
			if size, err := parseSize(args[0]); err == nil {
				l.MaxBody = int64(size)
			}
		}
	}
	if l.Headers == nil && raw.Say(l.Protocol.Module()+"_set_header") {
		l.Headers = []nginx.Header{} // one header of its own would otherwise replace all that are inherited
	}
	l.Body, l.Early = rest, append(append(l.Early, before...), keepGroups(raw)...)
}

var (
	mainSnippet     = ownSnippet("main-snippet", "Directives outside of http, in NGINX's own language, as they stand. If NGINX refuses them, the last good configuration stays.", "worker_priority 5;")
	httpSnippet     = ownSnippet("http-snippet", "The same within http.", "map $http_x_team $team { default none; }")
	everyServer     = ownSnippet("server-snippet", "The same for every host.", "keepalive_timeout 30s;")
	everyLocation   = ownSnippet("location-snippet", "The same for every path.", "etag off;")
	ownSnippetsKeys = Settings{mainSnippet, httpSnippet, everyServer, everyLocation}
)

// ownSnippet is text of the administrator's own.
func ownSnippet(configKey, doc, example string) *Setting[nginx.Directives] {
	kind := Kind[nginx.Directives]{
		Name: "directives of NGINX",
		Parse: func(s string) (nginx.Directives, error) {
			d, err := nginx.Raw(s)
			return nginx.Directives{d}, err
		},
		Print: func(list nginx.Directives) string {
			text, err := list.Encode("")
			if err != nil {
				return ""
			}
			return strings.TrimSuffix(text, "\n")
		},
		Edges: []string{"# nothing but\n" + example + " # a comment"},
	}
	s := New("global-"+configKey, kind, nil).GlobalAs(configKey).Example(example).Doc(doc)
	s.scope = PerController
	return s
}

var ownSnippets = Feature{
	Name:     "The administrator's own directives",
	Settings: ownSnippetsKeys,
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.Main, h.More, h.EveryServer = mainSnippet.In(v), httpSnippet.In(v), everyServer.In(v)
		return nil
	},
	Location: func(v Values, l *nginx.Location) error {
		if raw := everyLocation.In(v); raw != nil {
			addRaw(l, raw)
		}
		return nil
	},
}
