package nginx

import (
	"strconv"
	"strings"
)

// Condition is the condition of an if without its parentheses, which may stand apart.
func Condition(args []string) []string {
	words := append([]string{}, args...)
	if len(words) == 0 {
		return nil
	}
	words[0] = strings.TrimPrefix(words[0], "(")
	last := len(words) - 1
	words[last] = strings.TrimSuffix(words[last], ")")
	if words[0] == "" {
		words = words[1:]
	}
	if last = len(words) - 1; last >= 0 && words[last] == "" && args[len(args)-1] == ")" {
		words = words[:last]
	}
	return words
}

// ReadErrorPage takes an error_page apart: the statuses, what their answer's status is changed to (0 for that of the answer, -1 for
// no change), and where they are sent.
func ReadErrorPage(d Parsed) (codes []int, change int, to string) {
	change = -1
	words := d.Words[1:]
	to = words[len(words)-1]
	for _, word := range words[:len(words)-1] {
		if text, is := strings.CutPrefix(word, "="); is {
			change, _ = strconv.Atoi(text) // none is 0
		} else if code, err := strconv.Atoi(word); err == nil {
			codes = append(codes, code)
		}
	}
	return codes, change, to
}
