package templates

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/template"
	syntax "text/template/parse"
)

// escape adds an escaper to every action that prints, in all templates of the set, so that whatever the
// data holds, NGINX reads it as data. Which escaper depends on the place the action has in NGINX's syntax;
// a template that leaves a doubt about a place is refused, with the set unchanged. Templates that are added
// to the set later are not escaped.
func escape(set *template.Template) error {
	e := escaper{set: set, actions: map[*syntax.ActionNode]*action{}}
	list := set.Templates()
	slices.SortFunc(list, func(a, b *template.Template) int { return strings.Compare(a.Name(), b.Name()) })
	for _, t := range list {
		if err := e.template(t.Tree); err != nil {
			return err
		}
	}
	// Nothing is changed before everything is known: a loop's body is read more than once.
	for _, a := range e.order {
		a.rewrite()
	}
	set.Funcs(escapers)
	return nil
}

// escaper reads the trees of a set.
type escaper struct {
	set     *template.Template
	tree    *syntax.Tree
	at      syntax.Pos // how far the tree has been read
	indent  string     // of the current line
	comment bool       // the last line end ended a comment
	actions map[*syntax.ActionNode]*action
	order   []*action
}

func (e *escaper) template(tree *syntax.Tree) error {
	e.tree, e.at, e.indent, e.comment = tree, tree.Root.Pos, "", false
	end, err := e.list(tree.Root, cursor{})
	if err != nil {
		return err
	}
	if end.place != (place{}) {
		return e.fail(e.at, "the template ends %s", end.place)
	}
	return nil
}

// fail makes an error that names the template file and the line.
func (e *escaper) fail(at syntax.Pos, format string, args ...any) error {
	location, _ := e.tree.ErrorContext(&syntax.TextNode{NodeType: syntax.NodeText, Pos: at})
	return fmt.Errorf("template: %s: %w", location, fmt.Errorf(format, args...))
}

func (e *escaper) list(list *syntax.ListNode, at cursor) (cursor, error) {
	if list == nil {
		return at, nil
	}
	var before *syntax.TextNode
	for _, n := range list.Nodes {
		e.at = n.Position()
		var err error
		if at, err = e.node(n, before, at); err != nil {
			return at, err
		}
		before, _ = n.(*syntax.TextNode)
	}
	return at, nil
}

// node reads one node; before is the text right before it, if there is any.
func (e *escaper) node(n syntax.Node, before *syntax.TextNode, at cursor) (cursor, error) {
	switch n := n.(type) {
	case *syntax.TextNode:
		return e.text(n, at)
	case *syntax.ActionNode:
		return e.action(n, before, at)
	case *syntax.IfNode:
		return e.branch(&n.BranchNode, at)
	case *syntax.WithNode:
		return e.branch(&n.BranchNode, at)
	case *syntax.RangeNode:
		return e.loop(n, at)
	case *syntax.TemplateNode:
		return at, e.call(n, at)
	}
	// break and continue among them: a loop's body ends in one place only.
	return at, e.fail(n.Position(), "%s is not supported", n)
}

func (e *escaper) text(n *syntax.TextNode, at cursor) (cursor, error) {
	for i, c := range n.Text {
		comment := at.mode == inComment
		if err := at.read(c); err != nil {
			return at, e.fail(n.Pos+syntax.Pos(i), "%w", err)
		}
		if c == '\n' {
			e.comment = comment
		}
	}
	e.at = n.Pos + syntax.Pos(len(n.Text))
	if i := bytes.LastIndexByte(n.Text, '\n'); i >= 0 {
		last := n.Text[i+1:]
		e.indent = string(last[:len(last)-len(bytes.TrimLeft(last, " \t"))])
	}
	return at, nil
}

