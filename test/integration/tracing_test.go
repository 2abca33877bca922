//go:build integration

package integration

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// otlpCollector takes spans over gRPC, as OpenTelemetry's collector does.
type otlpCollector struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex
	spans    map[string]*otlp.Span // by trace
	services map[string]bool       // service.name of resources
}

func startCollector(t *testing.T, address string) *otlpCollector {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := &otlpCollector{spans: map[string]*otlp.Span{}, services: map[string]bool{}}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c
}

// Export is what an exporter calls.
func (c *otlpCollector) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.services[a.GetValue().GetStringValue()] = true
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[hex.EncodeToString(span.GetTraceId())] = span
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// exported sends requests until the collector has the span of one, and returns that with the traceparent that the pod saw. Spans
// of others may have to go first.
func (c *otlpCollector) exported(t *testing.T, d *daemon, parent string) (seen string, span *otlp.Span) {
	t.Helper()
	var sent time.Time
	d.eventually(30*time.Second, "the collector has the span of a request", func() error {
		if time.Since(sent) > time.Second {
			seen, sent = d.trace(t, parent, http.StatusOK), time.Now()
		}
		parts := strings.Split(seen, "-")
		if len(parts) != 4 {
			t.Fatalf("the pod sees %q", seen)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if span = c.spans[parts[1]]; span == nil || hex.EncodeToString(span.GetSpanId()) != parts[2] {
			return fmt.Errorf("it has spans of %d traces", len(c.spans))
		}
		return nil
	})
	return seen, span
}

const tracingSettings = `
apiVersion: v1
kind: ConfigMap
metadata: {name: controller, namespace: ingress}
data:
  enable-opentelemetry: "true"
  otlp-collector-host: 127.0.0.1
  otlp-collector-port: "18590"
  otel-service-name: our-ingress
  otel-schedule-delay-millis: "100"
  otel-max-queuesize: "4"
`

const incomingTrace, incomingSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

// Spans reach the collector as children of what the client says, backends see their own parent, and what is not recorded
// is not exported. A collector that is away keeps no request waiting.
func TestTracing(t *testing.T) {
	for _, routing := range []string{"compiled", "dynamic"} {
		t.Run(routing, func(t *testing.T) {
			startPods(t, 1)
			manifests := shop("shop.test", 1)
			manifests["controller.yaml"] = tracingSettings
			d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing="+routing, "--configmap=ingress/controller")

			for range 20 { // nobody takes these spans; the list holds four
				d.trace(t, "00-"+strings.Repeat("a", 32)+"-"+incomingSpan+"-01", http.StatusOK)
			}
			d.eventually(20*time.Second, "the log says that spans are lost", d.logs("spans are lost"))
			spans := startCollector(t, "127.0.0.1:18590")
			seen, child := spans.exported(t, d, "00-"+incomingTrace+"-"+incomingSpan+"-01")
			if got := hex.EncodeToString(child.GetParentSpanId()); got != incomingSpan {
				t.Errorf("the parent is %s, want %s", got, incomingSpan)
			}
			if !strings.HasPrefix(seen, "00-"+incomingTrace+"-") || strings.Contains(seen, incomingSpan) || !strings.HasSuffix(seen, "-01") {
				t.Errorf("the pod sees %s", seen)
			}
			_, root := spans.exported(t, d, "")
			if len(root.GetParentSpanId()) != 0 {
				t.Errorf("the parent of a span that begins a trace is %x", root.GetParentSpanId())
			}
			checkSpan(t, root, spans)

			unsampled := strings.Repeat("b", 32)
			if seen = d.trace(t, "00-"+unsampled+"-"+incomingSpan+"-00", http.StatusOK); !strings.HasSuffix(seen, "-00") {
				t.Errorf("the pod sees %s", seen)
			}
			spans.exported(t, d, "") // came later
			spans.mu.Lock()
			defer spans.mu.Unlock()
			if spans.spans[unsampled] != nil {
				t.Error("a span is exported that is not recorded")
			}
		})
	}
}

func checkSpan(t *testing.T, span *otlp.Span, c *otlpCollector) {
	t.Helper()
	got := map[string]string{}
	for _, a := range span.GetAttributes() {
		got[a.GetKey()] = a.GetValue().GetStringValue()
		if a.GetKey() == "http.response.status_code" {
			got[a.GetKey()] = fmt.Sprint(a.GetValue().GetIntValue())
		}
	}
	for key, want := range map[string]string{
		"http.request.method": "GET", "http.response.status_code": "200", "url.path": "/cart", "url.scheme": "http", "http.route": "/",
		"server.address": "shop.test", "client.address": "127.0.0.1", "network.protocol.version": "1.1", "k8s.namespace.name": "shop",
	} {
		if got[key] != want {
			t.Errorf("attribute %s is %q, want %q", key, got[key], want)
		}
	}
	if strings.Contains(fmt.Sprint(got), "token") {
		t.Error("the query is in the span")
	}
	if span.GetName() != "GET /" || span.GetKind() != otlp.Span_SPAN_KIND_SERVER {
		t.Errorf("the span is %q, a %s", span.GetName(), span.GetKind())
	}
	age := time.Since(time.Unix(0, int64(span.GetStartTimeUnixNano()))) //nolint:gosec // of now
	if span.GetEndTimeUnixNano() < span.GetStartTimeUnixNano() || age < 0 || age > time.Minute {
		t.Errorf("the span is from %d to %d", span.GetStartTimeUnixNano(), span.GetEndTimeUnixNano())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.services["our-ingress"] || len(c.services) != 1 {
		t.Errorf("resources are %v", c.services)
	}
}

// trace sends a request with the given traceparent, "" for none, and returns the one that the pod saw.
func (d *daemon) trace(t *testing.T, parent string, want int) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/cart?token=secret", d.ports.http), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.test"
	if parent != "" {
		req.Header.Set("Traceparent", parent)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("status %d, want %d (%v)", resp.StatusCode, want, err)
	}
	seen := regexp.MustCompile(`"Traceparent":\["([^"]*)"\]`).FindSubmatch(body)
	if seen == nil {
		return ""
	}
	return string(seen[1])
}
