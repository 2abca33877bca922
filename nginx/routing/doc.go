// Package routing takes a configuration apart for dynamic mode: into shapes, which NGINX has to be told, and routes, which
// its workers get as data.
//
// What comes in is the configuration of compiled mode, so that whatever a feature does is done in both. It is pure: it
// neither writes text nor sends anything.
package routing
