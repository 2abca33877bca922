// Package dataplane lets a controller drive an NGINX that runs in another container, where nothing of the controller's can be
// read: its token above all. Server is the side of NGINX, around a supervisor. Client is the controller's side, with the
// methods of that supervisor.
//
// They speak HTTP over a Unix socket. The cut is where the supervisor is called, so that NGINX is kept alive, with all
// its state, by the process beside it, whether or not there is a controller. What crosses the socket is proportional to
// what changed: of the state, the documents that workers get too (dynamic.Update); of a configuration, the files that differ.
//
//	GET  /session?protocol=N  opens a session. The answer does not end: one JSON object a line, see event. The first is
//	                          "hello", which names the session. A new session ends the one before, and the session ends
//	                          with its connection.
//	POST /state               dynamic.Update documents, one a line: a reset in several, or one difference
//	POST /settle              removes what the last state no longer has
//	POST /configuration       multipart: a manifest in JSON, then the files that differ from those sent before
//	POST /test                the same; NGINX only says what it thinks of it
//	GET  /status              supervisor.Status
//	POST /measures            a traffic.Question; the answer is a traffic.Report, of requests and processes
//	POST /workers             names of backends; the answer is an inspect.Report, of workers and these
//	POST /release             nobody sends requests any more; the answer says whether NGINX ends
//
// All but the first carry the session in the header Sluice-Session. Errors are answer documents:
//
//	400  the document makes no sense
//	409  the session has ended, or the difference is not to what was sent before: everything has to be sent again
//	422  NGINX refuses the configuration itself; the answer says which generation, where and why
//	502  NGINX could not be made to have it; the document itself has arrived
//	505  the other side speaks another version of this protocol; both containers have to have the same image
//
// Keys of certificates cross the socket, so nothing of a document is ever logged or repeated in an error. The client takes
// what the server says for the word of a stranger: answers and events are bounded, and decide nothing outside the pod.
package dataplane
