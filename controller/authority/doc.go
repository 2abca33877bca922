// Package authority makes the certificate that the admission webhook serves, and makes the API server trust it.
//
// It turns an empty Secret into a certificate authority with a serving certificate, and keeps both from expiring. The
// leader writes; every replica reads. Nothing but one webhook trusts the authority, and nothing else is signed with it.
// It needs the verbs "get" and "update" on the Secret and "get" and "patch" on the ValidatingWebhookConfiguration, by
// their names.
package authority
