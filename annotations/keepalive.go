package annotations

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
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

// timeUnits are those of NGINX, but for milliseconds: nothing here needs them.
var timeUnits = map[string]time.Duration{
	"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	"M": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

var timePart = regexp.MustCompile(`^([0-9]+)([smhdwMy]?)$`)

// timeKind is a time as NGINX takes it: numbers with units, with blanks between them. One without a unit is in seconds.
var timeKind = Kind[time.Duration]{
	Name: "a time such as 1h or 1h 30m",
	Parse: func(s string) (time.Duration, error) {
		var sum time.Duration
		fields := strings.Fields(s)
		for _, field := range fields {
			part := timePart.FindStringSubmatch(field)
			if part == nil {
				return 0, notA("a time such as 1h or 1h 30m")
			}
			n, err := strconv.Atoi(part[1])
			unit := timeUnits[part[2]]
			if err != nil || n > maxSeconds || time.Duration(n) > math.MaxInt64/2/unit || sum+time.Duration(n)*unit > maxSeconds*time.Second {
				return 0, fmt.Errorf("is more than %d seconds", maxSeconds)
			}
			sum += time.Duration(n) * unit
		}
		if len(fields) == 0 {
			return 0, errors.New("has no number")
		}
		return sum, nil
	},
	Print: func(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" },
	Edges: []string{"0", "1h 30m", "1y", strconv.Itoa(maxSeconds)},
}
