// Package cluster owns what exists. It turns Kubernetes objects, from informers or from manifests, into
// a Snapshot with lookups, and says which Ingresses are ours.
//
// It never changes an object, never asks a server or a clock, and knows nothing of NGINX or annotations
// other than the class.
package cluster
