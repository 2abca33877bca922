package translate

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Problem is a mistake of a user. It is the only way to report one: Events, lint lines, metrics and logs
// are made of it.
type Problem struct {
	Object   Object           `json:"object"`
	Field    string           `json:"field,omitempty"` // as in spec.rules[0].host, or an annotation's key
	Severity cluster.Severity `json:"severity"`
	Reason   Reason           `json:"reason"`
	Message  string           `json:"message"`        // what is wrong and what is served instead
	File     string           `json:"file,omitempty"` // where the object was read from, if from a file
	Line     int              `json:"line,omitempty"`

	// Rival is another object that has what this one asks for, if that is what is wrong; the message names it.
	Rival Object `json:"-"`
}

// Object names a Kubernetes object.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

func (o Object) String() string {
	switch {
	case o.Name == "":
		return o.Kind
	case o.Namespace == "":
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// Reason classes Problems. The list is fixed; docs/reasons.md explains each.
type Reason = annotations.Reason

// Reasons beside those of package annotations.
const (
	MissingService        Reason = "MissingService"
	MissingPort           Reason = "MissingServicePort"
	NoEndpoints           Reason = "NoEndpoints"
	BadExternalName       Reason = "InvalidExternalName"
	ExternalNameDisabled  Reason = "ExternalNameDisabled"
	ResourceBackend       Reason = "ResourceBackend"
	UnknownAppProtocol    Reason = "UnknownAppProtocol"
	InvalidHost           Reason = "InvalidHost"
	InvalidPath           Reason = "InvalidPath"
	UnusualPath           Reason = "UnusualPath"
	CannotBeWritten       Reason = "CannotBeWritten"
	RefusedByNGINX        Reason = "RefusedByNGINX"
	DuplicatePath         Reason = "DuplicatePath"
	UnusedCanary          Reason = "UnusedCanary"
	MissingSecret                = annotations.MissingSecret
	InvalidCertificate           = annotations.InvalidCertificate
	HostNotCovered        Reason = "CertificateDoesNotCoverHost"
	ExpiredCertificate    Reason = "CertificateExpired"
	NotClaimed            Reason = "NotClaimed"
	DuplicateCatchAll     Reason = "DuplicateDefaultBackend"
	CatchAllDisabled      Reason = "DefaultBackendsDisabled"
	UnsupportedParameters Reason = "UnsupportedParameters"
	MissingConfigMap             = annotations.MissingConfigMap
	InvalidValue                 = annotations.InvalidValue
	Conflict                     = annotations.Conflict
	UnreadableManifest    Reason = "UnreadableManifest"
)

// Problems is a list of Problems.
type Problems []Problem

// Sort orders Problems by object, field and text, so that equal input gives equal output.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Object.Kind, b.Object.Kind), cmp.Compare(a.Object.Namespace, b.Object.Namespace),
			cmp.Compare(a.Object.Name, b.Object.Name), cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Message, b.Message),
		)
	})
}

// Errors counts the Problems of severity error.
func (ps Problems) Errors() int {
	n := 0
	for _, p := range ps {
		if p.Severity == cluster.Error {
			n++
		}
	}
	return n
}

// longest is how much of a text a Problem repeats. Events take 1024 bytes in all.
const longest = 600

// Printable is the Problem with texts that fit for one line of a log.
func (p Problem) Printable() Problem {
	p.Field, p.Message = printable(p.Field), printable(p.Message)
	return p
}

// printable makes text that users wrote fit for one line of a log.
func printable(s string) string {
	isBad := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	if strings.IndexFunc(s, isBad) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isBad(r) {
			return '?'
		}
		return r
	}, s)
}