func (e *escaper) action(n *syntax.ActionNode, before *syntax.TextNode, at cursor) (cursor, error) {
	if err := e.pipe(n.Pipe); err != nil {
		return at, err
	}
	if len(n.Pipe.Decl) > 0 {
		return at, nil
	}
	a := e.actions[n]
	if a == nil {
		a = &action{node: n, tree: e.tree, indent: e.indent}
		e.actions[n] = a
		e.order = append(e.order, a)
	}
	if err := at.print(a); err != nil {
		return at, e.fail(n.Pos, "%s: %w", n, err)
	}
	// An empty list of directives takes its line with it, but not the end of a comment.
	if a.as == directives && before != nil && !e.comment && bytes.HasSuffix(before.Text, []byte("\n"+e.indent)) {
		a.before = before
	}
	return at, nil
}

// branch reads {{if}} and {{with}}, which have to end in the same place whether the condition holds or not.
func (e *escaper) branch(n *syntax.BranchNode, at cursor) (cursor, error) {
	if err := e.pipe(n.Pipe); err != nil {
		return at, err
	}
	then, err := e.list(n.List, at)
	if err != nil {
		return at, err
	}
	other, err := e.list(n.ElseList, at)
	if err != nil {
		return at, err
	}
	end, ok := join(then, other)
	if !ok {
		return at, e.fail(n.Pos, "{{%s}} ends %s, but otherwise %s", n.Pipe, then.place, other.place)
	}
	return end, nil
}

// loop reads {{range}}, whose body has to end where it can start again. The body is read until it starts
// nowhere new. That comes soon: a join only adds to what it is given, and there is little to add.
func (e *escaper) loop(n *syntax.RangeNode, at cursor) (cursor, error) {
	if err := e.pipe(n.Pipe); err != nil {
		return at, err
	}
	begin, end := at, at
	for {
		var err error
		if end, err = e.list(n.List, begin); err != nil {
			return at, err
		}
		next, ok := join(begin, end)
		if !ok {
			return at, e.fail(n.Pos, "the body of {{range %s}} starts %s, but ends %s", n.Pipe, begin.place, end.place)
		}
		if next.place == begin.place && len(next.pending) == len(begin.pending) {
			break
		}
		begin = next
	}
	none, err := e.list(n.ElseList, at)
	if err != nil {
		return at, err
	}
	out, ok := join(end, none)
	if !ok {
		return at, e.fail(n.Pos, "{{range %s}} ends %s, but if there is nothing to range over %s", n.Pipe, end.place, none.place)
	}
	return out, nil
}

// call reads {{template}}. Templates begin and end between directives, so they are called there.
func (e *escaper) call(n *syntax.TemplateNode, at cursor) error {
	if err := e.pipe(n.Pipe); err != nil {
		return err
	}
	if at.mode != betweenDirectives || at.inTable() {
		return e.fail(n.Pos, "%s stands %s; a template can be called between directives only", n, at.place)
	}
	if t := e.set.Lookup(n.Name); t == nil || t.Tree == nil {
		return e.fail(n.Pos, "%s: there is no such template", n)
	}
	return nil
}

// place is where the next byte stands in NGINX's syntax, as ngx_conf_read_token sees it.
type place struct {
	mode    mode
	named   bool      // the first word of the directive has ended
	names   string    // what the first word may be, by branch, one a line
	blocks  string    // the kinds of the open blocks, outermost first
	closed  bool      // only a blank, a ; or a { can follow the word
	escaped bool      // the byte before is a backslash
	dollar  bool      // the word so far ends in a $ that makes a { belong to it
	ref     reference // the variable that the byte before is part of
	last    byte      // in Lua, the byte before if it can start something
}

type mode uint8

const (
	betweenDirectives mode = iota
	betweenWords
	inWord
	inDouble
	inSingle
	inComment
	inLua // and all that follow
	inLuaOpened
	inLuaDouble
	inLuaSingle
	inLuaPrinted
	inLuaComment
)

func (p place) String() string {
	where := [...]string{
		"between directives", "between the words of a directive", "in a word", "in double quotes", "in single quotes",
		"in a comment", "in Lua source", "in a Lua string", "in a Lua string", "in a Lua string", "in a Lua string", "in a Lua comment",
	}[p.mode]
	if p.names != "" {
		where += " of " + strings.ReplaceAll(p.names, "\n", " or ")
	}
	return fmt.Sprintf("%s at depth %d", where, len(p.blocks))
}

