package annotations

import (
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	keepaliveConnections = Int("upstream-keepalive-connections", 320, 0, maxCount).ConfigOnly().Example("64").
				Doc("How many idle connections each worker keeps to the endpoints of a Service. Where there are more than 100 Services it is fewer, but 40 at least. 0 keeps none and asks endpoints to close theirs.")
	keepaliveRequests = Int("upstream-keepalive-requests", 10000, 0, maxCount).ConfigOnly().Example("1000").
				Doc("After how many requests a connection to an endpoint is closed.")
	keepaliveTime = New("upstream-keepalive-time", timeKind, time.Hour).ConfigOnly().Example("30m").
			Doc("At what age a connection to an endpoint is closed after the next request.")
	keepaliveTimeout = SecondsOf("upstream-keepalive-timeout", 60).ConfigOnly().Example("30").
				Doc("After how many seconds an idle connection to an endpoint is closed.")
)

var keepalive = Feature{
	Name:     "Idle connections to endpoints",
	Settings: Settings{keepaliveConnections, keepaliveRequests, keepaliveTime, keepaliveTimeout},
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.Keepalive = nginx.Keepalive{
			Connections: keepaliveConnections.In(v), Requests: keepaliveRequests.In(v), Time: keepaliveTime.In(v), Timeout: keepaliveTimeout.In(v),
		}
		return nil
	},
}
