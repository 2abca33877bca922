package annotations

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	tracing = Bool("enable-opentelemetry", false).Global().Example("true").
		Doc("Makes a span of each request, in the trace that the header traceparent says (W3C Trace Context), and tells the backend of it.")
	trustsTraces = Bool("opentelemetry-trust-incoming-span", true).Global().Example("false").
			Doc("Whether the client's traceparent counts. Otherwise each request begins a trace. As an annotation it needs enable-opentelemetry: true beside it.")
	operationName = New("opentelemetry-operation-name", operationNameKind, "").Bad(Refuse).Example("checkout").
			Doc("What spans are called, in place of method and path of the Ingress rule. It needs enable-opentelemetry: true beside it.")
	operationNameEverywhere = func() *Setting[nginx.Arg] {
		s := New("global-opentelemetry-operation-name", spanNameKind, nginx.Arg{}).GlobalAs("opentelemetry-operation-name").Example("HTTP $request_method $service_name").
			Doc("The same for all paths, with variables.")
		s.scope = PerController
		return s
	}()

	collectorHost = New("otlp-collector-host", hostKind, "").ConfigOnly().Example("collector.observability.svc").
			Doc("Host of the collector that gets the spans, by OTLP over gRPC in the clear. Without it there are none.")
	collectorPort = Int("otlp-collector-port", 4317, 1, 65535).ConfigOnly().Example("14317").
			Doc("Port of the collector.")
	serviceName = New("otel-service-name", Kind[string]{
		Name: "a text", Parse: func(s string) (string, error) { return s, encodes(nginx.Text(s)) }, Print: keep, Edges: []string{"nginx", "a \"b\" $c"},
	}, "nginx").ConfigOnly().Example("ingress").
		Doc("What the spans' resource is called (service.name).")
	sampler = Enum("otel-sampler", "AlwaysOn", false, "AlwaysOn", "AlwaysOff", "TraceIdRatioBased").ConfigOnly().Example("TraceIdRatioBased").
		Doc("Which requests are recorded.")
	samplerRatio = New("otel-sampler-ratio", ratioKind, 0.01).ConfigOnly().Example("0.1").
			Doc("The share of them with TraceIdRatioBased.")
	samplerParentBased = Bool("otel-sampler-parent-based", true).ConfigOnly().Example("false").
				Doc("Whether requests that come with a trace are recorded exactly if that is.")
	spanQueue = Int("otel-max-queuesize", 2048, 1, 16384).ConfigOnly().Example("4096").
			Doc("Spans that wait for export at most. Further ones are dropped, and counted in the log.")
	spanDelay = Int("otel-schedule-delay-millis", 5000, 100, 600000).ConfigOnly().Example("1000").
			Doc("Milliseconds between two exports.")
	spanBatch = Int("otel-max-export-batch-size", 512, 1, 16384).ConfigOnly().Example("256").
			Doc("Spans that are exported together at most.")
)

// traces is written first of what a location does with a request, so that redirects and answers to preflights have spans, too.
var traces = Feature{
	Name: "Tracing",
	Settings: Settings{
		tracing, trustsTraces, operationName, operationNameEverywhere, collectorHost, collectorPort, serviceName, sampler, samplerRatio,
		samplerParentBased, spanQueue, spanDelay, spanBatch,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		nameTraces(v, h)
		host := collectorHost.In(v)
		if host == "" {
			if tracing.In(v) {
				return Mistake(tracing, Conflict, "there is no otlp-collector-host; no request has a span")
			}
			return nil
		}
		h.Tracing = &nginx.Tracing{
			Collector: net.JoinHostPort(host, strconv.Itoa(collectorPort.In(v))), Service: serviceName.In(v),
			Queue: spanQueue.In(v), Delay: time.Duration(spanDelay.In(v)) * time.Millisecond, Batch: spanBatch.In(v),
		}
		return nil
	},
	Location: func(v Values, l *nginx.Location) error {
		if l.Server == nil || !tracing.In(v) {
			return nil
		}
		if collectorHost.In(v) == "" {
			if tracing.Given(v) {
				return Mistake(tracing, Conflict, "the controller's ConfigMap has no otlp-collector-host; requests have no spans")
			}
			return nil
		}
		name := operationNameEverywhere.In(v)
		if !tracing.Given(v) {
			v.own = nil // as in ingress-nginx
		} else if operationName.Given(v) {
			name = nginx.Text(operationName.In(v))
		}
		l.Preflight.Add("set_by_lua", nginx.Var("traceparent"), nginx.Verbatim("return tracing.begin(ngx.arg[1], ngx.arg[2], ngx.arg[3], ngx.arg[4])"),
			nginx.Verbatim(sampler.In(v)), nginx.Verbatim(ratioKind.Print(samplerRatio.In(v))), nginx.OnOff(samplerParentBased.In(v)), nginx.OnOff(trustsTraces.In(v)))
		l.Preflight.Add("set", nginx.Var("operation_name"), name)
		l.SetHeader("traceparent", nginx.Var("traceparent"))
		if !trustsTraces.In(v) {
			l.SetHeader("tracestate", nginx.Text(""))
		}
		return nil
	},
}

