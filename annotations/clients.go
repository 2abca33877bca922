package annotations

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	keepAlive = SecondsOf("keep-alive", 75).ConfigOnly().Example("30").
			Doc("After how many seconds an idle connection of a client is closed. 0 closes it after each answer.")
	keepAliveRequests = Int("keep-alive-requests", 1000, 0, maxCount).ConfigOnly().Example("10000").
				Doc("After how many requests a connection of a client is closed.")
	clientHeaderTimeout = waitOf("client-header-timeout").Example("10").
				Doc("How many seconds a client may take for the header of a request; then it gets 408.")
	clientBodyTimeout = waitOf("client-body-timeout").Example("10").
				Doc("How many seconds a client may be silent within the body of a request; then it gets 408.")
	clientHeaderBuffer = SizeOf("client-header-buffer-size", 1<<10, 256, 1<<20).ConfigOnly().Example("4k").
				Doc("Buffer for the header of a request that is short.")
	largeHeaderBuffers = New("large-client-header-buffers", headerBuffersKind, headerBuffers{4, 8 << 10}).ConfigOnly().Example("4 16k").
				Doc("How many buffers of which size there are for longer headers. A request line that does not fit into one is answered 414, a header 400.")
	useHTTP2 = Bool("use-http2", true).ConfigOnly().Example("false").
			Doc("Whether HTTP/2 is offered to clients, in TLS and in the clear.")
	http2Streams = Int("http2-max-concurrent-streams", 128, 1, maxCount).ConfigOnly().Example("256").
			Doc("How many requests may be under way on one connection of HTTP/2.")
)

var clientConnections = Feature{
	Name: "Connections of clients",
	Settings: Settings{
		keepAlive, keepAliveRequests, clientHeaderTimeout, clientBodyTimeout, clientHeaderBuffer, largeHeaderBuffers, useHTTP2, http2Streams,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		large := largeHeaderBuffers.In(v)
		h.Directives.Add("client_header_buffer_size", clientHeaderBuffer.In(v).Arg())
		h.Directives.Add("client_header_timeout", nginx.Seconds(clientHeaderTimeout.In(v)))
		h.Directives.Add("client_body_timeout", nginx.Seconds(clientBodyTimeout.In(v)))
		h.Directives.Add("large_client_header_buffers", nginx.Int(large.number), large.size.Arg())
		h.Directives.Add("keepalive_timeout", nginx.Seconds(keepAlive.In(v)))
		h.Directives.Add("keepalive_requests", nginx.Int(keepAliveRequests.In(v)))
		h.Directives.Add("http2", nginx.OnOff(useHTTP2.In(v)))
		h.Directives.Add("http2_max_concurrent_streams", nginx.Int(http2Streams.In(v)))
		return nil
	},
}

// waitOf is how long a client is waited for, 60 seconds by default. NGINX would take 0 for no time at all, and serve nobody.
func waitOf(key string) *Setting[time.Duration] {
	const low = 1
	name := fmt.Sprintf("a number of seconds from %d to %d", low, maxSeconds)
	parse := func(s string) (time.Duration, error) {
		n, err := parseInt(s, low, maxSeconds)
		return time.Duration(n) * time.Second, err
	}
	show := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	return New(key, Kind[time.Duration]{name, parse, show, []string{"1", strconv.Itoa(maxSeconds)}}, time.Minute).ConfigOnly()
}

// headerBuffers are buffers for the headers of one request.
type headerBuffers struct {
	number int
	size   Size
}

// headerBuffersKind bounds what a single client can make us allocate. NGINX takes no size below that of the pool of a connection, 512.
var headerBuffersKind = func() Kind[headerBuffers] {
	const fewest, most = 1, 128
	const low, high = Size(1 << 10), Size(1 << 20)
	name := fmt.Sprintf("a number from %d to %d and a size from %s to %s", fewest, most, low, high)
	return Kind[headerBuffers]{
		Name: name,
		Parse: func(s string) (headerBuffers, error) {
			words := strings.Fields(s)
			if len(words) != 2 {
				return headerBuffers{}, notA(name)
			}
			number, err := parseInt(words[0], fewest, most)
			if err != nil {
				return headerBuffers{}, notA(name)
			}
			size, err := parseSize(words[1])
			if err != nil || size < low || size > high {
				return headerBuffers{}, notA(name)
			}
			return headerBuffers{number, size}, nil
		},
		Print: func(b headerBuffers) string { return strconv.Itoa(b.number) + " " + b.size.String() },
		Edges: []string{"1 1k", "128 1m", "8 1025"},
	}
}()