// Kinds of blocks.
const (
	ordinaryBlock = 'b'
	tableBlock    = 't' // the first word of a line is data: map, geo, split_clients
	luaBlock      = 'l'
)

func blockKind(directive string) byte {
	switch {
	case strings.HasSuffix(directive, "_by_lua_block"):
		return luaBlock
	case directive == "map" || directive == "geo" || directive == "split_clients":
		return tableBlock
	}
	return ordinaryBlock
}

// reference is how much of a reference to a variable has been read. A later one asks for more care.
type reference uint8

const (
	noVariable     reference = iota
	variableName             // $name
	variableBraced           // ${name
	variableDollar           // $
	variableOpened           // ${
)

// cursor is a place, with the actions that are all of the word read so far: as long as no more of the word
// follows, they can write any text as an argument of its own, in quotes if it needs them.
type cursor struct {
	place
	pending []*action
}

// join is the place after two branches. It is none if the same text could then mean two things.
func join(a, b cursor) (cursor, bool) {
	x, y := a.place, b.place
	if x.names != y.names {
		names := append(strings.Split(x.names, "\n"), strings.Split(y.names, "\n")...)
		slices.Sort(names)
		names = slices.Compact(names)
		if len(names) > 16 { // or a loop could go on naming a directive
			return a, false
		}
		x.names = strings.Join(names, "\n")
		y.names = x.names
	}
	if x.ref < variableDollar && y.ref < variableDollar {
		x.ref = max(x.ref, y.ref)
		y.ref = x.ref
	}
	if x.inWords() && y.inWords() {
		// As in "listen 80{{if .Default}} default_server{{end}};": what ends a word can follow either.
		x.closed = x.closed || y.closed || x.mode != y.mode || x.named != y.named
		y.closed = x.closed
		if x.closed {
			x.mode, y.mode, x.named, y.named = inWord, inWord, true, true
		}
	}
	out := cursor{x, slices.Clip(a.pending)}
	for _, p := range b.pending {
		if !slices.Contains(out.pending, p) {
			out.pending = append(out.pending, p)
		}
	}
	return out, x == y
}

func (p *place) inWords() bool { return p.mode == betweenWords || p.mode == inWord }

func (p *place) inTable() bool { return strings.HasSuffix(p.blocks, string(tableBlock)) }

// read moves past one byte of text.
func (c *cursor) read(b byte) error {
	switch c.mode {
	case betweenDirectives, betweenWords:
		return c.readBetween(b)
	case inWord:
		return c.readWord(b)
	case inDouble:
		c.readQuoted(b, '"')
	case inSingle:
		c.readQuoted(b, '\'')
	case inComment:
		if b == '\n' {
			c.mode = betweenDirectives
			if c.named {
				c.mode = betweenWords
			}
		}
	default:
		return c.readLua(b)
	}
	return nil
}

func (c *cursor) readBetween(b byte) error {
	switch b {
	case ' ', '\t', '\r', '\n':
	case '#':
		c.mode = inComment
	case '"':
		c.mode = inDouble
	case '\'':
		c.mode = inSingle
	case '}':
		if c.mode == betweenWords || c.blocks == "" {
			return fmt.Errorf("unexpected }")
		}
		c.close()
	case ';', '{':
		if c.mode == betweenDirectives {
			return fmt.Errorf("unexpected %c", b)
		}
		return c.endDirective(b)
	default:
		c.mode = inWord
		return c.readWord(b)
	}
	return nil
}

func (c *cursor) readWord(b byte) error {
	switch {
	case c.escaped:
		c.escaped = false
		c.letter(b)
		return nil
	case b == ' ' || b == '\t' || b == '\r' || b == '\n':
		c.place = place{mode: betweenWords, named: true, names: c.names, blocks: c.blocks}
		c.pending = nil
		return nil
	case b == ';' || b == '{' && !c.dollar:
		return c.endDirective(b)
	case c.closed && b == ')':
		// NGINX reads a bracket after quotes as a word of its own, for the sake of if.
		c.closed, c.named = false, true
	case c.closed:
		return fmt.Errorf("unexpected %q after a word that has ended", b)
	}
	c.escaped = b == '\\'
	c.dollar = b == '$' || b == '{'
	c.letter(b)
	return c.settle()
}

