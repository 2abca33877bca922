package templates

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/sluice-ingress/sluice/nginx"
)

// What templates have printed is read back by the independent parser (nginx.Parse) before it goes anywhere, and has to be what was
// meant: the template's own text, with each value in the place of its action, and nothing else. What was meant is read from a second
// text, in which marks of ours stand for all values, so no user has a say in it. Both texts are of the same execution, so templates
// may decide, repeat and leave out what they like.

// printed is what one action has printed.
type printed struct {
	at, length int // in the text
	as         kind
	value      any
}

// recorder is what templates are executed into. It notes what their actions print.
type recorder struct {
	set     *template.Template
	text    bytes.Buffer
	actions []printed
}

// record makes a copy of an escaped set whose escapers say what they print.
func record(set *template.Template) (*recorder, error) {
	copied, err := set.Clone()
	if err != nil {
		return nil, fmt.Errorf("copy the templates: %w", err)
	}
	r, recording := &recorder{set: copied}, template.FuncMap{}
	for as, name := range escaperNames {
		if escape, ok := escapers[name].(func(any) (string, error)); ok {
			recording[name] = func(v any) (string, error) {
				text, err := escape(v)
				return r.note(kind(as), v, text), err
			}
		}
	}
	for _, name := range []string{escaperNames[directives], directiveLines} {
		escape := escapers[name].(func(string, any) (string, error))
		recording[name] = func(indent string, v any) (string, error) {
			text, err := escape(indent, v)
			return r.note(directives, v, text), err
		}
	}
	copied.Funcs(recording)
	return r, nil
}

// note is called right before the text is printed, as an escaper is the last function of its action.
func (r *recorder) note(as kind, v any, text string) string {
	r.actions = append(r.actions, printed{r.text.Len(), len(text), as, v})
	return text
}

// execute runs a template and returns its text, checked.
func (r *recorder) execute(name string, data any) (string, error) {
	r.text.Reset()
	r.actions = r.actions[:0]
	if err := r.set.ExecuteTemplate(&r.text, name, data); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	text := r.text.String()
	if err := check(text, r.actions); err != nil {
		return "", fmt.Errorf("read back what %s has rendered: %w", name, err)
	}
	return text, nil
}

// check reads back what actions have printed into a text.
func check(text string, actions []printed) error {
	var real, marked strings.Builder
	end := 0
	for i, p := range actions {
		before, own := text[end:p.at], text[p.at:p.at+p.length]
		end = p.at + p.length
		stand := p.standIn(i, own)
		if _, ok := p.value.(Fragment); ok {
			own = stand // it was checked when it was rendered
		}
		real.WriteString(before)
		real.WriteString(own)
		marked.WriteString(before)
		marked.WriteString(stand)
	}
	real.WriteString(text[end:])
	marked.WriteString(text[end:])
	want, err := nginx.Parse(marked.String())
	if err != nil {
		return fmt.Errorf("without values: %w", err)
	}
	got, err := nginx.Parse(real.String())
	if err != nil {
		return err
	}
	return comparison(actions).blocks(got, want)
}

// mark is before and after the number of an action in what stands for its value. No template and no value has this byte.
const mark = "\x00"

// standIn is what stands for a value that was printed as the text: a directive, a word, or a piece of one, and nothing for no
// directives or words.
func (p printed) standIn(i int, text string) string {
	stand := mark + strconv.Itoa(i) + mark
	switch {
	case p.isNothing():
		return ""
	case p.as == directives:
		blank := text[:len(text)-len(strings.TrimLeft(text, " \t\n"))]
		return blank + stand + ";" + text[len(strings.TrimSuffix(text, "\n")):]
	}
	return stand
}

func (p printed) isNothing() bool {
	if list, ok := p.directives(); ok {
		return len(list) == 0
	}
	switch v := p.value.(type) {
	case []nginx.Arg:
		return len(v) == 0
	case Fragment:
		return v.text == ""
	}
	return false
}

// comparison compares what was printed with what was meant. Its elements are what marks stand for, by number.
type comparison []printed

// alone finds the value that all of a word stands for.
func (c comparison) alone(word string) (printed, bool) {
	inner, begins := strings.CutPrefix(word, mark)
	number, ends := strings.CutSuffix(inner, mark)
	if !begins || !ends || strings.Contains(number, mark) {
		return printed{}, false
	}
	return c.at(number), true
}

func (c comparison) at(action string) printed {
	i, err := strconv.Atoi(action)
	if err != nil || i >= len(c) {
		return printed{} // equals nothing
	}
	return c[i]
}

