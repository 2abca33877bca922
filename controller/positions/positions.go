// Package positions turns the path of a field, as Problems have it, into the line and column at which it stands in a manifest.
// It reads text only: what an object means is not its business, and it never fails; what it cannot find has the position of what
// is around it.
package positions

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Position is a place in a text. Both count from 1; columns are Unicode code points.
type Position struct{ Line, Column int }

// File is a manifest whose fields can be found.
type File struct{ documents []document }

type document struct {
	line  int // of the file, where its text begins
	shift int // columns that stand before the text in that line
	root  *yaml.Node
}

// Parse reads a manifest, YAML or JSON. Documents that are neither are left out.
func Parse(data []byte) File {
	var f File
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	lines := bytes.Split(data, []byte("\n"))
	for _, doc := range cluster.Documents(data) {
		var parsed yaml.Node
		if yaml.Unmarshal(spaced(doc.Text), &parsed) != nil || len(parsed.Content) != 1 {
			continue
		}
		f.documents = append(f.documents, document{doc.Line, shift(lines, doc), parsed.Content[0]})
	}
	return f
}

// spaced is JSON with spaces in place of tabs, which YAML does not take between its words. JSON has none within them.
func spaced(text []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return text
	}
	return bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
}

// shift is how many columns of its first line stand before a document: "--- " or another JSON value.
func shift(lines [][]byte, doc cluster.Document) int {
	if doc.Line > len(lines) {
		return 0
	}
	first, _, _ := bytes.Cut(doc.Text, []byte("\n"))
	before := bytes.LastIndex(lines[doc.Line-1], first)
	return utf8.RuneCount(lines[doc.Line-1][:max(before, 0)])
}

// Find is where a field of an object stands: the key, or the item of a list. The object is named as Notes name it, in
// "Ingress shop/web", and the line is that of its document; 0 stands for any. A field that is not there has the position of
// what would hold it. Without such an object the position is that of the document.
func (f File) Find(object, field string, line int) (Position, bool) {
	var found Position
	ok := false
	for _, doc := range f.documents {
		if line != 0 && doc.line != line {
			continue
		}
		root := doc.object(object)
		if root == nil && (line == 0 || object != "") {
			continue
		}
		if root == nil {
			root = doc.root
		}
		found, ok = doc.position(at(root, root, field)), true // of several, the last counts
	}
	return found, ok
}

func (d document) position(n *yaml.Node) Position {
	p := Position{d.line + n.Line - 1, n.Column}
	if n.Line == 1 {
		p.Column += d.shift
	}
	return p
}

// maxDepth is how deep lists may stand in lists, and merges in merges.
const maxDepth = 4

// object finds the last object of that name in the document, which may be a list; nil if there is none.
func (d document) object(name string) *yaml.Node { return objectIn(d.root, name, "", maxDepth) }

// objectIn looks at a value; items of a typed list have the kind that the list gives them.
func objectIn(n *yaml.Node, name, kind string, depth int) *yaml.Node {
	n = target(n)
	if own := text(n, "kind"); own != "" {
		kind = own
	}
	items := value(n, "items", maxDepth)
	if items = target(items); items != nil && strings.HasSuffix(kind, "List") && depth > 0 {
		var found *yaml.Node
		for _, item := range items.Content {
			if o := objectIn(item, name, strings.TrimSuffix(kind, "List"), depth-1); o != nil {
				found = o
			}
		}
		return found
	}
	if names(n, kind, name) {
		return n
	}
	return nil
}

// names tells whether a value is the object that is called so.
func names(n *yaml.Node, kind, want string) bool {
	metadata := value(n, "metadata", maxDepth)
	called, namespace := text(metadata, "name"), text(metadata, "namespace")
	switch want {
	case kind, kind + " " + called, kind + " " + namespace + "/" + called:
		return kind != ""
	case kind + " " + metav1.NamespaceDefault + "/" + called:
		return namespace == ""
	}
	return false
}

func target(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func text(n *yaml.Node, key string) string {
	if v := target(value(n, key, maxDepth)); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// value is what a mapping has for a key; nil for nothing.
func value(n *yaml.Node, key string, depth int) *yaml.Node {
	_, v := pair(n, key, depth)
	return v
}

// pair is a key of a mapping with its value. Of equal keys the last counts, and the mapping's own come before those that it merges.
func pair(n *yaml.Node, key string, depth int) (k, v *yaml.Node) {
	n = target(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			k, v = n.Content[i], n.Content[i+1]
		}
	}
	if k != nil || depth == 0 {
		return k, v
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		merged := []*yaml.Node{n.Content[i+1]}
		if list := target(merged[0]); list.Kind == yaml.SequenceNode {
			merged = list.Content
		}
		for _, from := range merged {
			if k, v = pair(from, key, depth-1); k != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

// at follows a path from a value on. What says where we are is the key that led to the value, or the item itself.
func at(here, n *yaml.Node, path string) *yaml.Node {
	n = target(n)
	path = strings.TrimPrefix(path, ".")
	if n == nil || path == "" {
		return here
	}
	switch n.Kind {
	case yaml.SequenceNode:
		digits, rest, found := strings.Cut(strings.TrimPrefix(path, "["), "]")
		if i, err := strconv.Atoi(digits); found && err == nil && i >= 0 && i < len(n.Content) {
			return at(n.Content[i], n.Content[i], rest)
		}
	case yaml.MappingNode:
		if key, v, rest := step(n, path); key != nil {
			return at(key, v, rest)
		}
	}
	return here
}

// step takes the first key off a path. Keys may have dots in them, so the longest that is there counts.
func step(n *yaml.Node, path string) (key, v *yaml.Node, rest string) {
	if inside, isBracketed := strings.CutPrefix(path, "["); isBracketed {
		name, rest, _ := strings.Cut(inside, "]")
		key, v = pair(n, name, maxDepth)
		return key, v, rest
	}
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if key, v = pair(n, path[:end], maxDepth); key != nil {
			return key, v, path[end:]
		}
	}
	return nil, nil, ""
}
