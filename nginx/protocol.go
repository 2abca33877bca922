package nginx

// Protocol is what NGINX speaks to a backend.
type Protocol uint8

const (
	// HTTP1 is HTTP/1.1 in the clear, also for WebSocket.
	HTTP1 Protocol = iota
	// HTTPS is HTTP/1.1 over TLS.
	HTTPS
	// AutoHTTP uses the scheme of the client's request.
	AutoHTTP
	// GRPC is gRPC in the clear.
	GRPC
	// GRPCS is gRPC over TLS.
	GRPCS
	// FCGI is FastCGI in the clear.
	FCGI

	// Protocols is how many there are.
	Protocols = iota
)

// IsTLS tells whether TLS is, or may be, spoken.
func (p Protocol) IsTLS() bool { return p == HTTPS || p == AutoHTTP || p == GRPCS }

// Block is the name of the Upstream that serves a backend over the protocol. NGINX keeps idle connections by
// upstream block and address, whatever was spoken on them, so no two protocols may share a block.
func (p Protocol) Block(backend string) string {
	return backend + [...]string{HTTP1: "", HTTPS: "_https", AutoHTTP: "_auto", GRPC: "_grpc", GRPCS: "_grpcs", FCGI: "_fcgi"}[p]
}

// Module is the prefix of the directives of the NGINX module that speaks the protocol.
func (p Protocol) Module() string {
	switch p {
	case GRPC, GRPCS:
		return "grpc"
	case FCGI:
		return "fastcgi"
	}
	return "proxy"
}
