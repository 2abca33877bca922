package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/controller/admission"
	"github.com/sluice-ingress/sluice/controller/translate"
)

const (
	// mostWarnings and longestWarning keep to what the API server passes on: 256 characters of each, 4,096 of all.
	mostWarnings   = 15
	longestWarning = 256
	// mostRefusals is how many reasons a refusal has.
	mostRefusals = 10
)

// response is the answer to a review that was read. Code and reason of a refusal are ingress-nginx's.
func response(o outcome) admissionv1.AdmissionReview {
	r := &admissionv1.AdmissionResponse{UID: types.UID(o.uid), Allowed: true, Warnings: warnings(o)}
	if o.result == Refused {
		r.Allowed = false
		r.Result = &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusBadRequest, Reason: metav1.StatusReasonBadRequest, Message: refusal(o.verdict),
		}
	}
	return admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}, Response: r,
	}
}

// refusal has a line for each reason.
func refusal(v admission.Verdict) string {
	var lines []string
	for _, p := range v.Refusals[:min(len(v.Refusals), mostRefusals)] {
		lines = append(lines, line(p))
	}
	if more := len(v.Refusals) - mostRefusals; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// line is a Problem as Events, the log and `sluice render` have it.
func line(p translate.Problem) string {
	field := ""
	if p.Field != "" {
		field = p.Field + ": "
	}
	return fmt.Sprintf("%s: %s%s (%s)", p.Object, field, p.Message, p.Reason)
}

// warnings leave out the name of the Ingress itself, which whoever writes it knows, as there is little room.
func warnings(o outcome) []string {
	own := translate.Object{Kind: "Ingress", Namespace: o.ingress.Namespace, Name: o.ingress.Name}.String() + ": "
	var list []string
	for _, p := range o.verdict.Warnings[:min(len(o.verdict.Warnings), mostWarnings)] {
		list = append(list, shortened(strings.TrimPrefix(line(p), own)))
	}
	if more := len(o.verdict.Warnings) - mostWarnings; more > 0 {
		list = append(list, fmt.Sprintf("and %d more, which Events of the Ingress tell", more))
	}
	return list
}

func shortened(text string) string {
	if len(text) <= longestWarning {
		return text
	}
	const more = "..."
	cut := longestWarning - len(more)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + more
}
