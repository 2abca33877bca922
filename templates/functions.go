package templates

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
	syntax "text/template/parse"

	"github.com/Masterminds/sprig/v3"

	"github.com/sluice-ingress/sluice/nginx"
)

// parse reads templates by name and escapes them. Its errors name the template and the line.
func parse(files map[string]string) (*template.Template, error) {
	set := template.New("").Option("missingkey=error").Funcs(functions())
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if line, _, found := strings.Cut(files[name], mark); found {
			return nil, fmt.Errorf("template: %s:%d: unexpected NUL", name, strings.Count(line, "\n")+1)
		}
		file, err := template.New(name).Funcs(functions()).Parse(files[name])
		if err != nil {
			return nil, err
		}
		for _, t := range file.Templates() {
			if set.Lookup(t.Name()) != nil {
				return nil, fmt.Errorf("template: %s: %q is defined twice", name, t.Name())
			}
			if _, err := set.AddParseTree(t.Name(), t.Tree); err != nil {
				return nil, err
			}
		}
	}
	return set, escape(set)
}

// allowed are the functions of Sprig's that templates may call: their result depends on their arguments
// only and they change nothing. Not among them are those that look outside (environment, network, clock,
// chance), that change what they are given (set, merge, sortAlpha), whose result has no fixed order (keys,
// values), that take any amount of memory in one call (repeat, indent, until, seq), and quote and squote,
// whose quotes would become part of the text: quoting is the escaper's work.
var allowed = strings.Fields(`
	abbrev abbrevboth cat contains hasPrefix hasSuffix initials join kebabcase lower nospace plural replace
	snakecase camelcase split splitList splitn substr swapcase title toString toStrings trim trimAll
	trimPrefix trimSuffix trunc untitle upper
	regexFind regexFindAll regexMatch regexQuoteMeta regexReplaceAll regexReplaceAllLiteral regexSplit
	mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit
	add add1 atoi biggest div int int64 max min mod mul sub
	all any coalesce compact default empty fail ternary
	append concat dict dig first get has hasKey initial last list omit pick pluck prepend rest reverse slice
	tuple uniq without
	adler32sum b32dec b32enc b64dec b64enc sha1sum sha256sum sha512sum toJson
	base clean dir ext isAbs urlJoin urlParse semverCompare
	deepEqual kindIs kindOf typeIs typeIsLike typeOf
`)

// functions are the functions that templates may call besides those of text/template.
func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	some := template.FuncMap{
		// Some verbs of fmt look inside of values, even of a nginx.Secret; hence printing takes plain ones.
		"print":   func(args ...any) (string, error) { return fmt.Sprint(args...), plain(args) },
		"println": func(args ...any) (string, error) { return fmt.Sprintln(args...), plain(args) },
		"printf": func(format string, args ...any) (string, error) {
			return fmt.Sprintf(format, args...), plain(args)
		},
		"call": func(...any) (string, error) { return "", fmt.Errorf("templates cannot call functions of the data") },
	}
	for _, name := range allowed {
		if f, ok := all[name]; ok {
			some[name] = f
		}
	}
	return some
}

func plain(args []any) error {
	for _, a := range args {
		switch a.(type) {
		case string, bool, float32, float64:
		default:
			if _, ok := number(a); !ok {
				return fmt.Errorf("%T cannot be formatted, only text, numbers and booleans", a)
			}
		}
	}
	return nil
}

// action is an action that prints.
type action struct {
	node   *syntax.ActionNode
	tree   *syntax.Tree
	as     kind
	indent string
	before *syntax.TextNode // ends in the line end and the indent that belong to the action, or nil
}

// kind says how an action prints. An action that is read twice keeps the later kind of the two: from
// argument on, what a kind lets through is safe wherever the action may have an earlier one.
type kind uint8

const (
	directives   kind = iota + 1 // whole lines
	tableKey                     // first word of a line in a table such as map
	luaString                    // all of a Lua string
	argument                     // a whole word or several
	insideDouble                 // in double quotes
	insideSingle                 // in single quotes
	wordPart                     // piece of a word
	variablePart                 // piece of a variable's name
)

// print moves past an action that prints and says how it does.
func (c *cursor) print(a *action) error {
	for name := range strings.SplitSeq(c.names, "\n") {
		if strings.HasSuffix(name, "_by_lua") || name == "perl" || name == "perl_set" {
			return fmt.Errorf("data cannot be part of a program; use a block or a file for %s", name)
		}
	}
	switch c.mode {
	case betweenDirectives:
		a.as = directives
		if c.inTable() {
			a.as = tableKey
			c.mode, c.named, c.pending = inWord, true, []*action{a}
		}
		return nil
	case betweenWords:
		a.as = max(a.as, argument)
		c.mode, c.pending = inWord, []*action{a}
		return nil
	case inWord:
		return c.printPart(a, wordPart)
	case inDouble:
		return c.printPart(a, insideDouble)
	case inSingle:
		return c.printPart(a, insideSingle)
	case inComment:
		return fmt.Errorf("data cannot stand in a comment")
	case inLuaOpened:
		a.as = luaString
		c.mode = inLuaPrinted
		return nil
	}
	return fmt.Errorf("data cannot be part of Lua source, only all of a string in double quotes")
}

