package server

import (
	"context"
	"fmt"
	"net"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// CollectorPort is where spans are taken.
const CollectorPort = PodPort + 1

// traces takes spans as OpenTelemetry's collector does, and forgets them.
type traces struct {
	collector.UnimplementedTraceServiceServer
}

// Export implements TraceServiceServer.
func (traces) Export(context.Context, *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	return &collector.ExportTraceServiceResponse{}, nil
}

func startCollector(ctx context.Context) (*grpc.Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", CollectorPort))
	if err != nil {
		return nil, fmt.Errorf("start the collector of spans: %w", err)
	}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, traces{})
	go func() { _ = server.Serve(listener) }() // until Stop
	return server, nil
}
