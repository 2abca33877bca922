package annotations

import "github.com/sluice-ingress/sluice/nginx"

var (
	proxyBodySize = SizeOf("proxy-body-size", 1<<20, 0, maxSize).Global().Example("8m").
			Doc("Largest request body; a larger one is answered 413. 0 is no limit.")
	clientBodyBuffer = SizeOf("client-body-buffer-size", 8<<10, 0, maxBuffer).Global().Bad(Refuse).Example("64k").
				Doc("How much of a request body is kept in memory, at least 1k; the rest goes to a temporary file.")
)

// minBodyBuffer keeps one request from costing a system call for every byte.
const minBodyBuffer = Size(1 << 10)

var bodySize = Feature{
	Name:     "Request bodies",
	Settings: Settings{proxyBodySize, clientBodyBuffer},
	Location: func(v Values, l *nginx.Location) error {
		l.MaxBody = int64(proxyBodySize.In(v))
		l.Body.Add("client_max_body_size", proxyBodySize.In(v).Arg())
		l.Body.Add("client_body_buffer_size", max(clientBodyBuffer.In(v), minBodyBuffer).Arg())
		return nil
	},
}
