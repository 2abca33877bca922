// Package docs gives programs what the documentation says of a reason, so that it is written once. It decides nothing.
package docs

import (
	_ "embed"
	"strings"
)

// Site is where the documentation of this repository is read.
const Site = "https://github.com/sluice-ingress/sluice/blob/main/docs/"

//go:embed reasons.md
var reasons string

// Reason is what reasons.md says of a reason of Problems, in plain text.
type Reason struct {
	Means string // what is wrong
	ToDo  string // what mends it
	Link  string
}

// ReasonOf finds a reason by its name. Of one that nobody knows it gives the link to all of them.
func ReasonOf(name string) Reason {
	_, section, found := strings.Cut(reasons, "\n## "+name+"\n")
	if !found {
		return Reason{Link: Site + "reasons.md"}
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return Reason{
		Means: paragraph(section, "**Means**: ", "**Served**"), ToDo: paragraph(section, "**To do**: ", "\n\n"),
		Link: Site + "reasons.md#" + strings.ToLower(name),
	}
}

// paragraph is the text between two marks on one line, without markup.
func paragraph(section, from, to string) string {
	_, text, _ := strings.Cut(section, from)
	text, _, _ = strings.Cut(text, to)
	return strings.ReplaceAll(unlinked(strings.Join(strings.Fields(text), " ")), "`", "")
}

// unlinked leaves the words of links.
func unlinked(text string) string {
	for {
		before, rest, found := strings.Cut(text, "](")
		open := strings.LastIndexByte(before, '[')
		if !found || open < 0 {
			return text
		}
		_, after, _ := strings.Cut(rest, ")")
		text = before[:open] + before[open+1:] + after
	}
}
