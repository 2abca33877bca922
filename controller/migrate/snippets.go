package migrate

import (
	"github.com/sluice-ingress/sluice/annotations/snippet"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/geoip"
)

// Level is what allow-snippet-annotations has to allow; docs/snippets.md describes the levels.
type Level int

// Levels, from the least to the most.
const (
	LevelOff        Level = iota // there is no snippet
	LevelParsed                  // directives of a list, written anew
	LevelRaw                     // any text
	LevelImpossible              // no level takes it
)

// String is the word of docs/snippets.md.
func (l Level) String() string { return [...]string{"off", "parsed", "raw", "impossible"}[l] }

// MarshalText writes it as String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Snippet is what a snippet needs.
type Snippet struct {
	Level    Level    `json:"level"`
	NotTaken []string `json:"notTaken,omitempty"` // what the level parsed does not take, and what to use instead
}

// Need says so in words.
func (s Snippet) Need() string {
	if s.Level == LevelImpossible {
		return "no level takes this snippet"
	}
	return "as a snippet it needs the level " + s.Level.String()
}

var places = map[string]snippet.Place{
	"configuration-snippet": snippet.InLocation, "server-snippet": snippet.InServer, "auth-snippet": snippet.InInquiry,
}

// snippetOf finds the level that a snippet needs; false for an annotation that is none.
func snippetOf(name, text string) (Snippet, bool) {
	place, is := places[name]
	if !is {
		return Snippet{}, false
	}
	_, mistakes := snippet.Parse(text, place, geoip.Variables()...)
	if len(mistakes) == 0 {
		return Snippet{Level: LevelParsed}, true
	}
	s := Snippet{Level: LevelRaw}
	if _, err := nginx.Raw(text); err != nil {
		s.Level = LevelImpossible
	}
	for _, m := range mistakes {
		s.NotTaken = append(s.NotTaken, m.Error())
	}
	return s, true
}

// weigh says what to do about a snippet. Where the ConfigMap of the input allows it as it is, there is nothing.
func (i *Item) weigh(s Snippet) {
	i.Snippet = &s
	if i.Effort != Work {
		return
	}
	switch s.Level {
	case LevelParsed:
		i.ToDo = "set allow-snippet-annotations: parsed in the ConfigMap"
	case LevelRaw:
		i.ToDo = `rewrite what parsed does not take; or set allow-snippet-annotations: "true" and annotations-risk-level: Critical, which lets every author of an Ingress write anything`
	case LevelImpossible:
		i.ToDo = "mend the text: it is not whole directives"
	}
}
