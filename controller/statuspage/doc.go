// Package statuspage turns the newest plan, and what NGINX's workers say, into a page for people and the same as JSON: routes with
// their pods, certificates, Problems, reloads, workers. It is read-only: a request changes nothing, and holds up nobody but other
// readers of the page. Nothing that it gives out holds a key, a Secret's data or a ConfigMap's.
//
// Status is what is shown at one moment. Status.HTML and its JSON are functions of it alone; Page makes it, and answers requests.
package statuspage
