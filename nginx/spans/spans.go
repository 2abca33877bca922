// Package spans takes what workers of NGINX have to tell of requests to a collector of OpenTelemetry, by OTLP over gRPC.
//
// What is exported where, the configuration that NGINX runs says in a file; see nginx.Tracing. Nothing waits for a collector:
// what cannot be exported is dropped, and the log says how much.
package spans

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"

	"github.com/sluice-ingress/sluice/nginx"
)

const (
	idleDelay     = time.Second // between two looks for a configuration with tracing
	takeTimeout   = 5 * time.Second
	exportTimeout = 10 * time.Second // retries included
	answerLimit   = 256 << 20
)

// Exporter is for the process that runs NGINX.
type Exporter struct {
	dir    string
	log    *slog.Logger
	client *http.Client

	settings nginx.Tracing // of collector
	exporter *otlptrace.Exporter
	failing  bool
}

// New prepares an exporter for the NGINX of a state directory; see supervisor.Options.
func New(dir string, log *slog.Logger) *Exporter {
	socket := filepath.Join(dir, "state.sock")
	return &Exporter{dir: dir, log: log, client: &http.Client{Timeout: takeTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true, // a connection that stays would stay with a worker that has been replaced
	}}}
}

// Run exports until the context ends. It returns nil.
func (e *Exporter) Run(ctx context.Context) error {
	timer := time.NewTimer(idleDelay)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportTimeout)
			defer cancel()
			e.drain(last)
			e.close(last)
			return nil
		case <-timer.C:
			timer.Reset(e.drain(ctx))
		}
	}
}

// drain exports what there is, and returns how long to wait until the next time.
func (e *Exporter) drain(ctx context.Context) time.Duration {
	settings, err := e.configured()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.close(ctx)
		return idleDelay
	case err != nil:
		e.note(err)
		return idleDelay
	}
	for more := true; more && ctx.Err() == nil; {
		more, err = e.exportBatch(ctx, settings)
	}
	e.note(err)
	return max(settings.Delay, 100*time.Millisecond)
}

// note logs when exporting begins to fail, and when it works again.
func (e *Exporter) note(err error) {
	switch {
	case err != nil && !e.failing:
		e.log.Warn("spans are lost", "error", err)
	case err == nil && e.failing:
		e.log.Info("spans are exported again")
	}
	e.failing = err != nil
}

// configured reads what the configuration that is live says of tracing.
func (e *Exporter) configured() (nginx.Tracing, error) {
	var t nginx.Tracing
	text, err := os.ReadFile(filepath.Join(e.dir, "conf", "current", nginx.TracingFile))
	if err != nil {
		return t, fmt.Errorf("read where spans go: %w", err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("read where spans go: %w", err)
	}
	return t, nil
}

// exportBatch exports some spans, and tells whether there may be more.
func (e *Exporter) exportBatch(ctx context.Context, settings nginx.Tracing) (bool, error) {
	batch, err := e.take(ctx, settings.Batch)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return false, nil // NGINX does not run, so there are none
	}
	if err != nil {
		return false, fmt.Errorf("take spans from NGINX: %w", err)
	}
	if batch.Dropped > 0 {
		e.log.Warn("spans were dropped because too many waited", "count", batch.Dropped, "limit", settings.Queue)
	}
	if len(batch.Spans) == 0 {
		return false, nil
	}
	if err := e.connect(ctx, settings); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	if err := e.exporter.ExportSpans(ctx, batch.snapshots(settings.Service)); err != nil {
		return len(batch.Spans) == settings.Batch, fmt.Errorf("export %d spans to %s: %w", len(batch.Spans), settings.Collector, err)
	}
	return len(batch.Spans) == settings.Batch, nil
}

// take fetches spans; nobody gets them twice.
func (e *Exporter) take(ctx context.Context, most int) (batch, error) {
	document, err := json.Marshal(map[string]int{"most": most})
	if err != nil {
		return batch{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://nginx/v1/spans", bytes.NewReader(document))
	if err != nil {
		return batch{}, err
	}
	response, err := e.client.Do(request)
	if err != nil {
		return batch{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return batch{}, fmt.Errorf("status %d", response.StatusCode)
	}
	var b batch
	text, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	return b, err
}

// connect makes the exporter for these settings, unless it is there. It does not wait for the collector.
func (e *Exporter) connect(ctx context.Context, settings nginx.Tracing) error {
	if e.exporter != nil && e.settings.Collector == settings.Collector {
		return nil
	}
	e.close(ctx)
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(settings.Collector), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithTimeout(exportTimeout), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: 3 * time.Second, MaxElapsedTime: exportTimeout,
		}))
	if err != nil {
		return fmt.Errorf("reach the collector %s: %w", settings.Collector, err)
	}
	e.exporter, e.settings = exporter, settings
	return nil
}

// close ends the connection to the collector.
func (e *Exporter) close(ctx context.Context) {
	if e.exporter == nil {
		return
	}
	if err := e.exporter.Shutdown(ctx); err != nil {
		e.log.Warn("the connection to the collector of spans did not end in order", "error", err)
	}
	e.exporter = nil
}
