// Package snippet reads configuration that users write in NGINX's own language, and makes typed directives of the part of it
// that can harm nobody else.
//
// It turns text into directives of package nginx: the text is split as NGINX splits it (nginx.Parse), each directive has to be
// in the list of Rules, and each argument becomes a value of a type, which the encoder writes. No byte of the
// text is copied, and what is not in the list is a mistake, never passed on.
package snippet

import (
	"fmt"

	"github.com/sluice-ingress/sluice/nginx"
)

// Place is where a snippet stands.
type Place uint8

const (
	// InLocation is a configuration-snippet: every path of an Ingress.
	InLocation Place = 1 << iota
	// InServer is a server-snippet: a host.
	InServer
	// InIf is an if block of a configuration-snippet. Those of server-snippets take only what acts early.
	InIf
	// InInquiry is an auth-snippet: the question whether a request may pass.
	InInquiry
)

// Bounds of a snippet. Users' own have a few dozen lines.
const (
	MaxBytes      = 16 << 10
	MaxDirectives = 200
)

// Snippet is what a text means.
type Snippet struct {
	Early   nginx.Directives // conditions, variables, rewrites and answers, in their order
	Body    nginx.Directives // all else
	Headers []nginx.Header   // of requests to backends, or of the question
	MaxBody *int64           // bytes, 0 for any; nil if the text says nothing of it. It is in Body too
}

// Mistake is something that a snippet must not say.
type Mistake struct {
	Line    int    // within the text, from 1; 0 for all of it
	Message string // what is wrong and what to do instead
}

func (m Mistake) Error() string {
	if m.Line == 0 {
		return m.Message
	}
	return fmt.Sprintf("line %d: %s", m.Line, m.Message)
}

// Parse reads a snippet, which may use further variables beside RequestVariables and MoreVariables. It lists all mistakes; if
// there is one, the Snippet means nothing.
func Parse(text string, in Place, further ...string) (Snippet, []Mistake) {
	if len(text) > MaxBytes {
		return Snippet{}, []Mistake{{0, fmt.Sprintf("longer than %d bytes", MaxBytes)}}
	}
	list, err := nginx.Parse(text)
	if err != nil {
		return Snippet{}, []Mistake{{0, err.Error()}}
	}
	r := reader{place: in, further: further}
	r.own = r.variablesSet(list)
	r.block(list, in)
	if r.count > MaxDirectives {
		r.mistakes = []Mistake{{0, fmt.Sprintf("more than %d directives", MaxDirectives)}}
	}
	if len(r.mistakes) > 0 {
		return Snippet{}, r.mistakes
	}
	return r.out, nil
}

// variablesSet are the names of variables that set directives set, wherever they stand.
func (r *reader) variablesSet(list []nginx.Parsed) map[string]bool {
	own := map[string]bool{}
	for _, p := range list {
		if p.Name() == "set" && len(p.Words) == 3 {
			if name, is := r.ownName(p.Words[1]); is {
				own[name] = true
			}
		}
		for name := range r.variablesSet(p.Block) {
			own[name] = true
		}
	}
	return own
}

// reader reads one snippet.
type reader struct {
	place    Place
	further  []string // variables that may be used
	own      map[string]bool
	captures []captures // of the conditions around the directive
	patterns int        // how many regular expressions there have been
	count    int        // directives
	out      Snippet
	mistakes []Mistake
}

func (r *reader) mistake(line int, format string, args ...any) {
	if len(r.mistakes) < mostMistakes {
		r.mistakes = append(r.mistakes, Mistake{line, fmt.Sprintf(format, args...)})
	}
}

// mostMistakes is how many are told at once.
const mostMistakes = 10

// block reads directives and returns those that stay in the block; outside of conditions they go to r.out.
func (r *reader) block(list []nginx.Parsed, in Place) nginx.Directives {
	block := nginx.Directives{}
	seen := map[string]bool{}
	for _, p := range list {
		r.count++
		rule, known := rules[p.Name()]
		switch {
		case !known:
			r.mistake(p.Line, "%s", refusal(p.Name()))
			continue
		case rule.In&in == 0:
			r.mistake(p.Line, "%s cannot stand in %s", rule.Name, placeNames[in])
			continue
		case (p.Block != nil) != (rule.Name == "if"):
			r.mistake(p.Line, "%s is written with a block, or without one where it needs one", rule.Name)
			continue
		case seen[rule.Name] && !rule.repeats:
			r.mistake(p.Line, "%s stands here twice", rule.Name)
			continue
		}
		seen[rule.Name] = true
		made, err := r.directive(rule, p, in)
		if err != nil {
			r.mistake(p.Line, "%s %s", rule.Name, err)
			continue
		}
		if in == InIf || in == inServerIf {
			block = append(block, made...)
		} else {
			r.keep(rule, made)
		}
	}
	return block
}

// inServerIf is an if block of a server-snippet.
const inServerIf Place = 1 << 7

var placeNames = map[Place]string{
	InLocation: "configuration-snippet", InServer: "server-snippet", InIf: "an if block", InInquiry: "auth-snippet", inServerIf: "an if block of server-snippet",
}

func (r *reader) directive(rule *Rule, p nginx.Parsed, in Place) (nginx.Directives, error) {
	var made nginx.Directives
	var err error
	switch rule.Name {
	case "if":
		made, err = r.condition(p, in)
	case "rewrite":
		made, err = r.rewrite(p.Words[1:], in == InIf || in == inServerIf)
	default:
		var args []nginx.Arg
		args, err = rule.read(r, p.Words[1:])
		made = nginx.Directives{nginx.D(rule.Name, args...)}
	}
	if err != nil {
		return nil, err
	}
	if _, err := made.Encode(""); err != nil {
		return nil, fmt.Errorf("cannot be written: %w", err)
	}
	return made, nil
}

// keep puts directives where they belong in the location or server.
func (r *reader) keep(rule *Rule, made nginx.Directives) {
	switch {
	case rule.early:
		r.out.Early = append(r.out.Early, made...)
	case rule.Name == "proxy_set_header":
		r.out.Headers = append(r.out.Headers, nginx.Header{Name: made[0].Args[0].Value(), Value: made[0].Args[1]})
	default:
		if rule.Name == "client_max_body_size" {
			n, _ := parseBytes(made[0].Args[0].Value()) // it was written from a number
			r.out.MaxBody = &n
		}
		r.out.Body = append(r.out.Body, made...)
	}
}
