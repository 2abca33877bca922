// Package events turns what the controller does into Events of Kubernetes: on objects of users, what is wrong with
// them and that a change of them was read; on our own Pod, that NGINX was reloaded or refused to. It decides nothing
// and reads nothing back. Its rights are to create and patch Events of the core group in the namespaces of these
// objects, and to get our own Pod, whose UID is in the Events on it.
//
// # Core Events, and half of client-go's recorder
//
// Events of core/v1 are what ingress-nginx's roles allow, what kubectl describe looks for, and what shows a count.
// Client-go's recorder for events.k8s.io, package tools/events, needs rights in another group, and takes two Problems
// of one reason for one: its key leaves the message out.
//
// Of tools/record we use the correlator, which knows what an Event said before is called, so that saying it again
// raises its count. The broadcaster around it loses Events without telling anyone when 1,000 wait, and gives each up
// after two minutes without the API server. Here, what waits are the Problems that hold, 25 of an object, and no others:
// a plan is handed over as a whole, the newest takes the place of one not looked at yet, and a Problem that went away in
// the meantime is not written. So the queue is bounded by the plan, an API server that is away for hours costs no
// Problem, and the loop never waits. What is dropped all the same is counted, and said once.
//
// # Who writes
//
// Each replica writes about its own Pod. About other objects only the leader does; one that becomes leader writes the
// Problems that hold then. Namespaces take turns, and in each of them news goes before repetitions: a team with
// thousands of Problems delays nobody else's.
//
// An IngressClass has no namespace, and an Event on it would be in namespace default, where a role for other namespaces
// does not reach. Its Problems are on the leader's Pod; so are those of what flags name and does not exist.
//
// # What was there before
//
// Ingresses and ConfigMaps of a Recorder's first plan give no Event that they were read: after every restart there
// would be one for each. Problems give one again, since those of a former process may have expired.
package events
