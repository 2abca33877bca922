// Package diagnosis turns what a cluster shows of its ingress controllers into findings: what is in order, what is not, why, and what
// mends it. What is wrong with objects of users it takes from the plan; of its own it knows only what no plan looks at: pods, Leases,
// webhooks, addresses, and controllers that take each other's Ingresses. It asks nobody and changes nothing.
package diagnosis
