package nginx

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Raw is configuration that is written as it stands: the administrator's own, or that of people the administrator trusts
// like himself. It has to be whole directives with all blocks closed, so that what stands around it stays around it. What
// the directives do is not looked at.
func Raw(text string) (Directive, error) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return Directive{}, fmt.Errorf("has a NUL at byte %d", i)
	}
	list, err := Parse(text)
	if err != nil {
		return Directive{}, fmt.Errorf("is not made of whole directives: %w", err)
	}
	if len(list) == 0 {
		return Directive{}, errors.New("has no directive")
	}
	return Directive{raw: text, says: list}, nil
}

// Within returns the arguments of the directives of that name on the top level of a Raw text.
func (d Directive) Within(name string) [][]string {
	var all [][]string
	for _, said := range d.says {
		if said.Name() == name {
			all = append(all, said.Words[1:])
		}
	}
	return all
}

// Says returns the directives that a Raw text is made of; none for any other directive.
func (d Directive) Says() []Parsed { return d.says }

// Say tells whether one of the directives, or of those in a Raw text, is called so.
func (ds Directives) Say(name string) bool {
	return slices.ContainsFunc(ds, func(d Directive) bool { return d.Name == name || len(d.Within(name)) > 0 })
}

// mentions tells whether a Raw text refers to a variable.
func (d Directive) mentions(variable string) bool {
	return d.raw != "" && variablePattern(variable).MatchString(d.raw)
}

// inPlaceOf returns the directive with another variable in place of one that a Raw text refers to.
func (d Directive) inPlaceOf(variable, other string) Directive {
	if !d.mentions(variable) {
		return d
	}
	renamed, err := Raw(variablePattern(variable).ReplaceAllString(d.raw, "$${"+other+"}"))
	if err != nil {
		return d // a name in place of a name leaves all words as long as they were
	}
	return renamed
}

func variablePattern(name string) *regexp.Regexp {
	return regexp.MustCompile(`\$(?:` + name + `\b|\{` + name + `\})`)
}
