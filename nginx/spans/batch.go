package spans

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// batch is what workers answer.
type batch struct {
	Spans   []string `json:"spans"` // each a document of its own
	Dropped int      `json:"dropped"`
}

// span is what a worker tells of a request; see tracing.lua.
type span struct {
	Trace     string  `json:"trace"`
	Span      string  `json:"span"`
	Parent    string  `json:"parent"`
	Name      string  `json:"name"`
	Start     float64 `json:"start"` // seconds since 1970
	End       float64 `json:"end"`
	Method    string  `json:"method"`
	Scheme    string  `json:"scheme"`
	Host      string  `json:"host"`
	Path      string  `json:"path"`
	Route     string  `json:"route"`
	Status    int     `json:"status"`
	Client    string  `json:"client"`
	Agent     string  `json:"agent"`
	Protocol  string  `json:"protocol"`
	Namespace string  `json:"namespace"`
	Ingress   string  `json:"ingress"`
	Service   string  `json:"service"`
}

// snapshots are the spans as the SDK has them. What cannot be read is left out.
func (b batch) snapshots(service string) []sdktrace.ReadOnlySpan {
	res := resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName(service))
	var stubs tracetest.SpanStubs
	for _, text := range b.Spans {
		var s span
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			continue
		}
		if stub, ok := s.stub(); ok {
			stub.Resource = res
			stubs = append(stubs, stub)
		}
	}
	return stubs.Snapshots()
}

func (s span) stub() (tracetest.SpanStub, bool) {
	traceID, err := trace.TraceIDFromHex(s.Trace)
	if err != nil {
		return tracetest.SpanStub{}, false
	}
	own, err := trace.SpanIDFromHex(s.Span)
	if err != nil {
		return tracetest.SpanStub{}, false
	}
	stub := tracetest.SpanStub{
		Name: s.Name, SpanKind: trace.SpanKindServer, StartTime: moment(s.Start), EndTime: moment(s.End), Attributes: s.attributes(),
		SpanContext:          trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: own, TraceFlags: trace.FlagsSampled}),
		InstrumentationScope: instrumentation.Scope{Name: "sluice"},
	}
	if parent, err := trace.SpanIDFromHex(s.Parent); err == nil {
		stub.Parent = trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: parent, TraceFlags: trace.FlagsSampled, Remote: true})
	}
	if s.Status >= 500 {
		stub.Status = sdktrace.Status{Code: codes.Error}
	}
	return stub, true
}

// attributes are those of OpenTelemetry's conventions for servers of HTTP. The query is left out: there are secrets in it.
func (s span) attributes() []attribute.KeyValue {
	list := []attribute.KeyValue{semconv.HTTPResponseStatusCode(s.Status)}
	for _, a := range []struct {
		key   attribute.Key
		value string
	}{
		{semconv.HTTPRequestMethodKey, s.Method}, {semconv.URLSchemeKey, s.Scheme}, {semconv.URLPathKey, s.Path}, {semconv.HTTPRouteKey, s.Route},
		{semconv.ServerAddressKey, s.Host}, {semconv.ClientAddressKey, s.Client}, {semconv.UserAgentOriginalKey, s.Agent},
		{semconv.NetworkProtocolNameKey, "http"}, {semconv.NetworkProtocolVersionKey, strings.TrimSuffix(strings.TrimPrefix(s.Protocol, "HTTP/"), ".0")},
		{semconv.K8SNamespaceNameKey, s.Namespace}, {"k8s.ingress.name", s.Ingress}, {"k8s.service.name", s.Service},
	} {
		if a.value != "" {
			list = append(list, a.key.String(a.value))
		}
	}
	return list
}

func moment(seconds float64) time.Time {
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC()
}
