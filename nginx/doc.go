// Package nginx holds the words NGINX understands: servers, locations, upstreams and the directives in
// them, and the only code that quotes. It turns typed values into configuration text and back (Parse).
//
// It knows nothing of Kubernetes or of annotations, does no I/O and imports nothing of ours.
package nginx