func (c comparison) blocks(got, want []nginx.Parsed) error {
	for _, w := range want {
		if p, ok := c.alone(w.Name()); ok && p.as == directives {
			if model, ok := p.directives(); ok {
				list := meant(model)
				if len(got) < len(list) {
					return fmt.Errorf("%d directives are there instead of %d", len(got), len(list))
				}
				if err := equal(got[:len(list)], list); err != nil {
					return err
				}
				got = got[len(list):]
				continue
			}
		}
		if len(got) == 0 {
			return fmt.Errorf("%.64q is missing", w.Name())
		}
		if err := c.directive(got[0], w); err != nil {
			return err
		}
		got = got[1:]
	}
	return nothing(got)
}

// directive compares a directive of the template's own, or one that stands for a Fragment.
func (c comparison) directive(got, want nginx.Parsed) error {
	words := want.Words
	if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, mark) }) {
		words = nil
		for _, word := range want.Words {
			words = append(words, c.words(word)...)
		}
	}
	if !slices.EqualFunc(got.Words, words, read) || got.Lua != c.expanded(want.Lua) || (got.Block == nil) != (want.Block == nil) {
		return fmt.Errorf("line %d has %.64q where %.64q was meant", got.Line, got.Words, words)
	}
	return c.blocks(got.Block, want.Block)
}

// words are those that a word of the marked text stands for.
func (c comparison) words(word string) []string {
	if p, ok := c.alone(word); ok {
		if list, ok := p.value.([]nginx.Arg); ok {
			return values(list)
		}
	}
	return []string{c.expanded(word)}
}

// expanded has the values in place of the marks.
func (c comparison) expanded(text string) string {
	if !strings.Contains(text, mark) {
		return text
	}
	parts := strings.Split(text, mark)
	for i := 1; i < len(parts); i += 2 {
		parts[i] = c.at(parts[i]).meaning(parts[i])
	}
	return strings.Join(parts, "")
}

// meaning is the value as NGINX has to read it, the number of the action for what was checked before.
func (p printed) meaning(action string) string {
	switch v := p.value.(type) {
	case string:
		if p.as == argument || p.as == insideDouble || p.as == insideSingle {
			return nginx.Text(v).Value()
		}
		return v
	case nginx.Arg:
		return v.Value()
	case *nginx.Arg:
		return v.Value()
	case Fragment:
		return mark + action + mark
	}
	digits, _ := number(p.value)
	return digits
}

// directives is what was printed, unless it is a Fragment.
func (p printed) directives() ([]nginx.Directive, bool) {
	switch v := p.value.(type) {
	case nginx.Directive:
		return []nginx.Directive{v}, true
	case nginx.Directives:
		return v, true
	case []nginx.Directive:
		return v, true
	}
	return nil, false
}

// meant are directives of the model as they have to be read.
func meant(list []nginx.Directive) []nginx.Parsed {
	var out []nginx.Parsed
	for _, d := range list {
		if said := d.Says(); said != nil {
			out = append(out, said...)
			continue
		}
		p := nginx.Parsed{Words: values(d.Args)}
		if d.Name != "" { // it is not an entry of a map
			p.Words = append([]string{d.Name}, p.Words...)
		}
		if d.Block != nil {
			p.Block = append([]nginx.Parsed{}, meant(d.Block)...)
		}
		out = append(out, p)
	}
	return out
}

// equal compares what was printed with what was meant.
func equal(got, want []nginx.Parsed) error {
	for i, d := range want {
		if i == len(got) {
			return fmt.Errorf("%.64q is missing", d.Name())
		}
		if !slices.EqualFunc(got[i].Words, d.Words, read) || got[i].Lua != d.Lua || (got[i].Block == nil) != (d.Block == nil) {
			return fmt.Errorf("line %d has %.64q where %.64q was meant", got[i].Line, got[i].Words, d.Words)
		}
		if err := equal(got[i].Block, d.Block); err != nil {
			return fmt.Errorf("%.64q: %w", d.Name(), err)
		}
	}
	return nothing(got[len(want):])
}

// nothing is all that may be left.
func nothing(got []nginx.Parsed) error {
	if len(got) > 0 {
		return fmt.Errorf("line %d has %.64q, which nobody meant", got[0].Line, got[0].Name())
	}
	return nil
}

func values(args []nginx.Arg) []string {
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = a.Value()
	}
	return list
}

// read tells whether NGINX understands a word as it was meant: a variable alone needs no braces.
func read(got, want string) bool {
	if got == want {
		return true
	}
	name, ok := strings.CutPrefix(got, "$")
	return ok && want == "${"+name+"}" && strings.IndexFunc(name, func(c rune) bool { return c > 0x7f || !isNameByte(byte(c)) }) < 0
}
