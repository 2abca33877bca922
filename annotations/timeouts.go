package annotations

import "github.com/sluice-ingress/sluice/nginx"

var (
	connectTimeout = SecondsOf("proxy-connect-timeout", 5).Global().Example("10").
			Doc("Longest wait for a connection to the backend, in seconds; then 504.")
	sendTimeout = SecondsOf("proxy-send-timeout", 60).Global().Example("120").
			Doc("Longest pause between two writes to the backend, in seconds; then 504.")
	readTimeout = SecondsOf("proxy-read-timeout", 60).Global().Example("3600").
			Doc("Longest pause between two reads from the backend, in seconds; then 504. It also bounds how long a WebSocket may be silent.")
)

var timeouts = Feature{
	Name:     "Backend timeouts",
	Settings: Settings{connectTimeout, sendTimeout, readTimeout},
	Location: func(v Values, l *nginx.Location) error {
		l.Proxy("connect_timeout", nginx.Seconds(connectTimeout.In(v)))
		l.Proxy("send_timeout", nginx.Seconds(sendTimeout.In(v)))
		l.Proxy("read_timeout", nginx.Seconds(readTimeout.In(v)))
		return nil
	},
}
