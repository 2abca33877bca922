package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/admission"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Source knows the cluster; package watch has one.
type Source interface {
	// Ready says what is missing until Snapshots are complete; nil if nothing.
	Ready() error
	// SnapshotFor is the cluster as it is now, with all that an Ingress refers to.
	SnapshotFor(ctx context.Context, ing *networkingv1.Ingress) (cluster.Snapshot, error)
}

// Options say whom to ask and whom to tell.
type Options struct {
	Source      Source
	Plan        func() controller.Options // what the loop plans with
	Good        func() cluster.Fallback   // the last good versions, as the loop knows them
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Observer    Observer
	Log         *slog.Logger
}

// What becomes of a review. The last three are not answered, so that the failurePolicy decides.
const (
	Allowed   = "allowed"
	Refused   = "refused"
	Foreign   = "foreign" // none of ours, or nothing that we look at; allowed
	Malformed = "malformed"
	Busy      = "busy"
	Failed    = "failed"
)

// Observer is told of each review; package metrics has one.
type Observer interface {
	// Reviewed is called with the Ingress, which is empty if the review could not be read. Planning is the part of
	// the time that it took to judge.
	Reviewed(ingress cluster.Name, result string, verdict admission.Verdict, planning, took time.Duration)
}

// Server answers reviews.
type Server struct {
	options Options
	room    *semaphore.Weighted // in bytes of bodies

	mu    sync.Mutex
	index admission.Index
}

const (
	// longestBody is ingress-nginx's limit. The API server takes objects of 3 MiB; a review has two versions.
	longestBody = 9 << 20
	// leastRoom is what a small review counts for. Together with allRoom it says how many are made at once.
	leastRoom = 2 << 20
	allRoom   = 4 * longestBody

	// longestReview is how long the API server waits if it does not say, and at most a third of what it may say.
	longestReview = 10 * time.Second
	// longestRead is for the rest of a request after its header: it comes from the API server next door.
	longestRead = 3 * time.Second
)

// New makes a Server.
func New(o Options) *Server {
	return &Server{options: o, room: semaphore.NewWeighted(allRoom)}
}

// Run serves until the context ends, and then finishes the reviews that it has.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s, Protocols: new(http.Protocols),
		ReadHeaderTimeout: longestRead, WriteTimeout: longestReview + 2*longestRead, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
		TLSConfig:      &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.options.Certificate},
	}
	server.Protocols.SetHTTP1(true) // one request at a time for each connection, and no other way to have many
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the admission webhook: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestRead)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		_ = server.Close() // what is still under way is given up
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the admission webhook: %w", err)
	}
	return nil
}
