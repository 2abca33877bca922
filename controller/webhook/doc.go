// Package webhook answers the API server's question whether an Ingress may be stored.
//
// It turns an AdmissionReview of admission.k8s.io/v1 into one with a response, over HTTPS. What is right it leaves to
// package admission; it only bounds what one question, and all together, may cost. It never starts a program, writes a
// file or changes an object. When it cannot answer it says so by a status other than 200, and the failurePolicy of the
// ValidatingWebhookConfiguration decides.
package webhook
