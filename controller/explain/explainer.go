package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/origins"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/pcre"
	"github.com/sluice-ingress/sluice/templates"
)

// Explainer says what becomes of requests under one plan. It keeps what it has read, so that further requests cost less, and is
// for one goroutine.
type Explainer struct {
	plan     controller.Plan
	sources  *origins.Reader
	render   templates.Options
	names    names
	maps     map[string]nginx.Parsed // blocks of map and geo, by the variable that they give
	shared   []nginx.Parsed          // directives of the http level that every location inherits
	patterns map[string]compiled
}

type compiled struct {
	pattern *pcre.Pattern
	err     error
}

// New reads a plan. It has to be one of compiled routing: there every host and path is in the configuration. Both modes answer
// alike.
func New(plan controller.Plan) (*Explainer, error) {
	if slices.ContainsFunc(plan.Config.Servers, func(s *nginx.Server) bool { return len(s.Shapes) > 0 }) {
		return nil, errors.New("the plan is one of dynamic routing, which has no locations to explain")
	}
	text, _ := plan.Files.Get("nginx.conf")
	list, err := nginx.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("read nginx.conf: %w", err)
	}
	e := &Explainer{
		plan: plan, sources: origins.Of(plan), render: plan.Surroundings(), names: namesOf(plan.Config.Servers), maps: map[string]nginx.Parsed{}, patterns: map[string]compiled{},
	}
	for _, d := range list {
		if d.Name() == "http" {
			e.readHTTP(d.Block)
		}
	}
	return e, nil
}

// readHTTP keeps what stands at the http level. Where two maps give one variable, NGINX takes the last.
func (e *Explainer) readHTTP(list []nginx.Parsed) {
	for _, d := range list {
		switch d.Name() {
		case "map", "geo":
			e.maps[strings.TrimPrefix(d.Words[len(d.Words)-1], "$")] = d
		case "server", "upstream":
		default:
			e.shared = append(e.shared, d)
		}
	}
}

// search finds an expression in a text. Expressions are compiled once.
func (e *Explainer) search(expression string, anyCase bool, text string) (*pcre.Match, error) {
	key := fmt.Sprint(anyCase, expression)
	c, known := e.patterns[key]
	if !known {
		c.pattern, c.err = pcre.Compile(expression, anyCase, patience)
		e.patterns[key] = c
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.pattern.Find(text)
}

// patience bounds a search. NGINX gives up as well: after 10,000,000 steps.
const patience = time.Second

// shortText is how long a text may be at most for workers to search it with an expression that nests: they give up after 100,000
// steps (lua_regex_match_limit).
const shortText = 12

// searchInWorkers is search for patterns of canaries, in the case as it stands.
func (e *Explainer) searchInWorkers(expression, text string) (*pcre.Match, error) {
	p, err := pcre.Compile(expression, false, patience)
	if err != nil {
		return nil, err
	}
	if p.Nests && len(text) > shortText {
		return nil, errors.New("it repeats what repeats, and the text is long")
	}
	return p.Find(text)
}

// parsed are directives as NGINX reads them: typed ones and texts of users alike.
func parsed(list nginx.Directives) []nginx.Parsed {
	text, err := list.Encode("")
	if err != nil {
		return nil // the plan would have failed
	}
	all, err := nginx.Parse(text)
	if err != nil {
		return nil
	}
	return all
}

// named are those directives of a list that have one of the names.
func named(list []nginx.Parsed, names ...string) []nginx.Parsed {
	var some []nginx.Parsed
	for _, d := range list {
		if slices.Contains(names, d.Name()) {
			some = append(some, d)
		}
	}
	return some
}
