package nginx

import "slices"

// The named locations that error_page may lead to. They are in each server that needs them; see templates/server.tmpl.
const (
	// ErrorLocation asks the error service, and answers what that answers.
	ErrorLocation = "@error"
	// GRPCErrorLocation tells clients of gRPC the status that they know in place of one of HTTP.
	GRPCErrorLocation = "@grpc_error"
)

// ErrorUpstream is the block through which error services are asked. Like $backend, which of them is meant is data, so that
// the block lists nobody.
const ErrorUpstream = "errors"

// ErrorPage is the directive that hands statuses over to a named location.
func ErrorPage(statuses []int, location string) Directive {
	args := make([]Arg, 0, len(statuses)+1)
	for _, status := range statuses {
		args = append(args, Int(status))
	}
	return D("error_page", append(args, Verbatim(location))...)
}

// HandsErrorsTo tells whether an error_page among the directives leads to the location.
func (ds Directives) HandsErrorsTo(location string) bool {
	return slices.ContainsFunc(ds, func(d Directive) bool {
		return d.Name == "error_page" && d.Args[len(d.Args)-1].Value() == location
	})
}

// HandsErrorsTo tells whether something in the server's block leads to the location. What it inherits does not count.
func (s *Server) HandsErrorsTo(location string) bool {
	return slices.ContainsFunc(s.Locations, func(l *Location) bool { return l.Body.HandsErrorsTo(location) }) ||
		slices.ContainsFunc(s.Shapes, func(shape *Shape) bool { return shape.Body.HandsErrorsTo(location) })
}

// AsksErrorService tells whether ErrorUpstream is needed.
func (c *Config) AsksErrorService() bool {
	return c.HTTP.Shared.HandsErrorsTo(ErrorLocation) ||
		slices.ContainsFunc(c.Servers, func(s *Server) bool { return s.HandsErrorsTo(ErrorLocation) })
}
