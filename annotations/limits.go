package annotations

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

var (
	limitRPS = Int("limit-rps", 0, math.MinInt32, maxCount).Bad(Refuse).Example("10").
			Doc("Requests per second that each client may make to all paths of the Ingress together, for each controller. What exceeds the burst is answered limit-req-status-code. Without a positive number there is no limit.")
	limitRPM = Int("limit-rpm", 0, math.MinInt32, maxCount).Bad(Refuse).Example("300").
			Doc("The same for requests per minute. Both may be given.")
	limitBurst = Int("limit-burst-multiplier", 5, 1, maxCount).Bad(Deny).Example("2").
			Doc("How many times the number of limit-rps or limit-rpm may be exceeded before requests are refused. None are delayed.")
	limitConnections = Int("limit-connections", 0, math.MinInt32, maxConnections).Bad(Refuse).Example("20").
				Doc("Requests that each client may have at the same time at all paths of the Ingress. Further ones are answered limit-conn-status-code. Without a positive number there is no limit.")
	limitAllowlist = CIDRs("limit-allowlist").Alias("limit-whitelist").Bad(Refuse).Example("10.0.0.0/8").
			Doc("Clients with these addresses are not limited in how many requests they make, nor counted.")

	limitKey = New("limit-conn-zone-variable", hashKeyKind, dynamic.Template{"", "binary_remote_addr"}).ConfigOnly().Example("$http_x_key").
			Doc("What tells clients apart for limits, a text with variables.")
	limitRequestStatus = Int("limit-req-status-code", 503, 400, 599).ConfigOnly().Example("429").
				Doc("Status of requests beyond limit-rps and limit-rpm.")
	limitConnectionStatus = Int("limit-conn-status-code", 503, 400, 599).ConfigOnly().Example("429").
				Doc("Status of requests beyond limit-connections.")

	limitRate = Int("limit-rate", 0, 0, maxCount).Global().Example("100").
			Doc("How fast an answer is sent, in KiB per second; 0 is as fast as can be. It counts only with `proxy-buffering: \"on\"`.")
	limitRateAfter = Int("limit-rate-after", 0, 0, maxCount).Global().Example("1024").
			Doc("How many KiB of an answer are sent before limit-rate counts.")
)

// maxConnections is the largest number that limit_conn takes.
const maxConnections = 1<<16 - 1

var requestLimits = Feature{
	Name:     "Limits of requests",
	Settings: Settings{limitRPS, limitRPM, limitBurst, limitConnections, limitAllowlist},
	Guards:   true,
	Location: func(v Values, l *nginx.Location) error {
		rps, rpm, connections := limitRPS.In(v), limitRPM.In(v), limitConnections.In(v)
		if max(rps, rpm, connections) <= 0 {
			return nil
		}
		key := clientKey(v, l)
		if connections > 0 {
			l.Body.Add("limit_conn", zone(l, "limit_conn_zone", key), nginx.Int(connections))
		}
		for _, rate := range []struct {
			requests int
			unit     string
		}{{rps, "r/s"}, {rpm, "r/m"}} {
			if rate.requests > 0 {
				burst := min(int64(rate.requests)*int64(limitBurst.In(v)), maxCount)
				l.Body.Add("limit_req",
					nginx.Concat(nginx.Verbatim("zone="), zone(l, "limit_req_zone", key, nginx.Verbatim("rate="+strconv.Itoa(rate.requests)+rate.unit))),
					nginx.Verbatim(fmt.Sprintf("burst=%d", burst)), nginx.Verbatim("nodelay"))
			}
		}
		return nil
	},
}

// limitAnswers has what is said of limits, and guards nothing itself.
var limitAnswers = Feature{
	Name:     "Answers of limits",
	Settings: Settings{limitKey, limitRequestStatus, limitConnectionStatus},
	Location: func(v Values, l *nginx.Location) error {
		l.Body.Add("limit_req_status", nginx.Int(limitRequestStatus.In(v)))
		l.Body.Add("limit_conn_status", nginx.Int(limitConnectionStatus.In(v)))
		return nil
	},
}

var answerRate = Feature{
	Name:     "Rate of answers",
	Settings: Settings{limitRate, limitRateAfter},
	Location: func(v Values, l *nginx.Location) error {
		l.Body.Add("limit_rate", kibibytes(limitRate.In(v)))
		l.Body.Add("limit_rate_after", kibibytes(limitRateAfter.In(v)))
		if limitRate.Given(v) && limitRate.In(v) > 0 && proxyBuffering.In(v) != "on" {
			return Mistake(limitRate, Conflict, "it has no effect without proxy-buffering: \"on\"")
		}
		return nil
	},
}

func kibibytes(n int) nginx.Arg {
	if n == 0 {
		return nginx.Int(0)
	}
	return nginx.Verbatim(strconv.Itoa(n) + "k")
}

// clientKey is what requests are counted by: the Ingress and the client, or nothing at all where a client is not limited. So
// Ingresses with the same limits share a zone, and none counts the requests of another.
func clientKey(v Values, l *nginx.Location) nginx.Arg {
	parts := []nginx.Arg{nginx.Var("namespace"), nginx.Verbatim("/"), nginx.Var("ingress_name"), nginx.Verbatim(" ")}
	for n, piece := range limitKey.In(v) {
		if n%2 == 0 {
			parts = append(parts, nginx.Text(piece))
		} else {
			parts = append(parts, nginx.Var(piece))
		}
	}
	key := nginx.Concat(parts...)
	if free := limitAllowlist.In(v); len(free) > 0 {
		key = l.Derive("map", l.Derive("geo", nginx.Var("remote_addr"), members(free)), []nginx.Directive{
			nginx.Entry(nginx.Verbatim("default"), key), nginx.Entry(nginx.Verbatim("1"), nginx.Verbatim("")),
		})
	}
	return key
}

// members are entries of geo that give 1 for addresses of a list.
func members(list []netip.Prefix) []nginx.Directive {
	entries := []nginx.Directive{nginx.Entry(nginx.Verbatim("default"), nginx.Verbatim("0"))}
	for _, p := range list {
		entries = append(entries, nginx.Entry(network(p), nginx.Verbatim("1")))
	}
	return entries
}

// zoneSize is room for about 100,000 clients. When a zone of requests is full, the client is forgotten that was not there for
// longest; one of connections has only what is open.
const zoneSize = "16m"

// zone asks for shared memory in which one kind of requests is counted, and returns its name. NGINX keeps what it has counted over a
// reload as long as name, key and size stay, and takes no other key for the same name.
func zone(l *nginx.Location, directive string, key nginx.Arg, rate ...nginx.Arg) nginx.Arg {
	name := strings.TrimSuffix(directive, "_zone") + "_" + nginx.D(directive, append([]nginx.Arg{key}, rate...)...).Digest()
	l.Need(nginx.D(directive, append([]nginx.Arg{key, nginx.Verbatim("zone=" + name + ":" + zoneSize)}, rate...)...))
	return nginx.Verbatim(name)
}