func (c *cursor) printPart(a *action, as kind) error {
	switch {
	case !c.named:
		return fmt.Errorf("data cannot be part of a directive's name or of a key")
	case c.escaped:
		return fmt.Errorf("data cannot stand after a backslash")
	case c.closed:
		return fmt.Errorf("data cannot stand after a word that has ended; leave a blank")
	case c.ref >= variableDollar:
		return fmt.Errorf("data cannot choose a variable")
	case c.ref != noVariable:
		as = variablePart
	}
	a.as = max(a.as, as)
	return c.settle()
}

// settle makes what is pending a piece of a longer word.
func (c *cursor) settle() error {
	for _, a := range c.pending {
		if a.as == tableKey {
			return fmt.Errorf("data cannot be part of a key; it has to be all of it")
		}
		a.as = max(a.as, wordPart)
	}
	c.pending = nil
	return nil
}

// escaperNames are the functions that print, by kind.
var escaperNames = [...]string{
	directives: "nginx_directives", tableKey: "nginx_table_key", luaString: "nginx_lua_string",
	argument: "nginx_argument", insideDouble: "nginx_inside_double_quotes",
	insideSingle: "nginx_inside_single_quotes", wordPart: "nginx_word_part", variablePart: "nginx_variable_part",
}

// directiveLines prints directives with the line end before them.
const directiveLines = "nginx_directive_lines"

// rewrite adds the escaper. No template can name an escaper itself, as they are defined after parsing.
func (a *action) rewrite() {
	function := escaperNames[a.as]
	if a.as == directives && a.before != nil {
		function = directiveLines
		a.before.Text = a.before.Text[:len(a.before.Text)-len("\n"+a.indent)]
	}
	command := &syntax.CommandNode{NodeType: syntax.NodeCommand, Pos: a.node.Pos}
	command.Args = append(command.Args, syntax.NewIdentifier(function).SetPos(a.node.Pos).SetTree(a.tree))
	if a.as == directives {
		command.Args = append(command.Args, &syntax.StringNode{
			NodeType: syntax.NodeString, Pos: a.node.Pos, Quoted: strconv.Quote(a.indent), Text: a.indent,
		})
	}
	a.node.Pipe.Cmds = append(a.node.Pipe.Cmds, command)
}

// pipe refuses what a pipeline must not do wherever it stands.
func (e *escaper) pipe(p *syntax.PipeNode) error {
	if p == nil {
		return nil
	}
	if strings.Contains(p.String(), ".Reveal") {
		return e.fail(p.Pos, "{{%s}}: a secret has no place in a template", p)
	}
	if len(p.Cmds) == 0 {
		return nil
	}
	if f, ok := p.Cmds[len(p.Cmds)-1].Args[0].(*syntax.IdentifierNode); ok && escapers[f.Ident] != nil {
		return e.fail(p.Pos, "{{%s}} is escaped already", p)
	}
	return nil
}

// escapers are the functions that rewrite adds.
var escapers = template.FuncMap{
	"nginx_directives":           encodeDirectives,
	"nginx_directive_lines":      encodeDirectiveLines,
	"nginx_table_key":            encodeTableKey,
	"nginx_lua_string":           encodeLuaString,
	"nginx_argument":             encodeArgument,
	"nginx_inside_double_quotes": func(v any) (string, error) { return encodeInside(v, '"') },
	"nginx_inside_single_quotes": func(v any) (string, error) { return encodeInside(v, '\'') },
	"nginx_word_part":            encodeWordPart,
	"nginx_variable_part":        encodeVariablePart,
}

// Fragment is configuration that an escaped template rendered: whole directives, printed as they are.
type Fragment struct{ text string }

// fragment is for text that a set which went through escape has just rendered, and for no other.
func fragment(text string) Fragment { return Fragment{text} }

func (f Fragment) String() string { return f.text }

func refuse(v any, place string) error {
	if v == nil {
		return fmt.Errorf("nothing is there to print")
	}
	return fmt.Errorf("%T cannot be printed %s", v, place)
}

func encodeArgument(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return nginx.Text(v).Encode()
	case nginx.Arg:
		return v.Encode()
	case *nginx.Arg:
		if v != nil {
			return v.Encode()
		}
	case []nginx.Arg:
		words := make([]string, len(v))
		for i, a := range v {
			var err error
			if words[i], err = a.Encode(); err != nil {
				return "", err
			}
		}
		return strings.Join(words, " "), nil
	}
	if n, ok := number(v); ok {
		return n, nil
	}
	return "", refuse(v, "as an argument")
}

// tableWords mean something to NGINX as the first word of a line in a table, quoted or not.
var tableWords = []string{"default", "delete", "hostnames", "include", "proxy", "proxy_recursive", "ranges", "volatile"}

