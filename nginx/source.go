package nginx

// Source says which annotations parts of a Server or Location come from.
type Source struct {
	Owner string   // the object; "" is that of the whole
	Parts []string // names of fields and, of what is in Body, of directives
	Keys  []string
}
