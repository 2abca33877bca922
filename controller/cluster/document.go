package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	yamlv2 "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"
)

// document is one of the documents of a file, as text: YAML, or one JSON value.
type document struct {
	line int // of the file, counted from 1, where text begins
	text []byte
}

// split cuts a file at its "---" and "..." lines. It looks at nothing else, so that a document nobody can
// parse does not take the others with it. YAML allows neither line inside a value.
func split(data []byte) []document {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var docs []document
	begin, beginLine := 0, 1
	for at, line := 0, 1; at < len(data); line++ {
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		if isSeparator(data[at:next]) {
			docs = appendDocument(docs, document{beginLine, data[begin:at]})
			// A document may begin on the line of its separator.
			begin, beginLine = at+len("---"), line
		}
		at = next
	}
	return appendDocument(docs, document{beginLine, data[begin:]})
}

func isSeparator(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("---")) && !bytes.HasPrefix(line, []byte("...")) {
		return false
	}
	return len(line) == len("---") || strings.IndexByte(" \t\r\n", line[len("---")]) >= 0
}

// appendDocument leaves out the lines that say nothing before the first that does, and documents that
// have only such lines.
func appendDocument(docs []document, doc document) []document {
	for len(doc.text) > 0 {
		line, rest, _ := bytes.Cut(doc.text, []byte("\n"))
		line = bytes.TrimSpace(line)
		// "%" begins a directive, such as the version of YAML.
		if len(line) > 0 && line[0] != '#' && line[0] != '%' {
			return append(docs, doc)
		}
		doc = document{doc.line + 1, rest}
	}
	return docs
}

// jsonValues takes JSON values off the front of a document: they may follow each other without a separator.
// The rest is YAML, or broken.
func jsonValues(doc document) (values []document, rest document) {
	rest = doc
	for {
		text := bytes.TrimLeft(rest.text, " \t\r\n")
		if len(text) == 0 || text[0] != '{' {
			return values, rest
		}
		var value json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(text))
		if dec.Decode(&value) != nil {
			return values, rest
		}
		end := len(rest.text) - len(text) + int(dec.InputOffset())
		values = append(values, document{rest.line + lines(rest.text[:len(rest.text)-len(text)]), value})
		rest = document{rest.line + lines(rest.text[:end]), rest.text[end:]}
	}
}

func lines(text []byte) int { return bytes.Count(text, []byte("\n")) }

// duplicate is a key that stands twice in one mapping.
type duplicate struct {
	line int // of the file
	key  string
}

// toJSON turns a YAML document into JSON. A key that stands twice has its last value, as with kubectl.
func toJSON(doc document) (data []byte, twice []duplicate, err error) {
	if tooLarge(doc.text) {
		return nil, nil, errors.New("its aliases make it too large")
	}
	if hasSecond(doc.text) {
		return nil, nil, errors.New("something follows the end of the document; it needs a line of --- before it")
	}
	data, err = yaml.YAMLToJSONStrict(doc.text)
	if err == nil {
		return data, nil, nil
	}
	// Either only keys stand twice, or the second attempt fails for the same reason as the first.
	var problems *yamlv2.TypeError
	if errors.As(err, &problems) {
		for _, problem := range problems.Errors {
			twice = append(twice, parseDuplicate(doc, problem))
		}
	}
	data, err = yaml.YAMLToJSON(doc.text)
	if err != nil {
		return nil, nil, errors.New(yamlMessage(doc, err))
	}
	return data, twice, nil
}

var duplicateKey = regexp.MustCompile(`(?s)^line (\d+): key (.*) already set in map$`)

func parseDuplicate(doc document, problem string) duplicate {
	found := duplicateKey.FindStringSubmatch(problem)
	if found == nil {
		return duplicate{line: doc.line}
	}
	line, _ := strconv.Atoi(found[1])
	name, err := strconv.Unquote(found[2])
	if err != nil {
		name = found[2] // a number or a boolean, which has no quotes
	}
	return duplicate{doc.line + line - 1, name}
}

// maxExpanded bounds what a document becomes when its aliases are written out. The YAML library bounds how
// many values that makes, but not how long they are: a few kilobytes could fill the memory.
const maxExpanded = 4 * maxFile

func tooLarge(text []byte) bool {
	if bytes.IndexByte(text, '&') < 0 || bytes.IndexByte(text, '*') < 0 {
		return false
	}
	var value any
	if yamlv2.Unmarshal(text, &value) != nil {
		return false // the conversion says why
	}
	return size(value, maxExpanded) > maxExpanded
}

// size is about how many bytes a value is as JSON. It stops counting beyond limit.
func size(value any, limit int) int {
	total := len(`"",`)
	add := func(v any) bool {
		total += size(v, limit-total)
		return total <= limit
	}
	switch value := value.(type) {
	case string:
		total += len(value)
	case []any:
		for _, item := range value {
			if !add(item) {
				break
			}
		}
	case map[any]any:
		for k, v := range value {
			if !add(k) || !add(v) {
				break
			}
		}
	}
	return total
}

// hasSecond says whether something follows a mapping in braces. The conversion to JSON would leave it out
// without a word; after anything else it is a syntax error.
func hasSecond(text []byte) bool {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return false
	}
	dec := yamlv2.NewDecoder(bytes.NewReader(text))
	if dec.Decode(new(any)) != nil {
		return false // the conversion says why
	}
	return !errors.Is(dec.Decode(new(any)), io.EOF)
}

var (
	yamlLine = regexp.MustCompile(`\bline (\d+)`)
	template = regexp.MustCompile(`\{\{.*\}\}`)
)

// yamlMessage words an error of the YAML library: lines are those of the file, and values are left out, as
// they may be secret.
func yamlMessage(doc document, err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	switch {
	case strings.Contains(text, "map key"):
		text = "a key is not text"
	case strings.Contains(text, "cannot decode"):
		text = "a value is not what its tag says"
	}
	text = yamlLine.ReplaceAllStringFunc(text, func(found string) string {
		line, _ := strconv.Atoi(strings.TrimPrefix(found, "line "))
		return fmt.Sprintf("line %d", doc.line+line-1)
	})
	if template.Match(doc.text) {
		text += "; it looks like a template, which has to be rendered first"
	}
	return "not valid YAML: " + text
}

// Document is one of the documents of a manifest: YAML, or one JSON value.
type Document struct {
	Line int // of the file, from 1, in which Text begins
	Text []byte
}

// Documents cuts a manifest as Decode does.
func Documents(data []byte) []Document {
	var list []Document
	for _, doc := range split(data) {
		values, rest := jsonValues(doc)
		for _, d := range appendDocument(values, rest) {
			list = append(list, Document{d.line, d.text})
		}
	}
	return list
}

// JSON is the document as one JSON value. The errors are those that Decode notes.
func (d Document) JSON() ([]byte, error) {
	data, _, err := toJSON(document{d.Line, d.Text})
	return data, err
}
