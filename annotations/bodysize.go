package annotations

import "github.com/sluice-ingress/sluice/nginx"

// maxSize is what NGINX's offsets hold; in practice no limit.
const maxSize = Size(1) << 50

var (
	proxyBodySize = SizeOf("proxy-body-size", 1<<20, 0, maxSize).Global().Example("8m").
			Doc("Largest request body; a larger one is answered 413. 0 is no limit.")
	clientBodyBuffer = SizeOf("client-body-buffer-size", 8<<10, 1, 1<<30).Global().Bad(Refuse).Example("64k").
				Doc("How much of a request body is kept in memory; the rest goes to a temporary file.")
)

var bodySize = Feature{
	Name:     "Request bodies",
	Settings: Settings{proxyBodySize, clientBodyBuffer},
	Location: func(v Values, l *nginx.Location) error {
		l.Body.Add("client_max_body_size", proxyBodySize.In(v).Arg())
		l.Body.Add("client_body_buffer_size", clientBodyBuffer.In(v).Arg())
		return nil
	},
}
