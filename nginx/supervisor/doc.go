// Package supervisor owns one running NGINX and its last good configuration. It turns nginx.Files and
// dynamic.State into a process that serves them: it writes files, tests, swaps, reloads, pushes state over
// the control socket, restarts what dies and stops without losing requests.
//
// It is the only package that does these things. It knows nothing of Kubernetes, nor why a configuration or
// a state changed, and it never changes what it is given.
//
// Two channels run side by side and never wait for each other: Apply (configuration, seconds) and Push with
// Settle (state, milliseconds). Run, started once, owns the process.
package supervisor
