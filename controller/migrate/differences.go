package migrate

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
)

// Difference is a row of the tables of docs/compatibility.md: how a subject compares.
type Difference struct {
	Table   string   `json:"table"` // the heading: Safer, Mended or Different by design
	Subject string   `json:"subject"`
	There   string   `json:"ingressNginx"`
	Here    string   `json:"sluice"`
	Names   []string `json:"names"` // of annotations and keys, and of flags with their dashes
}

// Link leads to the table.
func (d Difference) Link() string {
	return "https://github.com/sluice-ingress/sluice/blob/main/docs/compatibility.md#" + strings.ReplaceAll(strings.ToLower(d.Table), " ", "-")
}

// state is what the table says of its settings.
func (d Difference) state() State {
	return map[string]State{"Safer": Safer, "Mended": Mended, "Different by design": Differs}[d.Table]
}

// Differences are a list of them.
type Differences []Difference

//go:embed differences.json
var differencesText []byte

// Known are the differences of all settings, as a test has written them.
func Known() Differences {
	var list Differences
	if err := json.Unmarshal(differencesText, &list); err != nil {
		panic(err) // the test that writes it reads it too
	}
	return list
}

// named are those of one name.
func (l Differences) named(name string) Differences {
	var found Differences
	for _, d := range l {
		if slices.Contains(d.Names, name) {
			found = append(found, d)
		}
	}
	return found
}

// worst is the state that tells most.
func (l Differences) worst() State {
	order := []State{Same, Safer, Mended, Differs}
	state := Same
	for _, d := range l {
		if slices.Index(order, d.state()) > slices.Index(order, state) {
			state = d.state()
		}
	}
	return state
}

// links lead to the tables, each once.
func (l Differences) links() []string {
	var list []string
	for _, d := range l {
		if !slices.Contains(list, d.Link()) {
			list = append(list, d.Link())
		}
	}
	return list
}

// of are those of settings in use, in the order of the page.
func (l Differences) of(items []Item) Differences {
	used := map[string]bool{}
	for _, i := range items {
		used[i.lookup()] = true
	}
	list := Differences{}
	for _, d := range l {
		if slices.ContainsFunc(d.Names, func(name string) bool { return used[name] }) {
			list = append(list, d)
		}
	}
	return list
}

// lookup is the name that differences have for a setting.
func (i Item) lookup() string {
	if i.Kind == flagKind {
		return "--" + i.Name
	}
	return i.Name
}
