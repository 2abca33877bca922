// Package admission turns a change of an Ingress that somebody asks for into what is to be said of it: refused, and why,
// or allowed, with warnings.
//
// It makes the Plan that everybody makes, for the Ingress and those that it has to do with, and looks at the Problems.
// It has no rules of its own about what is right. It touches nothing, so no object under review can.
package admission