func (c *cursor) readQuoted(b, quote byte) {
	switch {
	case c.escaped:
		c.escaped = false
	case b == quote:
		c.mode, c.closed, c.ref = inWord, true, noVariable
		return
	case b == '\\':
		c.escaped = true
	}
	c.letter(b)
}

// letter notes a byte of a word.
func (c *cursor) letter(b byte) {
	if !c.named && len(c.names) < 4096 { // longer than NGINX reads
		c.names = strings.ReplaceAll(c.names, "\n", string([]byte{b, '\n'})) + string([]byte{b})
	}
	switch {
	case b == '$':
		c.ref = variableDollar
	case c.ref == variableDollar && b == '{':
		c.ref = variableOpened
	case c.ref == variableDollar && '1' <= b && b <= '9': // a capture is one digit
		c.ref = noVariable
	case c.ref >= variableBraced && c.ref != variableDollar && b != '}':
		c.ref = variableBraced
	case (c.ref == variableDollar || c.ref == variableName) && isNameByte(b):
		c.ref = variableName
	default:
		c.ref = noVariable
	}
}

// endDirective reads the ; or { after the last word.
func (c *cursor) endDirective(b byte) error {
	next := cursor{place: place{blocks: c.blocks}}
	if b == '{' {
		opened := byte(0)
		for _, name := range strings.Split(c.names, "\n") {
			if opened != 0 && opened != blockKind(name) {
				return fmt.Errorf("it depends on a condition what the block is that opens here")
			}
			opened = blockKind(name)
		}
		if c.inTable() {
			return fmt.Errorf("unexpected { in a table")
		}
		next.blocks += string(opened)
		if opened == luaBlock {
			next.mode = inLua
		}
	}
	*c = next
	return nil
}

// close reads the } that ends a block.
func (c *cursor) close() {
	c.place = place{blocks: c.blocks[:len(c.blocks)-1]}
	if strings.HasSuffix(c.blocks, string(luaBlock)) {
		c.mode = inLua
	}
}

// readLua reads enough of Lua to find the end of the block and of strings. What would take more is refused,
// such as braces that count for some readers and not for others.
func (c *cursor) readLua(b byte) error {
	last := c.last
	c.last = 0
	inCode := c.mode == inLua
	switch {
	case (b == '{' || b == '}') && !inCode:
		return fmt.Errorf("unexpected %c in a Lua string or comment; put such code in a file", b)
	case c.mode == inLuaPrinted && b != '"':
		return fmt.Errorf("unexpected %q: an action in Lua source has to be all of a string in double quotes", b)
	case last == '[' && (b == '[' || b == '='):
		return fmt.Errorf("long brackets are not supported in Lua source; put such code in a file")
	case c.escaped:
		c.escaped = false
	case c.mode == inLuaComment && b == '\n', c.mode == inLuaSingle && b == '\'',
		(c.mode == inLuaOpened || c.mode == inLuaDouble || c.mode == inLuaPrinted) && b == '"':
		c.mode = inLua
	case c.mode == inLuaOpened || c.mode == inLuaDouble:
		c.mode, c.escaped = inLuaDouble, b == '\\'
	case c.mode == inLuaSingle:
		c.escaped = b == '\\'
	case c.mode == inLuaComment:
		if last == '-' && b == '[' {
			c.last = b
		}
	case b == '"':
		c.mode = inLuaOpened
	case b == '\'':
		c.mode = inLuaSingle
	case b == '-' && last == '-':
		c.mode, c.last = inLuaComment, '-'
	case b == '-' || b == '[':
		c.last = b
	case b == '{':
		c.blocks += string(luaBlock)
	case b == '}':
		c.close()
	}
	return nil
}