// encodeTableKey writes the first word of a line in map, geo or split_clients, in which no variable is
// expanded. A text matches itself; only an nginx.Arg can be a pattern.
func encodeTableKey(v any) (string, error) {
	var a nginx.Arg
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "~") || strings.HasPrefix(v, `\`) {
			return "", fmt.Errorf("the key %.64q would be a pattern", v)
		}
		a = nginx.Verbatim(v)
	case nginx.Arg:
		a = v
	default:
		if n, ok := number(v); ok {
			return n, nil
		}
		return "", refuse(v, "as a key")
	}
	if slices.Contains(tableWords, a.Value()) {
		return "", fmt.Errorf("the key %q has a meaning of its own", a.Value())
	}
	return a.Encode()
}

func encodeInside(v any, quotes byte) (string, error) {
	switch v := v.(type) {
	case string:
		return nginx.EncodeInside(v, quotes)
	case nginx.Arg:
		return encodeValueInside(v, quotes)
	case *nginx.Arg:
		if v != nil {
			return encodeValueInside(*v, quotes)
		}
	}
	if n, ok := number(v); ok {
		return n, nil
	}
	return "", refuse(v, "in quotes")
}

// encodeValueInside keeps the dollars of the argument, which EncodeInside would make inert.
func encodeValueInside(a nginx.Arg, quotes byte) (string, error) {
	if _, err := a.Encode(); err != nil {
		return "", err
	}
	pieces := strings.Split(a.Value(), "$")
	for i := range pieces {
		var err error
		if pieces[i], err = nginx.EncodeInside(pieces[i], quotes); err != nil {
			return "", err
		}
	}
	return strings.Join(pieces, "$"), nil
}

func encodeWordPart(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return nginx.EncodePart(v)
	case nginx.Arg:
		return nginx.EncodePart(v.Value())
	case *nginx.Arg:
		if v != nil {
			return nginx.EncodePart(v.Value())
		}
	}
	if n, ok := number(v); ok {
		return n, nil
	}
	return "", refuse(v, "inside a word")
}

func encodeVariablePart(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		if s, ok = number(v); !ok {
			return "", refuse(v, "inside the name of a variable")
		}
	}
	if s == "" {
		return "", fmt.Errorf("nothing is there to continue the name of a variable")
	}
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return "", fmt.Errorf("%.64q cannot continue the name of a variable; to end the name, write it as ${name}", s)
		}
	}
	return s, nil
}

func isNameByte(b byte) bool {
	return b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

func encodeLuaString(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", refuse(v, "in Lua source")
	}
	for i := range len(s) {
		if !isNameByte(s[i]) && strings.IndexByte("./-@", s[i]) < 0 {
			return "", fmt.Errorf("%.64q cannot stand in Lua source", s)
		}
	}
	return s, nil
}

// encodeDirectiveLines writes the line end and the indent that rewrite took from the text before as well,
// so that no directives leave no line behind.
func encodeDirectiveLines(indent string, v any) (string, error) {
	text, err := encodeLines(indent, v)
	if err != nil || text == "" {
		return "", err
	}
	return "\n" + text, nil
}

// encodeDirectives writes directives after the indent of the line they are on.
func encodeDirectives(indent string, v any) (string, error) {
	text, err := encodeLines(indent, v)
	return strings.TrimPrefix(text, indent), err
}

// encodeLines writes whole lines but for the last line end, which is in the template.
func encodeLines(indent string, v any) (text string, err error) {
	switch v := v.(type) {
	case nginx.Directive:
		text, err = v.Encode(indent)
	case nginx.Directives:
		text, err = v.Encode(indent)
	case []nginx.Directive:
		text, err = nginx.Directives(v).Encode(indent)
	case Fragment:
		if last := strings.TrimSuffix(v.text, "\n"); !strings.Contains(last[strings.LastIndexByte(last, '\n')+1:], "#") {
			return last, nil
		}
		return v.text, nil // a comment keeps its line end, or it would go on
	default:
		return "", refuse(v, "where a directive may start")
	}
	return strings.TrimSuffix(text, "\n"), err
}

// number writes an integer of one of Go's own types. Others, such as time.Duration, have a meaning that
// their digits do not tell.
func number(v any) (string, bool) {
	switch n := v.(type) {
	case int:
		return strconv.Itoa(n), true
	case int8:
		return strconv.FormatInt(int64(n), 10), true
	case int16:
		return strconv.FormatInt(int64(n), 10), true
	case int32:
		return strconv.FormatInt(int64(n), 10), true
	case int64:
		return strconv.FormatInt(n, 10), true
	case uint:
		return strconv.FormatUint(uint64(n), 10), true
	case uint8:
		return strconv.FormatUint(uint64(n), 10), true
	case uint16:
		return strconv.FormatUint(uint64(n), 10), true
	case uint32:
		return strconv.FormatUint(uint64(n), 10), true
	case uint64:
		return strconv.FormatUint(n, 10), true
	}
	return "", false
}
