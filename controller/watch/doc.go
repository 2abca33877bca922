// Package watch is a source of snapshots: a cluster, followed through its API server.
//
// It turns what the API server tells into cluster.Snapshots. What Ingresses of ours refer to is in them, and
// nothing else is; what happens to other objects makes no new Snapshot and costs none. When the API server does
// not answer, what it last said stays in force. The package writes nothing, and asks for no more than Permissions
// lists.
//
// # Reflectors, not informers
//
// Client-go's reflectors list, watch, and reconnect with a growing pause, as below every shared informer. They
// write into tables of ours, behind one lock. An informer would keep objects a second time, tell handlers later
// and in no order between kinds, and replace the pointer of an object that has not changed, while the planner
// knows by the pointer what it need not do again.
//
// # Secrets and ConfigMaps
//
// No list or watch ever carries the content of a Secret or ConfigMap to which nothing of ours refers. For each
// namespace in which something is referred to, one watch carries metadata alone: names and versions. It says when
// to look; a list with a field selector for the one name is the look. When such namespaces become very many, one
// watch of all metadata takes the place of theirs.
//
// The obvious alternative is a watch for each object. It carries even less, but costs, as measured, 40 to 85 KB and
// four goroutines here, and more in the API server; 5,000 of them took 15 s and 430 MB to start, and all come back
// at once when the API server does. Watching the content of whole namespaces would bring every token, key store
// and Helm release through this process. The price of ours is a request per change, some milliseconds.
//
// "list" and "watch" are all the verbs it takes, so ingress-nginx's roles do. A role in some namespaces only is
// enough for what is referred to there.
//
// # Held back
//
// A new version of an Ingress, or of the controller's ConfigMap, is not shown before each Secret and ConfigMap it
// refers to has been looked up. Else an Ingress would answer 503, or serve the wrong certificate, for the moment
// between the two, and complain of a Secret that is there.
package watch
