// Package explain turns a plan and a request into a Decision: which host and path take it, what redirects or refuses it, and
// what the pod sees that gets it.
//
// It has no rules of its own about annotations. It follows what the plan configures as NGINX would: the servers and locations
// of the plan's nginx.Config, the maps of its nginx.conf, and the endpoints and canaries of its dynamic.State. What it cannot
// follow, or what only shows when requests come, it says so and decides nothing by it. It never asks anybody: neither a cluster
// nor NGINX, nor DNS, nor a pod.
package explain
