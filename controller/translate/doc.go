// Package translate says what Kubernetes objects mean: which hosts and paths there are, in which order,
// served by which endpoints with which certificate, and what is wrong with the objects.
//
// It turns a cluster.Snapshot into an nginx.Config, a dynamic.State and Problems. It is pure: it reads
// no clock, writes nothing and knows neither files nor the text of a configuration.
package translate