// nameTraces gives formats of the access log the variables of ingress-nginx's module, if they use them. Without a span they are
// empty.
func nameTraces(v Values, h *nginx.HTTP) {
	none := func(variable string) nginx.Directive {
		return nginx.Directive{Name: "map", Args: []nginx.Arg{nginx.Text(""), nginx.Var(variable)}, Block: []nginx.Directive{nginx.Entry(nginx.Verbatim("default"), nginx.Text(""))}}
	}
	if collectorHost.In(v) != "" {
		h.Directives = append(h.Directives, none("traceparent"), none("operation_name"))
	}
	format := logFormat.In(v)
	for i, pattern := range []string{"^(?<traceparent_all>.+)$", "^00-(?<traceparent_trace>[^-]+)", "^00-[^-]+-(?<traceparent_span>[^-]+)"} {
		name, group := []string{"context_traceparent", "trace_id", "span_id"}[i], []string{"traceparent_all", "traceparent_trace", "traceparent_span"}[i]
		d := none("opentelemetry_" + name)
		if !slices.Contains(format, "opentelemetry_"+name) {
			continue
		}
		if collectorHost.In(v) != "" {
			d.Args[0] = nginx.Var("traceparent")
			d.Block = append(d.Block, nginx.Entry(nginx.Verbatim("~"+pattern), nginx.Var(group)))
		}
		h.Directives = append(h.Directives, d)
	}
}

var operationNameKind = Kind[string]{
	Name: "a name of letters, digits, _ and -",
	Parse: func(s string) (string, error) {
		if _, err := only(strings.ReplaceAll(s, " ", ""), "_-"); err != nil {
			return "", err
		}
		return strings.TrimSpace(s), nil
	},
	Print: keep,
	Edges: []string{"a", "my operation-name_1"},
}

var spanNameKind = Kind[nginx.Arg]{
	Name:  "a text with variables",
	Parse: func(s string) (nginx.Arg, error) { return expandKnown(s, noCaptures, isLogVariable) },
	Print: nginx.Arg.Value,
	Edges: []string{"a", "HTTP $request_method $uri", `"; }`},
}

var hostKind = Kind[string]{
	Name: "a host",
	Parse: func(s string) (string, error) {
		host, err := only(strings.Trim(s, "[]"), "-._:")
		if err == nil && host == "" {
			err = notA("a host")
		}
		return host, err
	},
	Print: keep,
	Edges: []string{"a", "collector.observability.svc", "2001:db8::1"},
}

var ratioKind = Kind[float64]{
	Name: "a number from 0 to 1",
	Parse: func(s string) (float64, error) {
		ratio, err := strconv.ParseFloat(s, 64)
		if err != nil || !(ratio >= 0 && ratio <= 1) {
			return 0, errors.New("is not a number from 0 to 1")
		}
		return ratio, nil
	},
	Print: func(ratio float64) string { return strconv.FormatFloat(ratio, 'f', -1, 64) },
	Edges: []string{"0", "1", "0.000001", "1e-9"},
}
