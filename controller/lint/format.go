package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// reasonsPage is the page that explains reasons.
const reasonsPage = "https://github.com/sluice-ingress/sluice/blob/main/docs/reasons.md"

// Link leads to what a reason means.
func Link(r Reason) string { return reasonsPage + "#" + strings.ToLower(string(r)) }

// Format writes findings for one kind of reader. Version is that of the program.
type Format func(w io.Writer, findings Findings, version string) error

// Formats are all formats, by name.
var Formats = map[string]Format{"text": writeText, "json": writeJSON, "github": writeGitHub, "sarif": writeSARIF}

// place is where a finding stands, as compilers write it; "" if that is not known.
func (f Finding) place() string {
	switch {
	case f.File == "":
		return ""
	case f.Line == 0:
		return f.File
	case f.Column == 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// subject is the object and the field.
func (f Finding) subject() string {
	return strings.Trim(f.Object.String()+": "+f.Field, ": ")
}

// writeText writes a line for each finding as sluice render does, with the column, and below them where each reason is
// explained.
func writeText(w io.Writer, findings Findings, _ string) error {
	var b strings.Builder
	reasons := map[Reason]bool{}
	for _, f := range findings {
		reasons[f.Reason] = true
		for _, part := range []string{f.place(), f.Severity.String(), f.subject()} {
			if part != "" {
				b.WriteString(part + ": ")
			}
		}
		fmt.Fprintf(&b, "%s (%s)\n", f.Message, f.Reason)
		if f.Instead != "" {
			b.WriteString("  write instead:\n")
			for line := range strings.Lines(f.Instead) {
				b.WriteString("    " + line)
			}
		}
	}
	if len(reasons) > 0 {
		b.WriteString("\n")
	}
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(&b, "%s: %s\n", r, Link(r))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// entry is a finding in JSON.
type entry struct {
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	Severity  string `json:"severity"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Field     string `json:"field,omitempty"`
	Reason    Reason `json:"reason"`
	Message   string `json:"message"`
	Instead   string `json:"instead,omitempty"`
	Link      string `json:"link"`
}

func writeJSON(w io.Writer, findings Findings, version string) error {
	list := make([]entry, 0, len(findings))
	for _, f := range findings {
		list = append(list, entry{
			f.File, f.Line, f.Column, f.Severity.String(), f.Object.Kind, f.Object.Namespace, f.Object.Name,
			f.Field, f.Reason, f.Message, f.Instead, Link(f.Reason),
		})
	}
	return indented(w, struct {
		Version  string  `json:"version"`
		Findings []entry `json:"findings"`
	}{version, list})
}

func indented(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// writeGitHub writes the commands with which a step of a GitHub workflow puts notes into the lines of a change.
func writeGitHub(w io.Writer, findings Findings, _ string) error {
	commands := map[cluster.Severity]string{cluster.Info: "notice", cluster.Warning: "warning", cluster.Error: "error"}
	var b strings.Builder
	for _, f := range findings {
		var properties []string
		add := func(name, value string) { properties = append(properties, name+"="+inProperty.Replace(value)) }
		if f.File != "" {
			add("file", f.File)
		}
		if f.Line > 0 {
			add("line", fmt.Sprint(f.Line))
		}
		if f.Column > 0 {
			add("col", fmt.Sprint(f.Column))
		}
		add("title", string(f.Reason))
		message := f.Message
		if subject := f.subject(); subject != "" {
			message = subject + ": " + message
		}
		if f.Instead != "" {
			message += "\nwrite instead:\n" + f.Instead
		}
		fmt.Fprintf(&b, "::%s %s::%s\n", commands[f.Severity], strings.Join(properties, ","), inMessage.Replace(message))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// What GitHub's runner takes back out of workflow commands, as its toolkit writes them.
var (
	inMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// The parts of SARIF 2.1.0 (OASIS) that say what was found where.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string `json:"id"`
		HelpURI string `json:"helpUri"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

func writeSARIF(w io.Writer, findings Findings, version string) error {
	driver := sarifDriver{Name: "sluice lint", Version: version, InformationURI: "https://github.com/sluice-ingress/sluice", Rules: []sarifRule{}}
	results := []sarifResult{}
	index := map[Reason]int{}
	for _, f := range findings {
		if _, known := index[f.Reason]; !known {
			index[f.Reason] = len(driver.Rules)
			driver.Rules = append(driver.Rules, sarifRule{string(f.Reason), Link(f.Reason)})
		}
		results = append(results, f.sarif(index[f.Reason]))
	}
	return indented(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{{sarifTool{driver}, "unicodeCodePoints", results}},
	})
}

func (f Finding) sarif(rule int) sarifResult {
	levels := map[cluster.Severity]string{cluster.Info: "note", cluster.Warning: "warning", cluster.Error: "error"}
	message := f.Message
	if f.Instead != "" {
		message += "\nwrite instead:\n" + f.Instead
	}
	result := sarifResult{RuleID: string(f.Reason), RuleIndex: rule, Level: levels[f.Severity], Message: sarifMessage{message}}
	var at sarifLocation
	if f.File != "" {
		at.Physical = &sarifPhysical{Artifact: sarifArtifact{fileURI(f.File)}}
		if f.Line > 0 {
			at.Physical.Region = &sarifRegion{f.Line, f.Column}
		}
	}
	if subject := f.subject(); subject != "" {
		at.Logical = []sarifLogical{{subject, "resource"}}
	}
	if at.Physical != nil || at.Logical != nil {
		result.Locations = []sarifLocation{at}
	}
	return result
}

// fileURI is a file's name as a URI: relative ones are relative to where the program was started.
func fileURI(name string) string {
	u := url.URL{Path: name}
	if path.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}
