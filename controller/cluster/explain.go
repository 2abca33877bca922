package cluster

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"
)

// explain words an error of decoding data: which field, and what it should have been. It repeats no value,
// as that may be secret.
func explain(data []byte, err error) (field, message string) {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fieldOf(data, wrongType), mustBe(wrongType)
	}
	var notBase64 base64.CorruptInputError
	if errors.As(err, &notBase64) {
		return plainField(data), "must be base64; plain text of a Secret belongs in stringData"
	}
	return "", fmt.Sprintf("cannot be decoded: %v", err)
}

func mustBe(wrong *json.UnmarshalTypeError) string {
	// A number is followed by its digits.
	given, _, isNumber := strings.Cut(wrong.Value, " ")
	switch wrong.Type.Kind() {
	case reflect.String:
		if given == "bool" || given == "number" {
			return fmt.Sprintf("must be text, not a %s; put it in quotes", given)
		}
		return fmt.Sprintf("must be text, not %s", withArticle(given))
	case reflect.Bool:
		return fmt.Sprintf("must be true or false, not %s", withArticle(given))
	case reflect.Slice, reflect.Array:
		if wrong.Type.Elem().Kind() == reflect.Uint8 {
			return fmt.Sprintf("must be text in base64, not %s", withArticle(given))
		}
		return fmt.Sprintf("must be a list, not %s", withArticle(given))
	case reflect.Map, reflect.Struct:
		return fmt.Sprintf("must be a mapping, not %s", withArticle(given))
	}
	if isNumber {
		return "must be a whole number, and not so large"
	}
	return fmt.Sprintf("must be a number, not %s", withArticle(given))
}

func withArticle(given string) string {
	switch given {
	case "array":
		return "a list"
	case "object":
		return "a mapping"
	case "string":
		return "text"
	}
	return "a " + given
}

// explainStrict words an error that does not keep an object from being used.
func explainStrict(err error) (field, message string) {
	var inField kjson.FieldError
	if errors.As(err, &inField) {
		field = inField.FieldPath()
	}
	if strings.HasPrefix(err.Error(), "duplicate") {
		return field, "stands twice; the last one counts"
	}
	return field, "unknown field, not used"
}

// fieldOf is the path of the value that has the wrong type. The error's own Field has neither the place in a
// list nor the key in a mapping. Its Offset leads to these, except for types that decode themselves: they
// count from the value.
func fieldOf(data []byte, wrong *json.UnmarshalTypeError) string {
	field := fieldAt(data, wrong.Offset)
	last := wrong.Field[strings.LastIndex(wrong.Field, ".")+1:]
	if !strings.Contains(field, last) {
		return wrong.Field
	}
	return field
}

// fieldAt is the path of the value that ends at offset, or that has begun there.
func fieldAt(data []byte, offset int64) string {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var at trail
	for {
		token, err := dec.Token()
		if err != nil {
			return ""
		}
		begins := at.take(token)
		if begins && dec.InputOffset() >= offset {
			return at.String()
		}
	}
}

// trail is where in a JSON value we are.
type trail []level

type level struct {
	list  bool
	key   string // in a mapping; empty before the first key and while the next is awaited
	await bool   // in a mapping: the next token is a key
	index int    // in a list; -1 before the first item
}

// take moves on by a token and says whether a value begins or stands there.
func (p *trail) take(token json.Token) bool {
	delim, isDelim := token.(json.Delim)
	if isDelim && (delim == '}' || delim == ']') {
		*p = (*p)[:len(*p)-1]
		return false
	}
	if len(*p) > 0 {
		last := &(*p)[len(*p)-1]
		switch {
		case last.list:
			last.index++
		case last.await:
			last.key, last.await = fmt.Sprint(token), false
			return false
		default:
			last.await = true
		}
	}
	if isDelim {
		*p = append(*p, level{list: delim == '[', await: delim == '{', index: -1})
	}
	return true
}

func (p trail) String() string {
	var b strings.Builder
	for _, l := range p {
		switch {
		case l.list && l.index >= 0:
			fmt.Fprintf(&b, "[%d]", l.index)
		case !l.list && l.key != "":
			b.WriteString("." + l.key)
		}
	}
	return strings.TrimPrefix(b.String(), ".")
}

// plainField finds the value of a Secret or ConfigMap that is not base64.
func plainField(data []byte) string {
	var o struct {
		Kind       string            `json:"kind"`
		Data       map[string]string `json:"data"`
		BinaryData map[string]string `json:"binaryData"`
	}
	if kjson.UnmarshalCaseSensitivePreserveInts(data, &o) != nil {
		return "data"
	}
	field, encoded := "data", o.Data
	if o.Kind == "ConfigMap" {
		field, encoded = "binaryData", o.BinaryData
	}
	for _, name := range slices.Sorted(maps.Keys(encoded)) {
		if _, err := base64.StdEncoding.DecodeString(encoded[name]); err != nil {
			return field + "." + name
		}
	}
	return field
}
